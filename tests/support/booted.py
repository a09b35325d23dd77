"""A small Debian with systemd as its first process, in namespaces of its own: units run as on a host, on the host's network."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.containers import ROOT, run
from support.documents import blocks
from support.patience import wait_for

_PACKAGES: Final = "systemd,dbus,python3,python3-venv,ca-certificates"
_BOOT: Final = r"""
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mount -t tmpfs tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/unified sys/fs/cgroup/systemd sys/fs/cgroup/memory sys/fs/cgroup/pids
mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
for controller in memory pids; do mount -t cgroup -o $controller cgroup sys/fs/cgroup/$controller; done
mkdir -p old
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --show-status=no
"""


def root_file_system(folder: Path) -> Path:
    """A Debian with the sidecar installed from a wheel of the work tree as docs/install.md says, and the sources at /src."""
    root = folder / "root"
    run("mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(root))
    for shared in (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt")):  # how this machine reaches PyPI
        if shared.exists():
            (root / shared.relative_to("/")).write_bytes(shared.read_bytes())
    source = root / "src"
    shutil.copytree(ROOT / "deploy", source / "deploy")
    shutil.copy(ROOT / "requirements.lock", source)
    run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(source / "dist"), str(ROOT))
    (venv,) = [block for block in blocks("install.md", "uv, pipx or venv") if "venv /opt" in block]
    run("chroot", str(root), "/bin/sh", "-ec", f"cd /src\n{venv}")
    return root


@dataclass
class Machine:
    """Runs inside the `with` block; `root` is its file system as seen from outside."""

    root: Path
    _unshare: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        namespaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--kill-child"]
        command = ["unshare", *namespaces, "sh", "-c", _BOOT, "sh", str(self.root)]
        self._unshare = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.wait_until(lambda: self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._unshare is not None
        self._unshare.kill()  # and with it, by --kill-child, everything in there
        self._unshare.wait()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command as root of that machine."""
        first = self._first_process()
        return run(
            "nsenter", "--target", first, "--mount", "--pid", "--uts", "--ipc", "--cgroup", *command, check=False
        )

    def property(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit", unit).stdout

    def drop_in(self, unit: str, text: str) -> None:
        """Add to a unit, in the place of what was added before."""
        folder = self.root / "etc/systemd/system" / f"{unit}.d"
        folder.mkdir(exist_ok=True)
        (folder / "test.conf").write_text(text)
        assert self.run("systemctl", "daemon-reload").returncode == 0

    def wait_until(self, holds: Callable[[], bool]) -> None:
        wait_for(holds, lambda: self.run("journalctl", "--no-pager", "--lines=50").stdout)

    def _first_process(self) -> str:
        assert self._unshare is not None
        with contextlib.suppress(OSError, IndexError):
            pid = self._unshare.pid
            return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        return "0"
