"""Two hundred thousand documents on a volume and nothing else that can be written: what a container of the manifests has."""

import json
from pathlib import Path

import pytest
import yaml
from pymongo import MongoClient

from support.confined import Confined, Ended, confined
from support.containers import ROOT, UID
from support.rig import DB
from support.servers import ServerProcess, seed

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

PUPILS = 200_000
NOWHERE = [f"{folder}/sidecar-was-here" for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/mnt", "/mnt/source")]  # noqa: S108 - that is the point


def memory_limit() -> int:
    container = yaml.safe_load((ROOT / "deploy/kubernetes/deployment/deployment.yaml").read_text())["spec"]["template"]
    limit = container["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    return int(limit[:-2]) << 20


@pytest.fixture
def box(exact: ServerProcess, tmp_path: Path) -> Confined:
    pupils = [{"_id": number, "name": f"pupil {number}", "bus": number % 40} for number in range(PUPILS)]
    seed(exact.uri, DB, {"students": pupils})
    variables = {"MONGO_URL": exact.uri, "DB_NAME": DB, "SIDECAR_LOG_LEVEL": "warning"}
    return confined(tmp_path, memory_limit(), variables)


def test_every_command_is_at_home_on_two_hundred_thousand_documents(box: Confined, exact: ServerProcess) -> None:
    tried = [box.python("-c", f"open('{path}', 'w')").stderr for path in NOWHERE]
    assert ["Read-only file system" in one for one in tried] == [True] * len(NOWHERE), tried
    assert box.python("-c", "import os; print(os.getuid())").stdout == f"{UID}\n"

    ended: dict[str, Ended] = {}

    def run(*arguments: str, code: int = 0) -> str:
        done = ended[" ".join(arguments[:3])] = box.run(*arguments)
        assert done.code == code, done
        return done.stdout

    run("backup", "main")
    (backup,) = json.loads(run("list", "--json"))
    assert backup["collections"]["students"] == PUPILS
    with MongoClient[dict[str, object]](exact.uri) as client:
        students = client[DB]["students"]
        for number in (1, 2):
            students.delete_one({"_id": number})
        students.insert_many([{"_id": 1, "name": "changed"}, {"_id": PUPILS}])
    run("diff", backup["backup_id"], "--live", code=1)
    run("restore", backup["backup_id"], "--dry-run")
    run("drill", "main")
    run("restore", backup["backup_id"], "--yes")
    run("diff", backup["backup_id"], "--live")
    run("verify", backup["backup_id"], "--deep")

    assert not list(box.directory.rglob(".spill/*"))
    assert not list(box.directory.rglob("*.tmp"))
    for what, done in ended.items():
        figures = f"{done.seconds:.1f} s, {done.cpu_seconds:.1f} CPU s, {done.peak_bytes >> 20} MiB"
        print(f"\n| {what.replace(backup['backup_id'], 'ID')} | {figures} |", end="")  # noqa: T201 - for docs/install.md
    assert max(done.peak_bytes for done in ended.values()) < memory_limit()
