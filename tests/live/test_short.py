"""The way of an alert from its cause to a person, in less than a minute. `make alerts-live` does this for every alert."""

from concurrent.futures import ThreadPoolExecutor

from support.damage import flip_a_bit
from support.patients import NewPatient, fill
from support.served import BACKUPS


def test_causes_arrive_as_alerts_and_are_gone_when_they_are_cured(new_patient: NewPatient) -> None:
    one = new_patient()
    one.served.lab(labFault="listCollections", action="error")
    assert one.served.post(f"{BACKUPS}/trigger?backup_type=attendance").status == 502
    one.served.back_up("attendance")
    one.run("alert-test", "--severity", "warning")
    flip_a_bit(one.newest())
    with ThreadPoolExecutor(14) as pool:
        guesses = pool.map(lambda _: one.served.get("/api/admin/jobs", token="a guess").status, range(14))
    assert set(guesses) <= {401, 429}
    one.served.mongodb.kill()
    one.look()

    one.arrives("RunFailed", set="attendance")
    one.arrives("Test", severity="warning")
    one.arrives("NewestCorrupt", set="main", severity="critical")
    one.arrives("LoginAttack")
    one.arrives("MongoDBUnreachable")
    one.keeps_to_itself("Invalid")

    one.run("alert-test", "--minutes", "0")
    flip_a_bit(one.newest())
    one.served.mongodb.start()
    fill(one.served.mongodb)
    one.look()
    one.resolves("RunFailed", "Test", "NewestCorrupt", "LoginAttack", "MongoDBUnreachable")
