"""What others keep where the copies lie, and what of it cannot be read, spoils nothing beside it."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest

from sidecar.copies import owner, report
from sidecar.copies.directory import Directory
from sidecar.copies.elsewhere import METADATA_BYTES
from sidecar.copies.remote import OWNER, Item, Remote
from sidecar.errors import CopyError, CopyForeign
from sidecar.events import nobody
from sidecar.model import BackupId
from support.copying import Site, copy_of


def ids(*backups: BackupId) -> list[str]:
    return [str(one) for one in backups]


@pytest.mark.parametrize("whose", ["a stranger's", "ours"])
def test_a_file_in_the_place_of_metadata_that_is_too_large_spoils_nothing_beside_it(
    site: Site, there: Path, whose: str
) -> None:
    good = site.make(b"good", 3)
    site.sync()
    new = site.make(b"new")
    name = new.metadata_name if whose == "ours" else "seed_backup_20380119_031407.meta.json"
    os.truncate(os.open(there / name, os.O_CREAT | os.O_WRONLY), METADATA_BYTES + 1)

    site.sync()

    assert site.proven() == ids(new, good)
    with site.copies.borrowed("offsite", str(good), nobody) as path:
        assert path.read_bytes() == b"good"


class _Watched(Directory):
    """Knows how much of it was read."""

    read_bytes = 0

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        for block in super().read(name, offset):
            self.read_bytes += len(block)
            yield block


def test_a_file_in_the_place_of_the_owners_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / OWNER).touch()
    os.truncate(tmp_path / OWNER, 16 << 20)
    place = _Watched(tmp_path, "the copy nas", PurePath())
    with pytest.raises(CopyForeign, match="is not valid: expected a JSON object"):
        owner.read_owner(place)
    assert place.read_bytes <= 1 << 20


DEEP = ["d" * 250] * 20  # below each other their path is longer than one may be


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A directory in which there is one that not even root can list by its path."""
    found = tmp_path / "nas"
    found.mkdir()
    deepest = os.open(found, os.O_RDONLY)
    for name in DEEP:
        os.mkdir(name, dir_fd=deepest)
        deepest, above = os.open(name, os.O_RDONLY, dir_fd=deepest), deepest
        os.close(above)
    os.close(deepest)
    return found


def test_what_others_keep_in_the_same_directory_keeps_nothing_from_being_copied(
    unreadable: Path, tmp_path: Path
) -> None:
    site = Site(tmp_path / "backups", copy_of(f"file://{unreadable}"))
    one = site.make()
    assert (str(site.sync()), site.proven()) == ("1 sent", ids(one))


def test_a_directory_of_the_backups_that_cannot_be_listed_is_not_taken_for_an_empty_one(unreadable: Path) -> None:
    with pytest.raises(CopyError, match="listing in the copy nas: File name too long"):
        Directory(unreadable, "the copy nas", PurePath(*DEEP)).items()


def test_a_backup_is_fetched_by_its_name_where_the_place_cannot_be_listed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket cannot be listed while the key of one object, anybody's, has a part that is empty or has a line break."""
    one = site.make(b"good")
    site.sync()

    def refuse(place: Remote) -> list[Item]:
        raise CopyError(f"listing in {place.where}: an object of an odd name")

    with monkeypatch.context() as patched:
        patched.setattr(type(site.copies.of("offsite", "main").place), "items", refuse)
        with site.copies.borrowed("offsite", str(one), nobody) as path:
            assert path.read_bytes() == b"good"
        with pytest.raises(CopyError, match="an object of an odd name"):
            site.sync()
    assert (str(site.sync()), site.proven()) == ("nothing to do", ids(one))


@pytest.fixture
def unreadable_metadata(site: Site, there: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Of three backups, which the other side's disk cannot read any more."""
    site.sync()
    place = type(site.copies.of("offsite", "main").place)
    found = [there / f"seed_backup_2026112{day}_031407.meta.json" for day in (1, 2, 3)]
    read = place.read

    def fail(self: Any, name: str, offset: int = 0) -> Iterator[bytes]:
        if name in {path.name for path in found}:
            raise CopyError(f"reading {name}: Input/output error")
        return read(self, name, offset)

    monkeypatch.setattr(place, "read", fail)
    monkeypatch.setattr(report, "FIRST_SECONDS", 0)
    return found


def test_metadata_that_cannot_be_read_keeps_no_other_backup_from_being_copied(
    site: Site, unreadable_metadata: list[Path]
) -> None:
    unreadable_metadata[0].touch()
    one = site.make(b"one")
    for said in "1 sent", "nothing to do":
        with pytest.raises(CopyError, match=f"Input/output error; otherwise: {said}$"):
            site.sync()
        assert site.proven() == ids(one)


def test_a_place_in_which_one_metadata_after_the_other_cannot_be_read_is_what_fails(
    site: Site, unreadable_metadata: list[Path]
) -> None:
    for path in unreadable_metadata:
        path.touch()
    with pytest.raises(CopyError, match="Input/output error"):
        site.proven()
