"""Metadata comes back from memory in brief and whole as it went in. A row of another program does not, nor does nonsense."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import BackupId, Consistency, Manifest, Metadata, Trigger
from sidecar.store import metadata_rows
from sidecar.store.durable import Exact
from sidecar.store.metadata_rows import metadata_of, row_of
from support.stores import NOW, manifest_of

ID = BackupId.at("seed_backup", NOW)
FILE: Exact = (1, 2, 3, 4, 5)
COUNTS = st.integers(min_value=0, max_value=2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-11)), timezone(timedelta(hours=14))])
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30), timezones=ZONES)  # noqa: DTZ001 - hypothesis adds the zone
SAID = st.fixed_dictionaries(
    {
        "timestamp": MOMENTS,
        "collections": st.dictionaries(TEXTS, COUNTS, max_size=3),
        "trigger": st.sampled_from(Trigger),
        "consistency": st.sampled_from(Consistency),
        "suspicions": st.lists(TEXTS, max_size=2).map(tuple),
        "notes": st.lists(TEXTS, max_size=2).map(tuple),
        "compression": st.sampled_from([None, "zstd"]),
        "file_size_mb": st.floats(allow_nan=False, allow_infinity=False),
    }
)


@given(SAID)
def test_metadata_is_the_same_in_brief_and_whole_when_it_comes_back(said: dict[str, Any]) -> None:
    manifest = Manifest.model_validate(manifest_of(ID, b"data").model_dump() | said)
    row = row_of(ID, FILE, manifest)
    assert row is not None
    found = metadata_of(row, FILE)
    assert found is not None
    assert (found.brief, found.manifest) == (Metadata.of(manifest).brief, manifest)


def test_what_another_version_of_the_program_wrote_is_read_from_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    row = row_of(ID, FILE, manifest_of(ID, b"data"))
    assert row is not None
    monkeypatch.setattr(metadata_rows, "__version__", "another")
    assert metadata_of(row, FILE) is None


TAKEN_AT, FORM, DOCUMENTS, TRIGGER = 2, 4, 5, 6
NONSENSE = [(TAKEN_AT, 2**62), (TAKEN_AT, None), (FORM, ".xml"), (DOCUMENTS, "many"), (TRIGGER, "whim")]


@pytest.mark.parametrize(("place", "value"), NONSENSE)
def test_nonsense_is_not_believed_even_with_the_right_checksum(place: int, value: object) -> None:
    row = row_of(ID, FILE, manifest_of(ID, b"data"))
    assert row is not None
    said = (*row[:place], value, *row[place + 1 : -1])
    assert metadata_of((*said, metadata_rows.checksum(said)), FILE) is None


def test_metadata_is_the_same_only_where_all_of_it_is() -> None:
    manifest = manifest_of(ID, b"data")
    one, other = Metadata.of(manifest), Metadata.of(manifest.model_copy(update={"notes": ("another",)}))
    assert one.brief == other.brief
    assert one != other
    assert one == Metadata(replace(one.brief), manifest.model_dump_json())
    assert hash(one) == hash(other)
