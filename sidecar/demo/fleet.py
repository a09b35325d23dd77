"""Sample stops, routes, buses, and the keys of the card readers in the buses."""

import hashlib
import string
from datetime import timedelta

from bson.binary import Binary, BinaryVectorDtype
from bson.code import Code
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex

from sidecar.demo.sampler import Document, Sampler

STOPS = 420
STOPS_PER_ROUTE = 7
BUSES = 40

_STREETS = [
    "Birch",
    "Canal",
    "Castle",
    "Dock",
    "Elm",
    "Forest",
    "Garden",
    "Harbour",
    "Lake",
    "Market",
    "Mill",
    "Oak",
    "Quay",
]
_PLACES = ["Bridge", "Church", "Corner", "Hospital", "Library", "Museum", "Playground", "Square", "Station", "Theatre"]
_MAKES = (("Volvo", "7900 Electric"), ("Scania", "Citywide"), ("MAN", "Lion's City"), ("Iveco", "Crossway"))


def build_stops(sampler: Sampler) -> list[Document]:
    return [_stop(sampler, number) for number in range(1, STOPS + 1)]


def _stop(sampler: Sampler, number: int) -> Document:
    location = sampler.point()
    place = _PLACES[number % len(_PLACES)]
    return {
        "_id": sampler.object_id(sampler.moment(days=900)),
        "code": f"ST-{number:03}",
        "name": f"{_STREETS[number % len(_STREETS)]} Street, {place}",
        "spoken_as": Regex(rf"^{place}( stop)?$", "i"),
        "location": location,
        "geofence": {"type": "Polygon", "coordinates": [_square_around(*location["coordinates"])]},
        "facilities": {
            "shelter": sampler.happens(0.6),
            "bench": sampler.happens(0.4),
            "lighting_lux": sampler.random.randint(5, 60),
        },
        "closed_until": None,
    }


def _square_around(longitude: float, latitude: float) -> list[list[float]]:
    half = 0.0004
    corners = ((-half, -half), (half, -half), (half, half), (-half, half), (-half, -half))
    return [[round(longitude + east, 6), round(latitude + north, 6)] for east, north in corners]


def build_routes(sampler: Sampler, stops: list[Document]) -> list[Document]:
    runs = [stops[first : first + STOPS_PER_ROUTE] for first in range(0, len(stops), STOPS_PER_ROUTE)]
    return [_route(sampler, number, run) for number, run in enumerate(runs, start=1)]


def _route(sampler: Sampler, number: int, stops: list[Document]) -> Document:
    return {
        "_id": sampler.object_id(sampler.moment(days=800)),
        "number": number,
        "name": f"{stops[0]['name'].split(',')[0]} - {stops[-1]['name'].split(',')[0]}",
        "departs_minute": sampler.random.randrange(6 * 60, 7 * 60 + 30, 5),
        "stops": [{"stop_id": stop["_id"], "order": order, "minutes": order * 4} for order, stop in enumerate(stops)],
        "distance_km": round(sampler.random.uniform(3, 25), 2),
        "fare_bands": [  # by distance in km; open at both ends
            {"from": MinKey(), "to": 5.0, "fare": sampler.amount(150, 200)},
            {"from": 5.0, "to": 15.0, "fare": sampler.amount(220, 300)},
            {"from": 15.0, "to": MaxKey(), "fare": sampler.amount(320, 450)},
        ],
        "estimate": Code("function (order) { return order * 4; }"),
        "is_late": Code("function (minutes) { return minutes > grace; }", {"grace": 5}),
        "active": True,
    }


def build_buses(sampler: Sampler, routes: list[Document]) -> list[Document]:
    return [_bus(sampler, number, routes[number - 1 :: BUSES]) for number in range(1, BUSES + 1)]


def _bus(sampler: Sampler, number: int, routes: list[Document]) -> Document:
    make, model = _MAKES[number % len(_MAKES)]
    serviced = sampler.moment(days=180)
    return {
        "_id": number,
        "plate": f"{sampler.text(string.ascii_uppercase, 2)} {10_000 + number * 137}",
        "vehicle": {"make": make, "model": model, "year": sampler.random.randint(2012, 2025)},
        "seats": sampler.random.choice((28, 33, 45, 52)),
        "odometer_km": Int64(sampler.random.randint(20_000, 480_000)),
        "kwh_per_100_km": round(sampler.random.uniform(85, 140), 1),
        "cabin_celsius": sampler.random.choice((-0.0, 18.5, 21.0, float("nan"))),  # NaN: the sensor is broken
        "route_ids": [route["_id"] for route in routes],
        "position": sampler.point(),
        "services": [
            {"at": serviced - timedelta(days=180 * age), "cost": sampler.amount(15_000, 90_000)} for age in range(3)
        ],
    }


def build_device_keys(sampler: Sampler, buses: list[Document]) -> list[Document]:
    return [_device_key(sampler, bus) for bus in buses]


def _device_key(sampler: Sampler, bus: Document) -> Document:
    key, salt = sampler.random.randbytes(32), sampler.random.randbytes(16)
    calibration = [sampler.random.randint(-128, 127) for _ in range(8)]
    return {
        "_id": sampler.uuid(),
        "bus_id": bus["_id"],
        "model": "Raspberry Pi 4B",
        "salt": salt,
        "key_hash": hashlib.sha256(salt + key).digest(),
        "key_label": Binary(hashlib.md5(key, usedforsecurity=False).digest(), 5),
        "accepts_tags": Regex("^04[0-9a-f]{12}$"),
        "antenna": Binary.from_vector(calibration, BinaryVectorDtype.INT8),
        "issued_at": sampler.moment(days=400),
        "revoked_at": None,
    }
