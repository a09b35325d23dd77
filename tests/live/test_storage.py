"""A disk that is gone, full, filling up, or lets nothing go."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.patience import wait_for
from support.patients import EVERY_SIX_SECONDS, NewPatient, Patient

pytestmark = [pytest.mark.alerts, pytest.mark.timeout(600)]

NEARLY_FULL_BYTES = 12 << 20
SOME_FREE = {"MIN_STORAGE_MB": "4"}


@contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    yield
    filler.unlink()


def test_a_disk_that_is_gone(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_SIX_SECONDS)
    one.pause()
    directory = one.served.directory
    away = directory.rename(directory.with_name("away"))
    directory.touch()  # else the next run makes a new directory
    one.arrives("StorageUnavailable", severity="critical")
    one.keeps_to_itself("None")
    directory.unlink()
    away.rename(directory)
    one.resume()
    one.resolves("StorageUnavailable")
    told = {alert.name for alert in one.monitoring.told_of(one.job) if alert.labels["severity"] == "critical"}
    assert "MongoBackupStorageUnavailable" in told


def test_a_disk_that_is_full(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_SIX_SECONDS | SOME_FREE)
    with full(one.disk):
        one.look()
        one.arrives("StorageShort", severity="critical")
        one.keeps_to_itself("RunFailed", "TooOld")
    one.look()
    one.resolves("StorageShort")


def test_a_disk_that_is_filling_up(new_patient: NewPatient) -> None:
    one = new_patient(SOME_FREE)
    there = f'count_over_time(mongobackup_storage_free_bytes{{job="{one.job}"}}[30s]) > 20'
    wait_for(lambda: one.monitoring.query(there), lambda: "there is nothing to compare with yet")
    while one.served.metrics()["storage_free_bytes"] > NEARLY_FULL_BYTES:
        with (one.disk / "filler").open("ab") as filler:
            filler.write(bytes(1 << 20))
        one.served.back_up("attendance")  # after which the sidecar asks for the free space
    one.arrives("StorageFillingUp")
    one.resolves("StorageFillingUp")  # nothing is written any more


def test_an_old_backup_that_cannot_be_deleted(new_patient: NewPatient) -> None:
    one = new_patient({"BACKUP_LIMIT": "1"})
    oldest = one.newest()
    with held(oldest):
        one.served.back_up()
        one.arrives("RetentionFailing", set="main")
    one.resolves("RetentionFailing")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """A file that is mounted on, which nobody can remove."""
    subprocess.run(["mount", "--bind", str(path), str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_record_that_cannot_be_written(new_patient: NewPatient) -> None:
    one = new_patient()
    record = one.served.directory / ".history"
    away = record.rename(record.with_name(".history-away"))
    record.touch()
    one.served.back_up()
    one.arrives("HistoryNotDurable")
    record.unlink()
    away.rename(record)
    wait_for(lambda: saved_again(one), one.served.metrics)
    one.resolves("HistoryNotDurable")


def saved_again(one: Patient) -> bool:
    one.served.back_up()
    return bool(one.served.metrics()["history_durable"])


def test_a_disk_that_is_read_only(new_patient: NewPatient) -> None:
    one = new_patient()
    with read_only(one.disk):
        one.look()
        one.arrives("DirectoryReadOnly", set="main", severity="critical")
    one.look()
    one.resolves("DirectoryReadOnly")


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """The same disk once more on top of itself, without writing: a remount is refused while the sidecar's lock is open."""
    subprocess.run(["mount", "--bind", "-o", "ro", str(disk), str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
