"""The metadata file as untrusted input."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.archive.manifest import from_bytes, to_bytes
from sidecar.errors import BackupInvalid
from sidecar.model import BackupId, CollectionDetails, Consistency, Manifest

ID = BackupId(datetime(2026, 11, 24, 2, 18, 37, tzinfo=UTC), "seed_backup")
MANIFEST = Manifest(
    backup_id=str(ID),
    backup_type="main",
    filename=ID.data_name,
    timestamp=datetime(2026, 11, 24, 2, 18, 37, 123456, tzinfo=UTC),
    checksum="0a" * 32,
    checksum_algorithm="SHA256",
    file_size_bytes=1048576,
    file_size_mb=1.0,
    collections={"users": 20},
    mongo_url="localhost:27017",
    db_name="bus_tracker",
    version="3.0",
    format_version=1,
    consistency=Consistency.SNAPSHOT,
    cluster_time=(1795484305, 9),
    missing_collections=("buses",),
    collection_details={
        "users": CollectionDetails(documents=20, bson_bytes=4000, fingerprint="00" * 32, escaped_documents=1)
    },
)

SPECIFIED = [
    "backup_id",
    "backup_type",
    "filename",
    "timestamp",
    "checksum",
    "checksum_algorithm",
    "file_size_bytes",
    "file_size_mb",
    "collections",
    "mongo_url",
    "db_name",
    "version",
]


def test_comes_back_as_it_was_written() -> None:
    assert from_bytes(to_bytes(MANIFEST), ID, "main") == MANIFEST


def test_holds_the_keys_that_were_specified_first_and_in_their_order() -> None:
    keys = list(json.loads(to_bytes(MANIFEST)))
    assert keys[:12] == SPECIFIED
    assert keys[-1] == "metadata_checksum"


def changed(**values: Any) -> bytes:
    return json.dumps(json.loads(to_bytes(MANIFEST)) | values).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (to_bytes(MANIFEST)[:-1], "cut short"),
        (b"[]", "expected a JSON object"),
        (changed(version="4.0"), "version '4.0'"),
        (changed(format_version=2), "format version 2"),
        (changed(format_version=None), "format version None"),
        (changed(file_size_bytes=7), "its own checksum does not match"),
        (changed(metadata_checksum=None), "its own checksum does not match"),
        (to_bytes(MANIFEST.model_copy(update={"backup_id": "seed_backup_20200101_000000"})), "describes"),
        (to_bytes(MANIFEST.model_copy(update={"backup_type": "attendance"})), "of the set attendance"),
        (to_bytes(MANIFEST.model_copy(update={"checksum": "xyz"})), "checksum"),
        (to_bytes(MANIFEST.model_copy(update={"file_size_bytes": -1})), "file_size_bytes"),
    ],
)
def test_whatever_is_wrong_is_an_invalid_backup_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BackupInvalid, match=reason):
        from_bytes(content, ID, "main")


def test_version_2_without_an_offset_is_utc() -> None:
    spec = {key: value for key, value in MANIFEST.model_dump(mode="json").items() if key in SPECIFIED}
    legacy = json.dumps(spec | {"version": "2.0", "timestamp": "2025-11-17T15:05:30.123456"}).encode()
    found = from_bytes(legacy, ID, "main")
    assert found.is_legacy
    assert found.timestamp == datetime(2025, 11, 17, 15, 5, 30, 123456, tzinfo=UTC)


def legacy(**values: Any) -> bytes:
    spec = {key: value for key, value in MANIFEST.model_dump(mode="json").items() if key in SPECIFIED}
    return json.dumps(spec | {"version": "2.0"} | values).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (legacy(timestamp="9999-12-31T23:59:59-23:59"), "is not a time in UTC"),
        (legacy(timestamp="0001-01-01T00:00:00+23:59"), "is not a time in UTC"),
        (legacy(collections={"users": 10**400}), "a number beyond 64 bits"),
        (legacy(file_size_bytes=2**63), "a number beyond 64 bits"),
        (legacy(file_size_mb=float("inf")), "a number that is not finite"),
        (legacy(collections={"users": float("nan")}), "a number that is not finite"),
        (legacy(extra="\udc80"), "half of a surrogate pair"),
        (legacy(collections={"\ud800": 1}), "half of a surrogate pair"),
        (legacy(mongo_url=["x" * 3, {"\ud83d": 1}]), "half of a surrogate pair"),
        (legacy(duration_seconds=1e300), "a number that is not finite"),
        (legacy(duration_seconds=1e12), "duration_seconds"),
        (legacy()[:-1] + b', "x": ' + b"9" * 5000 + b"}", "not JSON"),
        *(
            (legacy(metadata_checksum="x")[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}\n", "metadata: ")
            for depth in (20, 500, *range(900, 1050, 7), 100_000)
        ),
        (b'{"a":' * 100_000, "not JSON"),
    ],
)
def test_values_that_others_would_stumble_over_are_an_invalid_backup(content: bytes, reason: str) -> None:
    with pytest.raises(BackupInvalid, match=reason):
        from_bytes(content, ID, "main")


def test_a_time_with_an_offset_is_shown_in_utc() -> None:
    found = from_bytes(legacy(timestamp="2025-11-17T15:05:30+14:00"), ID, "main")
    assert str(found.timestamp) == "2025-11-17 01:05:30+00:00"


@pytest.mark.parametrize(
    "written", ["mongodb://u:p@db:27017", "mongodb://u:p%40x@db:27017", "mongodb://u:p@x@db:27017", "db:27017"]
)
def test_credentials_that_another_program_wrote_are_not_read(written: str) -> None:
    assert from_bytes(legacy(mongo_url=written), ID, "main").mongo_url == "db:27017"
