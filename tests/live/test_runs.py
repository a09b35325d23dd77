"""Runs that fail, hang, or are not begun."""

import pytest

from support.patients import EVERY_SIX_SECONDS, MAIN, NewPatient
from support.rig import DB
from support.served import BACKUPS
from support.servers import seed

pytestmark = [pytest.mark.alerts, pytest.mark.timeout(600)]

TRIGGER = f"{BACKUPS}/trigger?backup_type=main"


def test_a_failure_that_was_made_good_between_two_scrapes(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(labFault="listCollections", action="error", code=6)
    assert one.served.post(TRIGGER).status == 502
    one.served.back_up()
    assert "source_failed" in one.arrives("RunFailed", set="main")["description"]
    one.resolves("RunFailed")


def test_runs_that_fail_again_and_again(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(labFault="listCollections", action="error", times=-1)
    for _ in range(3):
        assert one.served.post(TRIGGER).status == 502
    assert "last 3 runs" in one.arrives("FailingRepeatedly", set="main")["description"]
    one.keeps_to_itself("RunFailed")
    one.served.lab(labReset=1)
    one.served.back_up()
    one.resolves("FailingRepeatedly")


def test_a_run_that_hangs(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(labFault="find", action="stall")
    job = one.served.post(f"{TRIGGER}&wait=0").headers["Location"]
    one.arrives("RunStuck", set="main")
    one.served.lab(labReset=1)
    assert one.served.post(f"{job}/cancel").status == 200
    one.resolves("RunStuck")


def test_a_scheduler_that_dies_again_and_again(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_SIX_SECONDS, "support.faulty_sidecar")
    (one.faults / "scheduler").touch()
    one.arrives("SchedulerDown", severity="critical")
    one.keeps_to_itself("Overdue", "TooOld")
    (one.faults / "scheduler").unlink()
    one.resolves("SchedulerDown")


def test_schedules_that_are_held_because_an_empty_database_cannot_be_restored(new_patient: NewPatient) -> None:
    one = new_patient({"SIDECAR_RESTORE_ON_EMPTY": "true"})
    assert one.served.stop() == 0
    one.newest().write_bytes(b"")
    one.served.mongodb.restart()
    one.served.start()
    one.arrives("StartupHeld", severity="critical")
    small = {name: [{"_id": number} for number in range(20)] for name in MAIN}
    seed(one.served.mongodb.uri, DB, small)  # the other set was restored at the start
    one.resolves("StartupHeld")


def test_an_alert_that_is_only_a_test(new_patient: NewPatient) -> None:
    one = new_patient()
    for severity in ("info", "critical"):
        one.run("alert-test", "--severity", severity)
        one.arrives("Test", severity=severity)
    one.run("alert-test", "--minutes", "0")
    one.resolves("Test")
