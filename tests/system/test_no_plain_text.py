"""An encrypted set on a running sidecar: no document of it in any file that the process wrote, nor in what it left."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.model import Form
from support.forms import environment
from support.patience import wait_for
from support.rig import DB
from support.served import BACKUPS, Served
from support.servers import ServerProcess, free_port, seed

CANARY = "a-pupil-nobody-shall-read"
USERS = [{"_id": f"{CANARY}-{number}", "name": f"{CANARY} {number}"} for number in range(50)]
WRITE = re.compile(r"p?write\w*\(\d+<(?P<where>[^>]*)>, (?P<what>.*)")


@dataclass
class Traced(Served):
    """The server, with every write of all its threads on record."""

    @property
    def trace(self) -> Path:
        return self.directory.with_name("trace")

    def launch(self) -> subprocess.Popen[bytes]:
        self.port = self.port or free_port()
        watched = "write,pwrite64,writev,pwritev,pwritev2"
        strace = ["strace", "-D", "-f", "-y", "-xx", "-s", "1000000", "--seccomp-bpf", "-e", f"trace={watched}"]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*strace, "-o", str(self.trace), sys.executable, "-m", self.module, "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    def written(self) -> Iterator[tuple[str, str]]:
        """The path and the bytes, in hexadecimal, of each write to a file."""
        for line in self.trace.read_text().splitlines():
            found = WRITE.search(line)
            where = _unescaped(found["where"]) if found else ""
            if found and where.startswith("/"):  # pipes and sockets have no path
                yield where, found["what"]


def _unescaped(text: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda pair: chr(int(pair[1], 16)), text)


def used(served: Traced) -> str:
    """Everything is done that reads or writes documents, and one run fails. The id of the backup."""
    backup_id = str(served.back_up()["backup_id"])
    assert served.post(f"{BACKUPS}/verify/{backup_id}?deep=true").json["is_valid"]
    assert served.post(f"{BACKUPS}/{backup_id}/restore", {"dry_run": True}).status == 200
    assert served.get(f"{BACKUPS}/{backup_id}/diff/{backup_id}").status == 200
    assert served.post(f"{BACKUPS}/{backup_id}/restore", {"confirm": DB}).status == 200
    served.lab(labFault="find", action="repeat", collection="users", times=-1)
    assert served.post(f"{BACKUPS}/trigger?backup_type=main").json["main"]["success"] is False
    return backup_id


@pytest.mark.parametrize("form", [Form.PLAIN, Form.ENCRYPTED])
def test_no_document_of_an_encrypted_set_is_ever_in_a_file(form: Form, exact: ServerProcess, tmp_path: Path) -> None:
    """The plain one shows that the test would find it."""
    seed(exact.uri, DB, {"users": USERS})
    with Traced(exact, tmp_path / "backups", environment(form, tmp_path)) as served:
        used(served)
        served.stop()
        wait_for(lambda: "+++ exited with 0 +++" in served.trace.read_text()[-200:])
    needle = "".join(f"\\x{byte:02x}" for byte in CANARY.encode())
    writes = list(served.written())
    left = [path for path in served.directory.rglob("*") if path.is_file()]
    revealing = {where for where, what in writes if needle in what}
    holding = {path for path in left if CANARY.encode() in path.read_bytes()}
    assert len(writes) > 50
    assert any(where.endswith(f"{form}.tmp") for where, _ in writes)
    assert (bool(revealing), bool(holding)) == (form is Form.PLAIN, form is Form.PLAIN), (revealing, holding)
