from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import bson
import pytest

from sidecar.demo.definitions import INDEXES, OPTIONS
from sidecar.demo.rides import SCHOOL_DAYS, build_holidays, school_days
from sidecar.demo.sampler import Document, Sampler
from sidecar.demo.school import build_school

NOW = datetime(2025, 11, 17, 15, 5, 30, 123456, tzinfo=UTC)

# Every tag of https://bsonspec.org/spec.html that the demo's server keeps: all but the deprecated 6, 12 and 14.
KEPT_TAGS = {1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 15, 16, 17, 18, 19, 127, 255}


@pytest.fixture(scope="module")
def school() -> dict[str, list[Document]]:
    return build_school(NOW)


def encoded(school: dict[str, list[Document]]) -> dict[str, list[bytes]]:
    return {name: [bson.encode(document) for document in documents] for name, documents in school.items()}


def values(value: Any) -> Iterator[Any]:
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from values(child)


def tag(value: Any) -> int:
    return bson.encode({"": value})[4]


def test_is_the_same_for_the_same_moment_and_seed(school: dict[str, list[Document]]) -> None:
    assert encoded(build_school(NOW)) == encoded(school)


def test_is_another_school_for_another_seed(school: dict[str, list[Document]]) -> None:
    other = encoded(build_school(NOW, seed=1))
    assert [name for name, documents in encoded(school).items() if documents == other[name]] == ["holidays"]


def test_has_tens_of_thousands_of_documents_with_an_id_each(school: dict[str, list[Document]]) -> None:
    counts = {name: len({bson.encode({"_id": document["_id"]}) for document in school[name]}) for name in school}
    assert counts == {
        "users": 1260,
        "students": 1800,
        "buses": 40,
        "routes": 60,
        "stops": 420,
        "holidays": 72,
        "device_keys": 40,
        "attendance": 9_000,
        "events": counts["events"],
        "photo_references": counts["photo_references"],
        "reader_log": 120,
    }
    assert {name: len(documents) for name, documents in school.items()} == counts
    assert 8_500 < counts["events"] < 10_000
    assert 4_000 < counts["photo_references"] < 5_000


def test_holds_every_bson_type_that_the_server_keeps(school: dict[str, list[Document]]) -> None:
    sample = [value for documents in school.values() for document in documents[:200] for value in values(document)]
    assert {tag(value) for value in sample} == KEPT_TAGS


def test_holds_binaries_of_every_subtype_in_use(school: dict[str, list[Document]]) -> None:
    sample = [value for documents in school.values() for value in values(documents[0])]
    subtypes = {getattr(value, "subtype", 0) for value in sample if isinstance(value, bytes)}
    assert subtypes == {0, 4, 5, 9, 128}


def test_pupils_refer_to_a_parent_a_stop_of_their_route_and_its_bus(school: dict[str, list[Document]]) -> None:
    parents = {user["_id"]: user["name"]["last"] for user in school["users"] if user["role"] == "parent"}
    stops = {(route["_id"], stop["stop_id"]) for route in school["routes"] for stop in route["stops"]}
    buses = {(route_id, bus["_id"]) for bus in school["buses"] for route_id in bus["route_ids"]}
    for student in school["students"]:
        assert parents[student["guardian"].id] == student["name"]["last"]
        assert (student["route_id"], student["stop_id"]) in stops
        assert (student["route_id"], student["bus_id"]) in buses
    assert {student["guardian"].id for student in school["students"]} == parents.keys()


def test_every_ride_has_one_scan_by_the_reader_in_its_bus(school: dict[str, list[Document]]) -> None:
    readers = {key["bus_id"]: key["_id"] for key in school["device_keys"]}
    tags = {student["_id"]: student["tag"] for student in school["students"]}
    rides = {
        ride["_id"]: (ride["boarded"]["at"], readers[ride["bus_id"]], tags[ride["student_id"]])
        for ride in school["attendance"]
        if ride["status"] != "absent"
    }
    scans = [event for event in school["events"] if event["kind"] == "scan"]
    assert {scan["attendance_id"]: (scan["at"], scan["reader_id"], scan["tag"]) for scan in scans} == rides
    assert len(scans) == len(rides)


def test_every_photo_shows_another_scan(school: dict[str, list[Document]]) -> None:
    scans = {event["_id"]: event["at"] for event in school["events"] if event["kind"] == "scan"}
    shown = {photo["event_id"]: photo["taken_at"] for photo in school["photo_references"]}
    assert shown.items() <= scans.items()
    assert len(shown) == len(school["photo_references"])


def test_nothing_has_happened_yet_that_lies_after_now(school: dict[str, list[Document]]) -> None:
    future = [
        (name, value)
        for name, documents in school.items()
        if name != "holidays"
        for document in documents
        for value in values(document)
        if isinstance(value, datetime) and value > NOW
    ]
    assert future == []


def test_every_pupil_is_recorded_once_on_every_school_day(school: dict[str, list[Document]]) -> None:
    recorded = Counter((ride["date"], ride["student_id"]) for ride in school["attendance"])
    days = school_days(NOW.replace(microsecond=0), school["holidays"])
    assert recorded == Counter((day, student["_id"]) for day in days for student in school["students"])


def test_school_days_leave_out_weekends_holidays_and_today() -> None:
    holidays = build_holidays(Sampler(NOW, seed=0))
    days = school_days(datetime(2025, 10, 13, 6, tzinfo=UTC), holidays)
    assert [f"{day:%m-%d}" for day in days] == [
        *("09-30", "10-01", "10-02", "10-03"),
        "10-10",  # after the autumn break of 5 to 9 October
    ]
    assert len(days) == SCHOOL_DAYS


def test_a_leap_day_has_the_holidays_of_the_years_around_it() -> None:
    holidays = build_holidays(Sampler(datetime(2028, 2, 29, 12, tzinfo=UTC), seed=0))
    assert Counter(holiday["date"].year for holiday in holidays) == {2027: 24, 2028: 24, 2029: 24}


def test_every_collection_has_options_and_every_index_a_collection_with_documents(
    school: dict[str, list[Document]],
) -> None:
    assert OPTIONS.keys() - school.keys() == {"absences"}  # the view
    assert INDEXES.keys() <= school.keys() <= OPTIONS.keys()
