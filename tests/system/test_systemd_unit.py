"""deploy/systemd on a machine that systemd runs: `make host-test` makes one, as root, with mmdebstrap."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.booted import Machine, root_file_system
from support.documents import blocks
from support.rig import BUSES, DB, PEOPLE
from support.served import ADMIN, Served
from support.servers import ServerProcess, accepts_connections, free_port, secantus, seed

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

UNIT = "sidecar.service"
INSTALL, BESIDE = blocks("install.md", "Host with systemd")
ATTEMPTS = """
import ctypes, json, mmap, os, socket
def outcome(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return error.strerror
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
print(json.dumps({
    "write to /etc": outcome(lambda: open("/etc/mongodb-backup/x", "w")),
    "write to /usr": outcome(lambda: open("/usr/x", "w")),
    "write to the program": outcome(lambda: open("/opt/mongodb-backup/x", "w")),
    "read /home": outcome(lambda: os.listdir("/home/somebody")),
    "read the secret's own file": outcome(lambda: open("/etc/mongodb-backup/mongo-url")),
    "see other processes": "done" if os.path.exists("/proc/1") else "invisible",
    "a raw packet socket": outcome(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "a namespace": outcome(lambda: call("unshare", 0x00020000)),
    "mount": outcome(lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
    "memory to write and run": outcome(lambda: mmap.mmap(-1, 4096, prot=7)),
    "a device": outcome(lambda: open("/dev/kmsg")),
    "a set-user-id file": outcome(lambda: os.chmod(os.environ["BACKUP_DIR"], 0o4700)),
    "read the credential": outcome(lambda: open(os.environ["MONGO_URL_FILE"])),
    "write to its directory": outcome(lambda: open(os.environ["BACKUP_DIR"] + "/.x", "w")),
}))
"""


@dataclass
class Service(Served):
    """The unit's server, spoken to like any other."""


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with secantus(tmp_path_factory.mktemp("secantus") / "db") as server:
        seed(server.uri, DB, {"users": PEOPLE, "buses": BUSES})
        yield server


@pytest.fixture(scope="module")
def service(mongodb: ServerProcess) -> Service:
    return Service(mongodb, Path("/nowhere"), port=free_port())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Path:
    made = root_file_system(tmp_path_factory.mktemp("machine"))
    (made / "home/somebody").mkdir()
    configuration = f'host = "127.0.0.1"\nport = {service.port}\nmin_storage_mb = 0\n'
    for name, text in (("mongo-url", service.mongodb.uri), ("admin-token", ADMIN), ("sidecar.toml", configuration)):
        (made / "src" / name).write_text(text)
    with Machine(made) as booted:
        installed = booted.run("/bin/sh", "-ec", f"cd /src\n{INSTALL}")
        assert installed.returncode == 0, installed.stderr + booted.journal(UNIT)
        assert accepts_connections(service.port)
    return made


@pytest.fixture
def machine(root: Path) -> Iterator[Machine]:
    with Machine(root) as booted:
        booted.drop_in(UNIT, "")
        yield booted


def test_the_unit_makes_a_backup_that_only_its_account_can_read_and_stops_with_success(
    machine: Machine, service: Service
) -> None:
    started = machine.run("systemctl", "restart", UNIT)
    assert started.returncode == 0, machine.journal(UNIT)
    assert machine.property(UNIT, "StatusText") == f"Serving http://127.0.0.1:{service.port}"
    backup = service.back_up()
    kept = machine.root / "var/lib/mongodb-backup" / backup["filename"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.stat().st_uid == kept.parent.stat().st_uid != 0
    status = machine.run("/bin/sh", "-ec", BESIDE)
    assert (status.returncode, "healthy" in status.stdout) == (0, True), status.stdout + status.stderr
    assert machine.run("systemctl", "stop", UNIT).returncode == 0
    assert (machine.property(UNIT, "Result"), machine.property(UNIT, "ExecMainStatus")) == ("success", "0")


def test_a_server_that_hangs_is_killed_and_started_again(machine: Machine, service: Service) -> None:
    machine.drop_in(UNIT, "[Service]\nWatchdogSec=2\nRestartSec=100ms\n")
    assert machine.run("systemctl", "restart", UNIT).returncode == 0, machine.journal(UNIT)
    machine.run("systemctl", "kill", "--signal=STOP", UNIT)
    machine.wait_until(lambda: machine.property(UNIT, "NRestarts") == "1")
    machine.wait_until(lambda: accepts_connections(service.port))
    assert "watchdog" in machine.run("journalctl", "--no-pager").stdout.lower()


def test_a_wrong_configuration_is_reported_and_not_tried_again(machine: Machine) -> None:
    machine.drop_in(UNIT, "[Service]\nEnvironment=BACKUP_LIMIT=none\nRestartSec=0\n")
    assert machine.run("systemctl", "restart", UNIT).returncode != 0
    assert (machine.property(UNIT, "NRestarts"), machine.property(UNIT, "ExecMainStatus")) == ("0", "2")
    assert "BACKUP_LIMIT: expected a whole number" in machine.journal(UNIT)


def test_whoever_takes_over_the_process_can_do_nothing_but_its_work(machine: Machine) -> None:
    (machine.root / "opt/attempts.py").write_text(ATTEMPTS)
    command = "/usr/bin/python3 /opt/attempts.py"
    machine.drop_in(UNIT, f"[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart={command}\n")
    assert machine.run("systemctl", "restart", UNIT).returncode == 0, machine.journal(UNIT)
    (outcomes,) = [json.loads(line) for line in machine.journal(UNIT).splitlines() if line.startswith('{"write')]
    assert outcomes == {
        "write to /etc": "Read-only file system",
        "write to /usr": "Read-only file system",
        "write to the program": "Read-only file system",
        "read /home": "Permission denied",
        "read the secret's own file": "Permission denied",
        "see other processes": "invisible",
        "a raw packet socket": "Address family not supported by protocol",
        "a namespace": "Operation not permitted",
        "mount": "Operation not permitted",
        "memory to write and run": "Operation not permitted",
        "a device": "No such file or directory",
        "a set-user-id file": "Operation not permitted",
        "read the credential": "done",
        "write to its directory": "done",
    }
