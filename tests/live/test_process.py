"""The process itself, and what is around it."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.monitoring import Monitoring
from support.patients import EVERY_SIX_SECONDS, NewPatient
from support.servers import free_port

pytestmark = [pytest.mark.alerts, pytest.mark.timeout(600)]


def test_a_database_that_is_away(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_SIX_SECONDS)
    one.served.mongodb.kill()
    one.look()
    one.arrives("MongoDBUnreachable")
    one.keeps_to_itself("RunFailed")
    one.served.mongodb.start()
    one.refill()
    one.look()
    one.resolves("MongoDBUnreachable")


def test_a_group_that_nobody_leads(new_patient: NewPatient) -> None:
    one = new_patient({"SIDECAR_LEADER_GROUP": "night", "SIDECAR_LEASE_SECONDS": "3"})
    one.served.mongodb.kill()
    told = one.monitoring.arrives(one.job, "MongoBackupNoLeader", severity="critical")
    assert "instance" not in told.labels  # it is said of the whole group
    one.served.mongodb.start()
    one.refill()
    one.resolves("NoLeader")


def test_a_disk_that_never_answers(new_patient: NewPatient) -> None:
    one = new_patient(module="support.faulty_sidecar")
    (one.faults / "overview").touch()
    one.arrives("StateStale", severity="critical")
    (one.faults / "overview").unlink()
    one.resolves("StateStale")


def test_metrics_that_cannot_be_computed(new_patient: NewPatient) -> None:
    one = new_patient(module="support.faulty_sidecar")
    (one.faults / "metrics").touch()
    one.arrives("MetricsBroken", severity="critical")
    (one.faults / "metrics").unlink()
    one.resolves("MetricsBroken")


def test_a_sidecar_that_is_down(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.kill()
    one.arrives("TargetDown", severity="critical")
    one.served.start()
    one.resolves("TargetDown")
    told = {alert.name for alert in one.monitoring.told_of(one.job)}
    assert told == {"MongoBackupTargetDown"}  # one message for one cause


def test_a_sidecar_that_nobody_knows_of_any_more(new_patient: NewPatient) -> None:
    one = new_patient()
    one.monitoring.forget(one.job)
    told = one.monitoring.arrives(one.job, "MongoBackupMetricsMissing", severity="critical")
    assert one.job in told.annotations["description"]
    one.monitoring.watch(one.job, one.served.port)
    one.resolves("MetricsMissing")


def test_somebody_who_guesses_tokens(new_patient: NewPatient) -> None:
    one = new_patient()
    with ThreadPoolExecutor(14) as pool:
        guesses = pool.map(lambda _: one.served.get("/api/admin/jobs", token="a guess").status, range(14))
    assert set(guesses) <= {401, 429}
    one.arrives("LoginAttack")
    one.resolves("LoginAttack")


@pytest.mark.parametrize("seconds", [45, -45])
def test_a_clock_that_is_wrong(seconds: int, new_patient: NewPatient) -> None:
    one = new_patient(module="support.faulty_sidecar")
    (one.faults / "clock").write_text(str(seconds))
    one.arrives("ClockSkew")
    (one.faults / "clock").unlink()
    one.resolves("ClockSkew")


def test_a_sidecar_that_never_answered(watching: Monitoring) -> None:
    job = "mongodb-backup-never-up"
    watching.watch(job, free_port())
    watching.arrives(job, "MongoBackupTargetNeverUp", severity="critical")
    watching.forget(job)
    watching.resolves(job, "MongoBackupTargetNeverUp")


def test_a_record_that_is_lost(new_patient: NewPatient) -> None:
    one = new_patient()
    assert one.served.stop() == 0
    shutil.rmtree(one.served.directory / ".history")
    for path in one.served.directory.glob("seed_backup_*"):
        path.unlink()
    one.served.start()
    one.served.back_up()
    one.look()
    one.arrives("RecordLost", set="main")
    one.resolves("RecordLost")
