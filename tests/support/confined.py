"""A command under the restrictions of the manifests, without their image: as root with mount namespaces and cgroups.

Read-only wherever it is not its backups (also /tmp), as a user of its own without capabilities, and with so much memory.
"""

import os
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.containers import ROOT, UID

BACKUPS: Final = "/mnt/backups"  # as the command sees it

_V1: Final = (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.max_usage_in_bytes")
_V2: Final = (Path("/sys/fs/cgroup"), "memory.max", "memory.peak")
_CONFINE: Final = f"""
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/python /mnt/site /mnt/source {BACKUPS}
mount --bind "$PYTHON" /mnt/python
mount --bind "$SITE" /mnt/site
mount --bind "$SOURCE" /mnt/source
mount --bind "$DIRECTORY" {BACKUPS}
cut -d' ' -f2 /proc/self/mounts | sort -u | while read -r path; do
  case $path in {BACKUPS}|/proc|/proc/*) ;; *) mount -o remount,bind,ro "$path" 2>/dev/null || true ;; esac
done
cd /mnt/source
exec setpriv --reuid {UID} --regid {UID} --clear-groups --bounding-set -all --inh-caps -all --no-new-privs \\
  env --ignore-environment LD_LIBRARY_PATH=/mnt/python/lib PYTHONPATH=/mnt/source:/mnt/site PYTHONDONTWRITEBYTECODE=1 \\
  BACKUP_DIR={BACKUPS}/mongodb "$@"
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it took."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int  # as a container's is counted, with what it keeps of files


@dataclass(frozen=True)
class Confined:
    """Where commands run."""

    directory: Path  # the volume
    memory_bytes: int
    variables: Mapping[str, str]

    def run(self, *arguments: str) -> Ended:
        """`sidecar` with these arguments."""
        return self.python("-m", "sidecar", *arguments)

    def python(self, *arguments: str) -> Ended:
        ours = {
            "PYTHON": sys.base_prefix,
            "SITE": str(next(Path(sys.prefix).glob("lib/python3*/site-packages"))),
            "SOURCE": str(ROOT),
            "DIRECTORY": str(self.directory),
        }
        given = [f"{name}={value}" for name, value in self.variables.items()]
        python = f"/mnt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        with _cgroup(self.memory_bytes) as (cgroup, peak):
            in_it = f'echo $$ > {cgroup}/cgroup.procs; exec unshare --mount sh -euc "$CONFINE" sh "$@"'
            command = ["sh", "-euc", in_it, "sh", *given, python, *arguments]
            began, before = time.monotonic(), _cpu_seconds()
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                env=os.environ | ours | {"CONFINE": _CONFINE},
            )
            seconds, cpu_seconds = time.monotonic() - began, _cpu_seconds() - before
            return Ended(ended.returncode, ended.stdout, ended.stderr, seconds, cpu_seconds, int(peak.read_text()))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _cgroup(memory_bytes: int) -> Iterator[tuple[Path, Path]]:
    """A new one, and its file that says how much was used at most."""
    root, limit, peak = _V1 if _V1[0].is_dir() else _V2
    cgroup = root / f"sidecar-{uuid.uuid4().hex[:8]}"
    cgroup.mkdir()
    try:
        (cgroup / limit).write_text(str(memory_bytes))
        yield cgroup, cgroup / peak
    finally:
        cgroup.rmdir()


def confined(folder: Path, memory_bytes: int, variables: Mapping[str, str]) -> Confined:
    volume = folder / "volume"
    volume.mkdir(mode=0o700)
    os.chown(volume, UID, UID)
    return Confined(volume, memory_bytes, variables)
