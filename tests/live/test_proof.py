"""Verifications, drills and restores that fail or do not happen."""

import pytest

from support.patience import wait_for
from support.patients import NewPatient
from support.rig import DB
from support.served import BACKUPS

pytestmark = [pytest.mark.alerts, pytest.mark.timeout(900)]


EVERY_MINUTE = {"SIDECAR_VERIFY_SCHEDULE": "* * * * *", "SIDECAR_DRILL_SCHEDULE": "* * * * *"}


def test_verifications_and_drills_that_never_end(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_MINUTE | {"SIDECAR_STALL_TIMEOUT_SECONDS": "600"}, "support.faulty_sidecar")
    wait_for(lambda: one.served.metrics()['restore_drill_success{set="main"}'], one.served.metrics)
    (one.faults / "verify").touch()
    one.served.lab(labFault="insert", action="stall", times=-1)
    one.arrives("DrillOverdue", set="main")
    one.arrives("VerificationOverdue", set="main")
    (one.faults / "verify").unlink()
    one.served.lab(labReset=1)
    for job in one.served.get("/api/admin/jobs?kind=drill").json["jobs"]:
        one.served.post(f"/api/admin/jobs/{job['id']}/cancel")
    one.resolves("VerificationOverdue", "DrillOverdue")


def test_a_drill_that_fails(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(labFault="insert", action="error", times=-1, code=6)
    one.served.post(f"{BACKUPS}/drill?backup_type=main")
    one.arrives("DrillFailed", set="main", severity="critical")
    one.served.lab(labReset=1)
    assert one.served.post(f"{BACKUPS}/drill?backup_type=main").status == 200
    one.resolves("DrillFailed")


def test_a_restore_that_fails(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(labFault="insert", action="error", times=-1, code=6)
    answer = one.served.post(f"{BACKUPS}/{one.newest().stem}/restore", {"confirm": DB})
    assert answer.status >= 500
    one.served.lab(labReset=1)
    one.arrives("RestoreFailed", set="main")
    one.resolves("RestoreFailed")
