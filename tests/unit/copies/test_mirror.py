"""What a sync makes of two sides: only what was read back counts, and nothing good is lost on either."""

import os
import shutil
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from sidecar.copies import report
from sidecar.copies.directory import Directory
from sidecar.errors import BackupInvalid, CopyDamaged, CopyError, CopyForeign, CopyUnreachable
from sidecar.events import Progressed, nobody
from sidecar.model import BackupId
from sidecar.rules.mirroring import BOTH_BAD
from support.copying import Site, copy_of

LARGE = os.urandom(3 << 20)


def flip(path: Path, at: int = 2) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def ids(*backups: BackupId) -> list[str]:
    return [str(one) for one in backups]


def test_a_sync_sends_what_is_missing_newest_first_and_then_there_is_nothing_to_do(site: Site, there: Path) -> None:
    old, new = site.make(LARGE, 3), site.make(b"new", 1)

    assert site.sync().sent == [new, old]
    assert site.proven() == ids(new, old)
    assert (there / old.data_name).read_bytes() == LARGE
    assert (there / old.metadata_name).read_bytes() == (site.store.directory / old.metadata_name).read_bytes()
    assert not site.mirror.has_work()
    assert str(site.sync()) == "nothing to do"


def test_a_byte_that_flipped_there_is_found_and_mended_from_here(site: Site, there: Path) -> None:
    one = site.make(b"whole", 1)
    site.sync()
    flip(there / one.data_name)

    (found,) = site.mirror.scrub(nobody)

    assert not found.is_proven
    assert site.sync().mended_there == [one]
    assert (there / one.data_name).read_bytes() == b"whole"
    assert site.proven() == ids(one)


def test_a_byte_that_flipped_here_is_mended_from_there(site: Site) -> None:
    one = site.make(b"whole", 1)
    site.sync()
    flip(site.store.directory / one.data_name)
    assert site.here() == {str(one): False}

    assert site.sync().mended_here == [one]
    assert site.here() == {str(one): True}
    assert (site.store.directory / one.data_name).read_bytes() == b"whole"


@pytest.mark.parametrize("lost", ["data", "metadata"])
def test_a_file_that_is_missing_is_brought_back_from_the_other_side(site: Site, there: Path, lost: str) -> None:
    one = site.make(b"whole", 1)
    site.sync()
    name = one.data_name if lost == "data" else one.metadata_name
    (site.store.directory / name).unlink()
    site.sync()
    assert site.here() == {str(one): True}
    (there / name).unlink()
    site.sync()
    assert site.proven() == ids(one)


def test_what_is_damaged_on_both_sides_is_said_and_nothing_is_touched(site: Site, there: Path) -> None:
    one = site.make(b"whole", 1)
    site.sync()
    flip(site.store.directory / one.data_name)
    flip(there / one.data_name, at=3)
    site.mirror.scrub(nobody)
    before = {path: path.read_bytes() for path in (site.store.directory / one.data_name, there / one.data_name)}

    with pytest.raises(CopyDamaged, match=BOTH_BAD):
        site.sync()

    assert {path: path.read_bytes() for path in before} == before


def test_a_copy_of_which_this_directory_remembers_nothing_counts_when_it_was_read_again(site: Site) -> None:
    one = site.make(b"whole", 1)
    site.sync()
    shutil.rmtree(site.directory / ".history")
    assert site.proven() == []

    assert site.sync().proven == 1
    assert site.proven() == ids(one)


def test_retention_there_follows_its_own_rules_and_never_an_empty_directory_here(site: Site, there: Path) -> None:
    made = [site.make(b"%d" % hours, hours) for hours in (4, 3, 2, 1)]
    site.copy = replace(site.copy, kept=(("limit", 3),))
    site.sync()
    assert site.proven() == ids(*made[:0:-1])
    (there / "holiday.jpg").write_bytes(b"somebody else's")

    for one in made:
        for name in one.file_names:
            (site.store.directory / name).unlink(missing_ok=True)
    site.copy = replace(site.copy, kept=(("limit", 2),))
    assert site.sync().deleted == [made[1]]
    assert site.proven() == ids(made[3], made[2])
    assert (there / "holiday.jpg").exists()


def test_a_second_sidecar_writes_nothing_until_it_adopts_the_copy(site: Site, there: Path, tmp_path: Path) -> None:
    site.make(b"first", 2)
    site.sync()
    other = Site(tmp_path / "other", site.copy)
    theirs = other.make(b"second", 1)
    before = {path.name: path.read_bytes() for path in there.iterdir()}

    with pytest.raises(CopyForeign, match="belongs to the sidecar"):
        other.sync()
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before

    assert other.copies.adopt("offsite") is not None
    assert other.sync().sent == [theirs]
    with pytest.raises(CopyForeign):
        site.sync()


def test_a_place_that_was_emptied_is_not_taken_for_a_new_one(site: Site, there: Path) -> None:
    site.make(b"first", 2)
    site.sync()
    for path in there.iterdir():
        path.unlink()

    with pytest.raises(CopyForeign, match="not the place that it was"):
        site.sync()
    assert list(there.iterdir()) == []


def test_an_upload_that_is_called_off_leaves_nothing(site: Site, there: Path) -> None:
    one = site.make(LARGE, 1)

    def call_off(step: Progressed) -> None:
        if step.action == "send" and step.bson_bytes > 1 << 20:
            raise CopyDamaged("called off")

    with pytest.raises(CopyDamaged):
        site.mirror.sync(call_off).require_success()
    assert [path.name for path in there.iterdir() if one.data_name in path.name] == []
    assert site.sync().sent == [one]


def test_a_backup_that_went_bad_here_is_never_sent(site: Site, there: Path) -> None:
    one = site.make(b"whole", 1)
    (backup,) = site.catalog.backups("main")
    flip(site.store.directory / one.data_name)

    with pytest.raises(BackupInvalid):
        site.copies.push("offsite", backup, nobody)
    assert [path.name for path in there.iterdir()] == ["sidecar-owner.json"]


def test_a_pulled_backup_is_pinned_for_a_week(site: Site, tmp_path: Path) -> None:
    one = site.make(b"whole", 1)
    site.sync()
    new = Site(tmp_path / "new", site.copy)

    assert new.copies.pull("offsite", str(one), nobody)
    (found,) = new.catalog.backups("main")
    assert (found.verdict.is_valid, found.is_pinned, found.pinned_until is not None) == (True, True, True)
    assert not new.copies.pull("offsite", str(one), nobody)


def test_a_borrowed_backup_leaves_with_whoever_borrowed_it(site: Site) -> None:
    one = site.make(b"whole", 1)
    site.sync()
    with site.copies.borrowed("offsite", str(one), nobody) as path:
        assert path.read_bytes() == b"whole"
        assert path.is_relative_to(site.directory)
    assert list((site.directory / ".fetched").iterdir()) == []


def test_a_directory_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    site = Site(tmp_path / "backups", copy_of(f"file://{tmp_path}/absent"))
    site.make(b"whole", 1)
    with pytest.raises(CopyUnreachable, match="is not there"):
        site.sync()
    assert not (tmp_path / "absent").exists()


def test_a_directory_that_is_away_for_a_while_is_not_taken_for_another_one(tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    site = Site(tmp_path / "backups", copy_of(f"file://{tmp_path}/nas"))
    one = site.make(b"whole", 1)
    site.sync()
    (tmp_path / "nas").rename(tmp_path / "away")
    with pytest.raises(CopyUnreachable):
        site.sync()
    (tmp_path / "away").rename(tmp_path / "nas")
    assert (str(site.sync()), site.proven()) == ("nothing to do", ids(one))


def test_what_a_killed_writer_left_is_swept_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    ours = "..seed_backup_20261128_150437.meta.json.new.tmp", ".seed_backup_20261128_150437.json.tmp"
    theirs = ".holiday.jpg.tmp", ".other_backup_20261128_150437.json.tmp", "seed_backup_20261128_150437.json"
    for name in (*ours, *theirs):
        (tmp_path / name).touch()
    Directory(tmp_path, "the copy nas", PurePath()).sweep("seed_backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(theirs)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FIRST_SECONDS", 0)


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_written_there_keeps_no_other_backup_from_being_copied(tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    site = Site(tmp_path / "backups", copy_of(f"file://{tmp_path}/nas"))
    made = [site.make(b"%d" % hours, hours) for hours in (1, 2, 3, 4)]
    in_the_way = tmp_path / "nas" / made[1].data_name
    in_the_way.mkdir()

    found = site.mirror.sync(nobody)

    assert (found.sent, [one.code for one in found.failures]) == ([made[0], *made[2:]], ["copy_failed"])
    with pytest.raises(CopyError, match="Is a directory; otherwise: 3 sent"):
        found.require_success()
    contact = site.copies.standing("offsite", "main").contact
    assert contact is not None
    assert contact.error is None

    in_the_way.rmdir()
    assert (site.sync().sent, site.proven()) == ([made[1]], ids(*made))


@pytest.mark.usefixtures("impatient")
def test_a_place_that_fails_for_three_backups_in_a_row_is_left_alone_until_the_next_sync(tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    site = Site(tmp_path / "backups", copy_of(f"file://{tmp_path}/nas"))
    made = [site.make(b"%d" % hours, hours) for hours in (1, 2, 3, 4, 5)]
    for one in made:
        (tmp_path / "nas" / one.data_name).mkdir()

    found = site.mirror.sync(nobody)

    assert (len(found.failures), found.sent) == (report.IN_A_ROW, [])
    contact = site.copies.standing("offsite", "main").contact
    assert contact is not None
    assert (contact.code, contact.error) == ("copy_failed", str(found.failures[-1]))


def test_the_newest_backup_is_sent_before_anything_there_is_read(site: Site) -> None:
    old = site.make(LARGE, 2)
    site.sync()
    shutil.rmtree(site.directory / ".history")  # so that nothing there counts as read
    new = site.make(b"new", 1)
    steps = list[tuple[str, int]]()

    site.mirror.sync(lambda step: steps.append((step.action, step.bson_bytes))).require_success()

    assert steps[:2] == [("send", 3), ("read back", 3)]
    assert site.proven() == ids(new, old)
