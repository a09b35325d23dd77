"""The `sidecar` command as its users run it, and what they hold it to afterwards."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sidecar.model import VERIFIED, BackupSet, Form, StoredBackup
from sidecar.store.catalog import Catalog
from sidecar.store.deep import verify_deep
from sidecar.store.local import LocalStore
from support import forms
from support.patience import PATIENCE_SECONDS
from support.processes import Nursery, begin
from support.rig import CODEC, DB
from support.servers import ServerProcess

Files = Mapping[str, bytes]
OURS: Final = {".locks", ".history", ".ledger", ".volume"}


@dataclass(frozen=True)
class Command:
    """Runs `sidecar` against a server and a backup directory, with the configuration of one set `main` of two collections."""

    server: ServerProcess
    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    nursery: Nursery | None = None  # None: that of the tests
    form: Form = Form.PLAIN

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        ours = {
            "MONGO_URL": self.server.uri,
            "DB_NAME": DB,
            "BACKUP_DIR": str(self.directory),
            "MIN_STORAGE_MB": "0",
            "SIDECAR_LOG_LEVEL": "error",
        }
        return inherited | ours | dict(forms.environment(self.form, self.directory.parent)) | dict(self.variables)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sidecar", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Returns when it has ended, with what it said."""
        with tempfile.TemporaryFile("r+") as out, tempfile.TemporaryFile("r+") as err:
            process = begin("sidecar", arguments, self.environment, (out.fileno(), err.fileno()), self.nursery)
            code = process.wait(PATIENCE_SECONDS)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def json(self, *arguments: str) -> Any:
        """What a reading command prints with `--json`; it must have ended well."""
        ended = self.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def stored(self) -> list[StoredBackup]:
        """What `sidecar list main` shows, without the second that starting a process takes."""
        return list(Catalog({"main": self.store}).backups("main"))

    def valid(self) -> list[str]:
        return [str(one.id) for one in self.stored() if one.verdict.is_valid]

    @property
    def store(self) -> LocalStore:
        names = ("users", "buses")
        one = BackupSet(name="main", collections=names, prefix="seed_backup", **forms.set_options(self.form))
        return LocalStore(self.directory, one, forms.KEYRING)


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory but the sidecar's own, by its path, with its content; a link shows where it leads."""
    return {
        str(path.relative_to(directory)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if (path.is_file() or path.is_symlink()) and not OURS & set(path.relative_to(directory).parts)
    }


def assert_promise_kept(command: Command, good: Files) -> None:
    """Nothing good is lost, nothing listed as valid is bad, and the next run works and leaves nothing of the fault behind."""
    there = files(command.directory)
    assert {name: there.get(name) for name in good} == dict(good)
    for one in command.stored():
        assert not one.verdict.is_valid or verify_deep(command.store, one.id, CODEC) == VERIFIED
    again = command.run("backup", "main")
    assert again.returncode == 0, again.stderr
    listed = command.stored()
    assert {one.verdict for one in listed} == {VERIFIED}
    assert set(files(command.directory)) == {name for one in listed for name in (one.filename, one.id.metadata_name)}


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of its own, `size` as tmpfs takes it (`512k`)."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
