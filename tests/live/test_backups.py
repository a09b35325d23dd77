"""What becomes of the stored backups."""

import pytest

from support.damage import flip_a_bit
from support.patience import wait_for
from support.patients import ATTENDANCE, EVERY_SIX_SECONDS, MAIN, NewPatient, Patient, every, fill
from support.rig import DB
from support.served import BACKUPS
from support.servers import seed

pytestmark = [pytest.mark.alerts, pytest.mark.timeout(600)]


def remove_backups(one: Patient, keep: int) -> None:
    for path in one.served.directory.glob("seed_backup_*"):
        if not path.name.startswith(tuple(one.newest(nth).stem for nth in range(keep))):
            path.unlink()


def wait_for_backups(one: Patient, number: int) -> None:
    wait_for(lambda: one.served.metrics()['restorable_backups{set="main"}'] >= number, one.served.metrics)


def test_a_backup_that_is_too_old(new_patient: NewPatient) -> None:
    """And its cause, a pause that is too long, and its price, the error budget, which one late run would spend again."""
    one = new_patient(every(15))
    one.pause()
    one.arrives("PausedTooLong", set="main")
    one.arrives("TooOld", set="main", severity="critical")
    one.resume()
    one.resolves("PausedTooLong", "TooOld")
    one.monitoring.arrives(one.job, "MongoBackupErrorBudgetSpent", set="main", severity="warning")
    one.resolves("ErrorBudgetSpent")


def test_no_backup(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_SIX_SECONDS)
    wait_for_backups(one, 2)
    one.pause()
    remove_backups(one, keep=0)
    one.look()
    one.arrives("None", set="main", severity="critical")
    one.resume()
    one.resolves("None")


def test_a_newest_backup_that_is_corrupt(new_patient: NewPatient) -> None:
    one = new_patient()
    flip_a_bit(one.newest())
    one.look()
    one.arrives("NewestCorrupt", set="main", severity="critical")
    one.keeps_to_itself("Invalid")
    one.served.back_up()
    one.resolves("NewestCorrupt")
    one.arrives("Invalid", set="main")
    one.served.call("DELETE", f"{BACKUPS}/{one.newest(1).stem}")
    one.look()
    one.resolves("Invalid")


def test_an_older_backup_that_is_corrupt_and_the_verification_that_finds_it(new_patient: NewPatient) -> None:
    one = new_patient({"SIDECAR_VERIFY_SCHEDULE": "* * * * *"})
    one.served.back_up()
    wait_for(lambda: one.served.metrics()['last_verification_success{set="main"}'], one.served.metrics)
    flip_a_bit(one.newest(1))
    one.look()
    one.arrives("Invalid", set="main")
    one.keeps_to_itself("VerificationFailed")
    flip_a_bit(one.newest(1))
    one.look()
    one.resolves("Invalid")
    one.arrives("VerificationFailed", set="main")
    one.resolves("VerificationFailed")  # by the next one


def test_too_few_backups(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_SIX_SECONDS | {"BACKUP_LIMIT": "4"})
    wait_for_backups(one, 4)
    one.pause()
    remove_backups(one, keep=1)
    one.look()
    one.arrives("TooFew", set="main")
    one.resume()
    one.resolves("TooFew")


def test_a_collection_that_lost_most_of_its_documents(new_patient: NewPatient) -> None:
    one = new_patient()
    usual = f'count_over_time(mongobackup_documents{{job="{one.job}",set="main"}}[60s]) > 25'
    wait_for(lambda: one.monitoring.query(usual), lambda: "nothing is usual yet")
    one.command(drop="users")
    seed(one.served.mongodb.uri, DB, {"users": [{"_id": number, "name": f"pupil {number}"} for number in range(20)]})
    suspect = one.served.back_up()["backup_id"]
    one.arrives("Suspect", set="main", severity="critical")
    one.keeps_to_itself("Shrunk")
    one.run("confirm", suspect)
    one.look()
    one.resolves("Suspect")
    one.arrives("Shrunk", set="main")
    one.resolves("Shrunk")  # once that is what is usual


def test_data_that_is_back_is_no_longer_suspect(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.mongodb.restart()
    seed(one.served.mongodb.uri, DB, {name: [{"_id": 1}] for name in MAIN})
    one.served.back_up()
    one.arrives("Suspect", set="main")
    one.served.mongodb.restart()
    fill(one.served.mongodb)
    one.served.back_up()
    one.resolves("Suspect")


def test_a_collection_that_is_missing(new_patient: NewPatient) -> None:
    one = new_patient()
    one.command(drop="holidays")
    one.served.back_up()
    assert one.arrives("MissingCollections", set="main")["description"].endswith(": 1.")
    seed(one.served.mongodb.uri, DB, {"holidays": [{"_id": number} for number in range(20)]})
    one.served.back_up()
    one.resolves("MissingCollections")


def test_backups_that_vanish(new_patient: NewPatient) -> None:
    one = new_patient(EVERY_SIX_SECONDS)
    wait_for_backups(one, 4)
    one.pause()
    remove_backups(one, keep=1)
    one.look()
    one.arrives("BackupsLost", set="main", severity="critical")
    one.resume()
    one.resolves("BackupsLost")


def test_a_set_that_holds_no_document(new_patient: NewPatient) -> None:
    one = new_patient()
    for name in (*MAIN, *ATTENDANCE):
        one.command(delete=name, deletes=[{"q": {}, "limit": 0}])
    suspect = one.served.back_up()["backup_id"]
    one.run("confirm", suspect)
    one.look()
    one.arrives("NoDocuments", set="main")
    one.refill()
    one.served.back_up()
    one.resolves("NoDocuments")


def test_data_without_its_metadata(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.back_up()
    metadata = one.newest(1).with_suffix(".meta.json")
    away = metadata.rename(one.disk / "away")
    one.look()
    one.arrives("Orphans", set="main")
    away.rename(metadata)
    one.look()
    one.resolves("Orphans")


def test_pinned_backups_that_pile_up(new_patient: NewPatient) -> None:
    one = new_patient({"BACKUP_LIMIT": "20"})
    pinned = [one.served.back_up()["backup_id"] for _ in range(6)]
    for backup_id in pinned:
        assert one.served.call("PUT", f"{BACKUPS}/{backup_id}/pin", {}).status < 300
    one.look()
    one.arrives("PinnedPilingUp", set="main")
    assert one.served.call("DELETE", f"{BACKUPS}/{pinned[0]}/pin").status < 300
    one.look()
    one.resolves("PinnedPilingUp")


def test_backups_of_a_set_that_is_gone_from_the_configuration(new_patient: NewPatient) -> None:
    one = new_patient()
    left = one.served.directory / "old_backup_20240101_000000.json"
    for suffix in (".json", ".meta.json"):
        left.with_suffix(suffix).write_bytes(one.newest().with_suffix(suffix).read_bytes())
    one.look()
    one.arrives("Unconfigured")
    for suffix in (".json", ".meta.json"):
        left.with_suffix(suffix).unlink()
    one.look()
    one.resolves("Unconfigured")


def test_a_collection_that_no_set_takes(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(create="newcomers")
    one.served.back_up()
    one.arrives("Uncovered")
    one.served.lab(drop="newcomers")
    one.served.back_up()
    one.resolves("Uncovered")


def test_a_server_that_gives_no_more_snapshots(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(labFault="find", action="error", times=2, code=239)
    assert one.served.back_up()["consistency"] == "per_collection"
    one.arrives("ConsistencyLost", set="main", severity="warning")
    assert one.served.back_up()["consistency"] == "snapshot"
    one.resolves("ConsistencyLost")


def test_a_backup_that_is_dated_ahead_of_now(new_patient: NewPatient) -> None:
    one = new_patient(module="support.faulty_sidecar")
    (one.faults / "clock").write_text("3600")
    ahead = one.served.back_up()["backup_id"]
    (one.faults / "clock").unlink()
    one.look()
    one.arrives("FutureDated", set="main", severity="warning")
    assert one.served.call("DELETE", f"{BACKUPS}/{ahead}").status < 300
    one.look()
    one.resolves("FutureDated")
