from pathlib import Path, PurePosixPath

from sidecar.model import BackupSet
from sidecar.status import strangers

MAIN = BackupSet(name="main", collections=("users",), prefix="seed_backup")
EVENTS = BackupSet(name="events", collections=("events",), prefix="event_backup", directory=PurePosixPath("events"))


def test_backups_of_a_set_that_is_gone_from_the_configuration_are_found(tmp_path: Path) -> None:
    for directory in ("events", "old", ".locks"):
        (tmp_path / directory).mkdir()
    for name in (
        "seed_backup_20260101_000000.meta.json",
        "event_backup_20260102_000000.meta.json",  # where the set of this prefix does not look
        "notes.meta.json",
        "gone_backup_20260103_000000.json",  # an orphan is nobody's backup
        "events/event_backup_20260104_000000.meta.json",
        "old/school_backup_20260105_000000.meta.json",
        ".locks/seed_backup_20260106_000000.meta.json",
    ):
        (tmp_path / name).touch()
    assert strangers.found(tmp_path, [MAIN, EVENTS]) == (
        "event_backup_20260102_000000",
        "school_backup_20260105_000000",
    )
    assert strangers.found(tmp_path / "nowhere", [MAIN, EVENTS]) == ()
