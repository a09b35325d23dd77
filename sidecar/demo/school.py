"""The demo's school: ten collections of believable documents that refer to each other, the same for the same seed and `now`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database

from sidecar.demo.definitions import INDEXES, OPTIONS
from sidecar.demo.fleet import build_buses, build_device_keys, build_routes, build_stops
from sidecar.demo.people import build_students, build_users
from sidecar.demo.rides import (
    build_attendance,
    build_events,
    build_holidays,
    build_photo_references,
    build_reader_log,
    school_days,
)
from sidecar.demo.sampler import Document, Sampler

DATABASE = "bus_tracker"

_SEED = 20251117
_BATCH = 3000

Progress = Callable[[str, int], None]


def build_school(now: datetime, seed: int = _SEED) -> dict[str, list[Document]]:
    """The documents of each collection, as they are on the morning of `now`."""
    sampler = Sampler(now, seed)
    stops = build_stops(sampler)
    routes = build_routes(sampler, stops)
    buses = build_buses(sampler, routes)
    device_keys = build_device_keys(sampler, buses)
    users = build_users(sampler)
    students = build_students(sampler, users, routes, buses)
    holidays = build_holidays(sampler)
    days = school_days(sampler.now, holidays)
    attendance = build_attendance(sampler, days, students, routes)
    events = build_events(sampler, days, attendance, students, device_keys)
    return {
        "users": users,
        "students": students,
        "buses": buses,
        "routes": routes,
        "stops": stops,
        "holidays": holidays,
        "device_keys": device_keys,
        "attendance": attendance,
        "events": events,
        "photo_references": build_photo_references(sampler, events),
        "reader_log": build_reader_log(sampler, device_keys),
    }


def load_school(
    database: Database[Any], *, progress: Progress | None = None, now: datetime | None = None
) -> dict[str, int]:
    """Fill an empty database with the school as it is now, with its indexes and options; return the documents of each collection.

    `progress` hears of every batch: the collection, and how many of its documents are there. Raises PyMongoError.
    """
    school = build_school(now or datetime.now(UTC))
    for name, options in OPTIONS.items():
        database.create_collection(name, check_exists=False, **options)
    for name, documents in school.items():
        for first in range(0, len(documents), _BATCH):
            batch = documents[first : first + _BATCH]
            database[name].insert_many(batch)
            if progress:
                progress(name, first + len(batch))
    for name, indexes in INDEXES.items():
        database.command({"createIndexes": name, "indexes": indexes})
    return {name: len(documents) for name, documents in school.items()}
