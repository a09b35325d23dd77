"""Chance for the sample data: the same seed and the same `now` give the same values."""

import random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId

Document = dict[str, Any]

FIRST_NAMES = (  # noqa: SIM905 - as a list it is a page of quotes
    "Amara Ana Ben Camille Chen Daniel Dilara Elif Emma Fatima Finn Grace Hana Ibrahim Ines Ivan Jana Jonas Kofi Laila "
    "Leon Lina Lucía Maja Malik Mateo Mia Nadia Noah Nora Olga Omar Priya Quentin Rosa Samir Sofía Søren Tomás Uma Viktor "
    "Wanjiru Xavier Yara Yusuf Zoë"
).split()
LAST_NAMES = (  # noqa: SIM905 - the same
    "Abebe Andersson Bakker Björk Costa Demir Diallo Eriksen Fischer García Haddad Hansen Hoffmann Ivanov Jansen Kaya "
    "Khan Kowalski Lefèvre Lindqvist López Mbeki Mensah Moreau Müller Nakamura Nguyen Novák O'Brien Okafor Pereira "
    "Petrović Quist Rossi Sato Schmidt Silva Tanaka Van-der-Berg Weber Yilmaz Zhang"
).split()

_CITY = (10.7522, 59.9139)  # longitude, latitude
_CITY_DEGREES = 0.12


class Sampler:
    """Draws the values that the sample documents are made of. Moments are given to the second, before `now`."""

    def __init__(self, now: datetime, seed: int) -> None:
        self.now = now.replace(microsecond=0)
        self.random = random.Random(seed)  # noqa: S311 - sample data, no secrets

    def object_id(self, at: datetime) -> ObjectId:
        """An id as a driver would have made it at that moment."""
        return ObjectId(int(at.timestamp()).to_bytes(4, "big") + self.random.randbytes(8))

    def uuid(self) -> Binary:
        return Binary.from_uuid(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def moment(self, *, days: int) -> datetime:
        """Some second of the last `days` days."""
        return self.now - timedelta(seconds=self.random.randrange(1, days * 86_400))

    def name(self, last: str | None = None) -> Document:
        return {"first": self.random.choice(FIRST_NAMES), "last": last or self.random.choice(LAST_NAMES)}

    def phone(self) -> str:
        return f"+47 555 {self.random.randrange(10**5):05}"

    def amount(self, low_cents: int, high_cents: int) -> Decimal128:
        cents = self.random.randint(low_cents, high_cents)
        return Decimal128(f"{cents // 100}.{cents % 100:02}")

    def point(self) -> Document:
        """A place in the city, as GeoJSON."""
        spread = self.random.uniform
        place = [round(degrees + spread(-_CITY_DEGREES, _CITY_DEGREES), 6) for degrees in _CITY]
        return {"type": "Point", "coordinates": place}

    def happens(self, probability: float) -> bool:
        return self.random.random() < probability

    def text(self, alphabet: Sequence[str], length: int) -> str:
        return "".join(self.random.choices(alphabet, k=length))
