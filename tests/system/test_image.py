"""The container image, built for real and run as the manifests run it.

`make image-test` needs buildah, podman, runc and, where PYTHON_IMAGE names no base that is there, mmdebstrap.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.cli import exits
from support.containers import UID, Container, base_image, build, inspected, once, run, rust_image
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, secantus, seed

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]

NO_SHELL = [f"--volume=/dev/null:{path}:ro" for path in ("/usr/bin/sh", "/usr/bin/dash", "/usr/bin/bash")]
PUPILS = 20_000  # so many that a backup of them is still under way when it is told to stop


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return base_image(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def rust(tmp_path_factory: pytest.TempPathFactory) -> str:
    return rust_image(tmp_path_factory.mktemp("rust"))


@pytest.fixture(scope="module")
def image(base: str, rust: str) -> Iterator[str]:
    began = time.monotonic()
    name = build(base, rust)
    size, below = (inspected(one)["Size"] for one in (name, base))
    report(f"built in {time.monotonic() - began:.0f} s, {size / 1e6:.0f} MB, of which the base {below / 1e6:.0f} MB")
    yield name
    run("podman", "rmi", "--force", name)


@pytest.fixture
def mongodb(tmp_path: Path) -> Iterator[ServerProcess]:
    with secantus(tmp_path / "mongodb") as server:
        seed(server.uri, DB, {"users": PEOPLE, "buses": BUSES})
        yield server


@pytest.fixture
def container(image: str, mongodb: ServerProcess, tmp_path: Path) -> Iterator[Container]:
    with Container(mongodb, tmp_path / "backups", image=image, options=NO_SHELL) as running:
        yield running


def report(figure: str) -> None:
    print(f"\n{figure}")  # noqa: T201 - pytest -s shows the figures of docs/install.md


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_codec_in_rust_runs(image: str) -> None:
    shown = json.loads(once(image, "config", "show", "--json").stdout)
    assert shown["codec"] == {"value": "native", "source": "in use"}


def test_the_same_sources_make_the_same_layers(base: str, rust: str, image: str) -> None:
    again = build(base, rust)
    try:
        assert inspected(again)["RootFS"]["Layers"] == inspected(image)["RootFS"]["Layers"]
    finally:
        run("podman", "rmi", "--force", again)


def test_runs_as_nobody_in_particular_with_no_capability_and_no_way_to_gain_one(container: Container) -> None:
    status = container.status()
    assert status["Uid"].split() == [str(UID)] * 4
    assert (status["CapEff"], status["CapBnd"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")


def test_does_the_whole_job_without_a_shell_on_a_read_only_root(container: Container) -> None:
    backup = container.back_up()
    backup_id = backup["backup_id"]
    assert {name: one["documents"] for name, one in backup["collection_details"].items()} == {
        "users": len(PEOPLE),
        "buses": len(BUSES),
    }
    verified = container.post(f"{BACKUPS}/verify/{backup_id}?deep=true")
    assert (verified.status, verified.json["is_valid"]) == (200, True), verified.body
    restored = container.post(f"{BACKUPS}/{backup_id}/restore", {"target_db": "copy", "confirm": "copy"})
    assert restored.status == 200, restored.body
    compared = container.execute("sidecar", "diff", backup_id, "--live")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    listed = container.execute("sidecar", "list", "--json")
    assert [one["backup_id"] for one in json.loads(listed.stdout)] == [backup_id]
    flip_one_bit(container.directory / backup["filename"])
    assert container.execute("sidecar", "verify", backup_id).returncode == exits.INVALID
    report(f"peak memory of the server {container.status()['VmHWM']}")


def test_writes_nothing_but_its_backups(container: Container) -> None:
    tried = container.execute("python3", "-c", "open('/opt/sidecar/x', 'w')")
    assert "Read-only file system" in tried.stderr
    kept = {path.stat().st_uid for path in container.directory.rglob("*")}
    assert kept == {UID}
    assert not [path for path in container.directory.rglob("*") if path.stat().st_mode & 0o077]


def test_the_health_check_knows_a_server_that_answers_from_one_that_does_not(container: Container) -> None:
    command = inspected(container.image)["Healthcheck"]["Test"]
    assert command[0] == "CMD"
    assert container.execute(*command[1:]).returncode == 0
    wrong = once(container.image, *command[2:], options=["--env=SIDECAR_PORT=1"])
    assert (wrong.returncode, "Connection refused" in wrong.stderr) == (1, True)


def test_stops_with_0_in_ten_seconds_also_in_the_middle_of_a_backup(
    container: Container, mongodb: ServerProcess
) -> None:
    seed(mongodb.uri, DB, {"users": [{"_id": 10_000 + n, "text": "x" * 2000} for n in range(PUPILS)]})
    begun = container.post(f"{BACKUPS}/trigger?backup_type=main&wait=0")
    assert begun.status == 202, begun.body
    container.wait_until(begun.headers["Location"], "state", "running")
    before = time.monotonic()
    assert container.stop() == 0
    report(f"stopped in {time.monotonic() - before:.1f} s")
    assert not list(container.directory.glob("*.meta.json"))


def test_a_signal_from_inside_restarts_it_alone_as_the_documents_say(container: Container) -> None:
    container.execute("python3", "-c", "import os; os.kill(1, 15)")
    assert container.process is not None
    assert container.process.wait(15) == 0


def test_without_a_place_for_backups_it_says_so_and_ends(image: str, mongodb: ServerProcess, tmp_path: Path) -> None:
    environment = Served(mongodb, tmp_path).environment
    options = [f"--env={name}={environment[name]}" for name in ("MONGO_URL", "SIDECAR_ADMIN_TOKEN")]
    ended = once(image, options=options)
    assert ended.returncode == 1
    assert "Read-only file system" in ended.stderr
