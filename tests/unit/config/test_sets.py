import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from sidecar.config import load
from sidecar.model import BackupSet
from support.configuration import problems, with_file

MAIN = BackupSet(
    name="main",
    collections=("users", "students", "buses", "routes", "stops", "holidays", "device_keys"),
    prefix="seed_backup",
)
ATTENDANCE = BackupSet(
    name="attendance",
    collections=("attendance", "events", "photo_references"),
    prefix="attendance_backup",
    directory=PurePosixPath("attendance"),
)


def test_the_file_defines_and_changes_sets(tmp_path: Path) -> None:
    text = """
        backup_limit = 4

        [sets.everything]
        collections = ["*"]
        exclude = ["sessions"]
        schedule = "0 2 * * *"
        limit = 14
        retention_days = 90
        prefix = "full"
        directory = "weekly/full"

        [sets.main]
        collections = ["users"]
        interval_hours = 12

        [sets.invoices]
        collections = ["invoices", "lines"]
    """
    sets = load(with_file(tmp_path, text)).sets

    assert list(sets.values()) == [
        BackupSet(name="main", collections=("users",), prefix="seed_backup", limit=4, interval_hours=12.0),
        BackupSet(
            name="attendance",
            collections=ATTENDANCE.collections,
            prefix="attendance_backup",
            directory=PurePosixPath("attendance"),
            limit=4,
        ),
        BackupSet(
            name="everything",
            collections=("*",),
            exclude=("sessions",),
            prefix="full",
            directory=PurePosixPath("weekly/full"),
            schedule="0 2 * * *",
            limit=14,
            retention_days=90,
        ),
        BackupSet(
            name="invoices",
            collections=("invoices", "lines"),
            prefix="invoices_backup",
            directory=PurePosixPath("invoices"),
            limit=4,
        ),
    ]


def test_what_a_set_keeps_is_said_for_all_and_for_one(tmp_path: Path) -> None:
    text = """
        keep_last = 24
        keep_daily = 7

        [sets.main]
        keep_last = 3
        keep_daily = 0
        keep_monthly = 6
        max_total_mb = 100
    """
    sets = load(with_file(tmp_path, text, SIDECAR_KEEP_WEEKLY="4")).sets

    assert list(sets.values()) == [
        replace(MAIN, limit=3, keep_weekly=4, keep_monthly=6, max_total_mb=100.0),
        replace(ATTENDANCE, limit=24, keep_daily=7, keep_weekly=4),
    ]


def test_the_limit_is_said_by_one_of_its_names(tmp_path: Path) -> None:
    text = "keep_last = 3\n[sets.main]\nlimit = 3\nkeep_last = 4\nkeep_hourly = 10001\n"
    assert problems(with_file(tmp_path, text, BACKUP_LIMIT="5")) == [
        "SIDECAR_KEEP_LAST: the same as BACKUP_LIMIT: expected one of the two",
        "sets.main.keep_hourly: expected a whole number from 0 to 10000",
        "sets.main.keep_last: the same as limit: expected one of the two",
    ]


def test_the_environment_wins_over_the_table_of_a_built_in_set(tmp_path: Path) -> None:
    text = '[sets.main]\nschedule = "0 1 * * *"\ninterval_hours = 9\n[sets.attendance]\nschedule = "0 2 * * *"\n'
    sets = load(with_file(tmp_path, text, SIDECAR_MAIN_SCHEDULE="", SEED_INTERVAL_HOURS="3")).sets

    assert [(one.schedule, one.interval_hours) for one in sets.values()] == [(None, 3.0), ("0 2 * * *", 1.0)]


@pytest.mark.parametrize("name", ["all", "both", "Main", "-x", "a.b", "x" * 64, ""])
def test_a_set_with_a_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    assert problems(with_file(tmp_path, f'[sets."{name}"]\ncollections = ["a"]\n')) == [
        f"sets.{name}: a set's name is of a-z, 0-9, - and _ and neither `all` nor `both`"
    ]


@pytest.mark.parametrize(
    "collections",
    ["[]", '""', '[""]', "[1]", '["a", "a"]', '["*", "a"]', '["a$b"]', '["system.views"]', '["a\\u0000b"]'],
)
def test_collections_that_mongodb_does_not_allow_are_refused(tmp_path: Path, collections: str) -> None:
    found = problems(with_file(tmp_path, f"[sets.x]\ncollections = {collections}\n"))

    assert [one.partition(":")[0] for one in found] == ["sets.x.collections"]


@pytest.mark.parametrize("directory", ["/abs", "..", "a/../b", ".hidden", "a/.b", "a\\u0000"])
def test_a_directory_outside_or_hidden_is_refused(tmp_path: Path, directory: str) -> None:
    text = f'[sets.x]\ncollections = ["a"]\ndirectory = "{directory}"\n'

    assert problems(with_file(tmp_path, text)) == [
        "sets.x.directory: expected a path inside BACKUP_DIR without .. and without parts that begin with a dot"
    ]


def test_sets_whose_files_would_mix_are_refused(tmp_path: Path) -> None:
    text = """
        [sets.a]
        collections = ["a"]
        prefix = "SEED_backup"
        [sets.b]
        collections = ["b"]
        directory = "Attendance"
    """

    assert problems(with_file(tmp_path, text)) == [
        "sets.a.prefix: 'SEED_backup' is already that of the set main",
        "sets.b.directory: 'Attendance' differs from 'attendance' only in case",
    ]


@pytest.mark.parametrize("text", ["sets = 3", "[sets]\nmain = 3"])
def test_sets_that_are_no_tables_are_a_problem(tmp_path: Path, text: str) -> None:
    [problem] = problems(with_file(tmp_path, text))

    assert re.match(r"sets(\.main)?: expected (tables|a table) \[sets\.\w+\]$", problem)


def test_a_built_in_set_that_is_not_wanted_does_not_exist(tmp_path: Path) -> None:
    text = '[sets.main]\nenabled = false\n[sets.attendance]\nenabled = false\n[sets.shop]\nenabled = true\ncollections = ["*"]\n'
    assert list(load(with_file(tmp_path, text)).sets) == ["shop"]
    nothing = "[sets.main]\nenabled = false\n[sets.attendance]\nenabled = false\n"
    assert problems(with_file(tmp_path, nothing)) == ["sets: expected one that is enabled at least"]
    assert problems(with_file(tmp_path, '[sets.main]\nenabled = "no"\n')) == [
        "sets.main.enabled: expected true or false"
    ]


def test_blackout_windows_are_kept_as_they_are_meant_and_refused_where_they_mean_nothing(tmp_path: Path) -> None:
    text = '[sets.main]\nblackout = ["Mon-Fri  07:30-09:00", "22:00-02:00"]\n'
    assert load(with_file(tmp_path, text)).sets["main"].blackout == ("mon-fri 07:30-09:00", "22:00-02:00")
    windows = 'expected windows such as "08:00-10:30" or "mon-fri 22:00-02:00"'
    for value, said in (
        ('"08:00-10:00"', windows),
        ('["8-10"]', windows),
        ('["08:00-08:00"]', f"{windows}, with two different ends"),
        ('["00:00-12:00", "12:00-00:00"]', "expected windows that leave some time of the week"),
    ):
        assert problems(with_file(tmp_path, f"[sets.main]\nblackout = {value}\n")) == [f"sets.main.blackout: {said}"]
