"""Which connections are accepted when there are many: no client takes all, and room is reserved for probes and metrics."""

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

PROBES = frozenset({b"/healthz", b"/readyz", b"/metrics"})
NETWORK_BITS = 64  # of an IPv6 address: whoever has one has all the addresses below


class Place(StrEnum):
    """What a new connection is given."""

    ORDINARY = "ordinary"
    RESERVED = "reserved"  # for PROBES only
    NONE = "none"


class Guest(Protocol):
    """A connection as the room knows it."""

    client: str
    ended: "asyncio.Future[None]"

    def waits_for_head(self) -> bool:
        """Whether we still wait for what it wants."""
        ...

    def abort(self) -> None:
        """Ends it."""
        ...


class Guests:
    """The connections that are open, the oldest first."""

    def __init__(self, places: int, per_client: int, reserved: int) -> None:
        self._places = places
        self._per_client = per_client
        self._reserved = reserved
        self._guests: dict[Guest, Place] = {}

    def __iter__(self) -> Iterator[Guest]:
        return iter(tuple(self._guests))

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: Guest) -> Place:
        """Give it a place.

        Where all are taken, that connection goes whose head has been waited for longest: of the same client, if it has too many.
        Where no head is waited for, there are the reserved places.
        """
        place = self._place_for(guest)
        if place is not Place.NONE:
            self._guests[guest] = place
        return place

    def leave(self, guest: Guest) -> None:
        self._guests.pop(guest, None)

    def _place_for(self, guest: Guest) -> Place:
        ordinary = [one for one, place in self._guests.items() if place is Place.ORDINARY]
        same = [one for one in ordinary if one.client == guest.client]
        if len(same) >= self._per_client:
            return self._made_free(same)
        if len(ordinary) >= self._places:
            return self._made_free(ordinary)
        return Place.ORDINARY

    def _made_free(self, guests: list[Guest]) -> Place:
        oldest = next((one for one in guests if one.waits_for_head()), None)
        if oldest is not None:
            self.leave(oldest)
            oldest.abort()
            return Place.ORDINARY
        taken = sum(place is Place.RESERVED for place in self._guests.values())
        return Place.RESERVED if taken < self._reserved else Place.NONE


def client_of(address: str) -> str:
    """Who is behind an address, for counting: an IPv6 address stands for its network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, NETWORK_BITS), strict=False))
    return str(found.ipv4_mapped if isinstance(found, IPv6Address) else found)
