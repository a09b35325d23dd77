"""Sample holidays, and what happens on the school days between them: attendance, card-reader events, photos."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from bson.binary import USER_DEFINED_SUBTYPE, Binary
from bson.int64 import Int64
from bson.timestamp import Timestamp

from sidecar.demo.sampler import Document, Sampler

HOLIDAYS = (  # month, day, name, days
    (1, 1, "New Year's Day", 1),
    (2, 16, "Winter break", 5),
    (4, 6, "Spring break", 5),
    (5, 1, "Labour Day", 1),
    (5, 17, "Constitution Day", 1),
    (10, 5, "Autumn break", 5),
    (12, 24, "Christmas break", 6),
)
SCHOOL_DAYS = 5
HEARTBEATS = 3  # of each card reader on a school day

_SATURDAY = 5
_PRESENT, _LATE, _ABSENT = "present", "late", "absent"


def build_holidays(sampler: Sampler) -> list[Document]:
    """The days off of last year, this year and the next."""
    years = range(sampler.now.year - 1, sampler.now.year + 2)
    starts = [
        (sampler.now.replace(year, month, day, 0, 0, 0), name, days)
        for year in years
        for month, day, name, days in HOLIDAYS
    ]
    return [_holiday(start + timedelta(days=n), name) for start, name, days in starts for n in range(days)]


def _holiday(day: datetime, name: str) -> Document:
    return {
        "_id": f"{day:%Y-%m-%d}",
        "date": day,
        "name": name,
        "kind": "public" if name.endswith("Day") else "break",
        "grades": [],
    }


def school_days(now: datetime, holidays: list[Document]) -> list[datetime]:
    """The last school days before today, oldest first: neither a weekend nor a holiday."""
    off = {holiday["date"] for holiday in holidays}
    today = now.replace(hour=0, minute=0, second=0)
    past = (today - timedelta(days=n) for n in range(1, 366))
    return list(islice((day for day in past if day.weekday() < _SATURDAY and day not in off), SCHOOL_DAYS))[::-1]


def build_attendance(
    sampler: Sampler, days: list[datetime], students: list[Document], routes: list[Document]
) -> list[Document]:
    by_id = {route["_id"]: route for route in routes}
    return [_attendance(sampler, day, student, by_id[student["route_id"]]) for day in days for student in students]


def _attendance(sampler: Sampler, day: datetime, student: Document, route: Document) -> Document:
    stop = next(stop for stop in route["stops"] if stop["stop_id"] == student["stop_id"])
    due = day + timedelta(minutes=route["departs_minute"] + stop["minutes"])
    minutes_late = round(max(0.0, sampler.random.gauss(1.0, 2.5)), 2)
    boarded = due + timedelta(seconds=int(minutes_late * 60))
    is_absent = sampler.happens(0.04)
    return {
        "_id": sampler.object_id(boarded),
        "student_id": student["_id"],
        "date": day,
        "status": _ABSENT if is_absent else _LATE if minutes_late > 5 else _PRESENT,  # noqa: PLR2004 - minutes of grace
        "bus_id": student["bus_id"],
        "boarded": None if is_absent else {"stop_id": stop["stop_id"], "at": boarded},
        "minutes_late": 0.0 if is_absent else minutes_late,
        "fare": sampler.amount(150, 450),
    }


def build_events(
    sampler: Sampler,
    days: list[datetime],
    attendance: list[Document],
    students: list[Document],
    device_keys: list[Document],
) -> list[Document]:
    """A scan for each ride and a few heartbeats of each reader, each reader counting its own."""
    tags = {student["_id"]: student["tag"] for student in students}
    readers = {key["bus_id"]: key["_id"] for key in device_keys}
    scans = [
        (
            ride["boarded"]["at"],
            readers[ride["bus_id"]],
            {"kind": "scan", "attendance_id": ride["_id"], "tag": tags[ride["student_id"]]},
        )
        for ride in attendance
        if ride["boarded"]
    ]
    beats = [
        (at, reader, {"kind": "heartbeat"})
        for reader in readers.values()
        for day in days
        for at in _heartbeats(sampler, day)
    ]
    happened = sorted(scans + beats, key=lambda event: (event[0], event[1]))
    return [_event(sampler, Int64(number), *event) for number, event in enumerate(happened, start=2**33)]


def _heartbeats(sampler: Sampler, day: datetime) -> Iterator[datetime]:
    return (day + timedelta(hours=5, seconds=sampler.random.randrange(43_200)) for _ in range(HEARTBEATS))


def _event(sampler: Sampler, number: Int64, at: datetime, reader: Binary, what: Document) -> Document:
    return {
        "_id": sampler.object_id(at),
        "sequence": number,
        "reader_id": reader,
        "at": at,
        "clock": Timestamp(at, number % 1000),
        **what,
        "battery_volts": round(sampler.random.uniform(4.7, 5.2), 3),
        "signal_dbm": sampler.random.randint(-90, -40),
        "frame": Binary(sampler.random.randbytes(12), USER_DEFINED_SUBTYPE),
    }


def build_photo_references(sampler: Sampler, events: list[Document]) -> list[Document]:
    """A photo of every second scan."""
    scans = [event for event in events if event["kind"] == "scan"]
    return [_photo(sampler, scan) for scan in scans[::2]]


def _photo(sampler: Sampler, scan: Document) -> Document:
    picture = sampler.random.randbytes(16)
    return {
        "_id": sampler.uuid(),
        "event_id": scan["_id"],
        "path": f"photos/{scan['at']:%Y/%m/%d}/{scan['_id']}.jpg",
        "taken_at": scan["at"],
        "bytes": Int64(sampler.random.randint(40_000, 240_000)),
        "pixels": [1280, 720],
        "sha256": hashlib.sha256(picture).digest(),
        "md5": Binary(hashlib.md5(picture, usedforsecurity=False).digest(), 5),
        "exposure": {
            "seconds": 1 / sampler.random.choice((60, 125, 250)),
            "iso": sampler.random.choice((100, 200, 400)),
        },
    }


def build_reader_log(sampler: Sampler, device_keys: list[Document]) -> list[Document]:
    """A line for each restart of a card reader."""
    restarts = sorted((sampler.moment(days=90), key["_id"]) for key in device_keys for _ in range(HEARTBEATS))
    return [
        {"_id": sampler.object_id(at), "at": at, "reader_id": reader, "line": "started", "uptime_seconds": 0}
        for at, reader in restarts
    ]
