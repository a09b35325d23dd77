"""Word that a real server sends of what becomes of its backups, to a real receiver."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.patience import wait_for
from support.receivers import HttpReceiver, MailReceiver
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

TEST = "/api/admin/notifications/test"


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def served(exact: ServerProcess, receiver: HttpReceiver, tmp_path: Path) -> Iterator[Served]:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with MailReceiver() as mail:
        variables = {
            "SIDECAR_HEARTBEAT_URL": f"{receiver.url}/ping/{{set}}-s3cret",
            "SIDECAR_WEBHOOK_URL": f"{receiver.url}/hook-s3cret",
            "SIDECAR_SMTP_HOST": "127.0.0.1",
            "SIDECAR_SMTP_PORT": str(mail.port),
            "SIDECAR_SMTP_SECURITY": "none",
            "SIDECAR_SMTP_FROM": "backups@example.com",
            "SIDECAR_SMTP_TO": "admin@example.com",
            "SIDECAR_LOG_LEVEL": "debug",
        }
        with Served(exact, tmp_path / "backups", variables) as served:
            yield served
        assert "s3cret" not in served.log_path.read_text()


def heard(receiver: HttpReceiver, beginning: str) -> list[str]:
    return [one.path.removeprefix(beginning) for one in receiver.received if one.path.startswith(beginning)]


def hooks(receiver: HttpReceiver) -> list[str]:
    return [json.loads(one.body)["text"] for one in receiver.received if one.path == "/hook-s3cret"]


def test_runs_are_heard_and_a_failure_is_told_once_and_taken_back(served: Served, receiver: HttpReceiver) -> None:
    served.back_up()
    wait_for(lambda: heard(receiver, "/ping/main-s3cret")[-1:] == [""], lambda: receiver.received)  # it succeeded
    served.lab(labFault="find", action="error", times=-1, code=6, message="the disk is on fire")
    for _ in range(2):
        assert served.post(f"{BACKUPS}/trigger?backup_type=main").status != 200
    wait_for(lambda: hooks(receiver) and "/fail" in heard(receiver, "/ping/main-s3cret"), lambda: receiver.received)
    assert heard(receiver, "/ping/main-s3cret").count("") == 1
    served.lab(labReset=1)
    served.back_up()
    wait_for(lambda: len(hooks(receiver)) == 2 and heard(receiver, "/ping/main-s3cret")[-1] == "")
    begun, over = hooks(receiver)
    assert begun.startswith("[warning] Backups of bus_tracker, main: last run\nfailed: ")
    assert over.startswith("[resolved] Backups of bus_tracker, main: last run\nNo longer so: failed: ")
    assert "the disk is on fire" in begun


def test_a_backup_that_is_damaged_before_its_success_is_said_never_was_one(
    served: Served, receiver: HttpReceiver
) -> None:
    receiver.answers = [503] * 1000
    made = served.back_up()
    wait_for(lambda: len(receiver.answers) < 1000)  # it was tried
    data = served.directory / made["filename"]
    data.write_bytes(data.read_bytes().replace(b"pupil 7", b"pupil 8", 1))
    receiver.answers = []
    wait_for(lambda: "/fail" in heard(receiver, "/ping/main-s3cret"), lambda: receiver.received)
    assert "" not in heard(receiver, "/ping/main-s3cret")
    assert served.get(f"{BACKUPS}/health").status == 200  # which looks at everything
    assert served.metrics()['notification_failures_total{channel="heartbeat"}'] >= 1


def test_a_test_reaches_every_channel_and_changes_nothing(served: Served, receiver: HttpReceiver) -> None:
    receiver.answers = [200, 200, 500]
    deliveries = served.post(TEST).json["deliveries"]
    assert deliveries == [
        {"channel": "heartbeat", "backup_type": "main", "error": None},
        {"channel": "heartbeat", "backup_type": "attendance", "error": None},
        {"channel": "webhook", "backup_type": None, "error": "the server answered 500"},
        {"channel": "mail", "backup_type": None, "error": None},
    ]
    assert receiver.paths() == ["/ping/main-s3cret/log", "/ping/attendance-s3cret/log"]


def test_a_receiver_that_hangs_holds_up_neither_a_run_nor_a_stop(served: Served, receiver: HttpReceiver) -> None:
    receiver.holds = True
    try:
        served.back_up()
        wait_for(lambda: receiver.is_held)
        assert served.stop() == 0
    finally:
        receiver.holds = False
