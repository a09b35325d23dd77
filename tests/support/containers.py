"""The image as it is built and run: buildah and podman, with the restrictions that the manifests ask for."""

import json
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support.patience import wait_for
from support.served import Served
from support.servers import accepts_connections, free_port

ROOT: Final = Path(__file__).parents[2]
UID: Final = 10001  # of the Dockerfile

_LOCAL_BASE: Final = "localhost/python:3.11-slim"
_LOCAL_RUST: Final = "localhost/rust:bookworm"
_PODMAN: Final = ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")  # crun wants more of a machine
_RESTRICTED: Final = (  # deploy/kubernetes/*/: read-only root, no capability, no way to gain one, and no temporary directory
    *("--network", "host", "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL"),
    *("--security-opt", "no-new-privileges", "--user", f"{UID}:{UID}"),
    *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--health-interval=disable"),
)


def run(*command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)
    assert ended.returncode == 0 or not check, f"{' '.join(command)}:\n{ended.stdout}\n{ended.stderr}"
    return ended


def base_image(folder: Path) -> str:
    """PYTHON_IMAGE, or a Debian with Python that is made here, since a test must not need a registry of images."""
    if "PYTHON_IMAGE" in os.environ:
        return os.environ["PYTHON_IMAGE"]
    if run("podman", "image", "exists", _LOCAL_BASE, check=False).returncode:
        archive = folder / "base.tar"
        packages = "--include=python3,python3-venv,ca-certificates"
        run("mmdebstrap", "--variant=minbase", packages, "bookworm", str(archive))
        run("podman", "import", str(archive), _LOCAL_BASE)
        archive.unlink()
    return _LOCAL_BASE


def rust_image(folder: Path) -> str:
    """RUST_IMAGE, or a Debian with this machine's own toolchain."""
    if "RUST_IMAGE" in os.environ:
        return os.environ["RUST_IMAGE"]
    if run("podman", "image", "exists", _LOCAL_RUST, check=False).returncode:
        archive = folder / "rust.tar"
        packages, toolchain = (
            "--include=gcc,libc6-dev,ca-certificates",
            run("rustc", "--print", "sysroot").stdout.strip(),
        )
        hook = f"--customize-hook=sync-in {toolchain} /usr/local"
        run("mmdebstrap", "--variant=minbase", packages, hook, "bookworm", str(archive))
        run("podman", "import", str(archive), _LOCAL_RUST)
        archive.unlink()
    return _LOCAL_RUST


def build(base: str, rust: str) -> str:
    """Build the image from the work tree without any cache; its name."""
    name = f"localhost/mongodb-backup-sidecar:{uuid.uuid4().hex[:8]}"
    epoch = run("git", "log", "-1", "--format=%ct", cwd=ROOT).stdout.strip()
    arguments = {
        "PYTHON_IMAGE": base,
        "RUST_IMAGE": rust,
        "SOURCE_DATE_EPOCH": epoch,
        "VERSION": "0.0.0",
        "REVISION": "test",
    }
    shared = [
        Path("/etc/pip.conf"),
        Path("/etc/ssl/certs/ca-certificates.crt"),
    ]  # how this machine reaches its registry
    how = ["--isolation", "chroot", "--network", "host", "--format", "docker", "--no-cache", "--timestamp", epoch]
    given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    mounts = [f"--volume={path}:{path}:ro" for path in shared if path.exists()]
    run("buildah", "build", *how, *given, *mounts, "--tag", name, str(ROOT))
    return name


def inspected(image: str) -> Mapping[str, Any]:
    found: list[dict[str, Any]] = json.loads(run("podman", "image", "inspect", image).stdout)
    return found[0]


def once(image: str, *arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """A command of the image under the restrictions, however it ends."""
    return run(*_PODMAN, "run", "--rm", *_RESTRICTED, *options, image, *arguments, check=False)


@dataclass
class Container(Served):
    """`sidecar serve` of an image under the restrictions; spoken to like a process of the same machine."""

    image: str = ""
    options: Sequence[str] = ()
    name: str = field(default_factory=lambda: f"sidecar-{uuid.uuid4().hex[:8]}")
    process: subprocess.Popen[bytes] | None = None

    @property
    def run_options(self) -> list[str]:
        """Secrets as files that only the container's user can read."""
        ours = {name: value for name, value in self.environment.items() if name not in ("PATH", "HOME", "BACKUP_DIR")}
        secrets = {name: ours.pop(name) for name in ("MONGO_URL", "SIDECAR_ADMIN_TOKEN", "SIDECAR_READ_TOKEN")}
        folder = self.directory.with_name("secrets")
        folder.mkdir(exist_ok=True)
        for name, value in secrets.items():
            (folder / name).write_text(value)
            (folder / name).chmod(0o400)
            os.chown(folder / name, UID, UID)
        files = [f"--env={name}_FILE=/run/secrets/{name}" for name in secrets]
        mounts = [f"--volume={self.directory}:/backups", f"--volume={folder}:/run/secrets:ro"]
        return [*(f"--env={name}={value}" for name, value in ours.items()), *files, *mounts, *self.options]

    def start(self) -> Self:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        os.chown(self.directory, UID, UID)
        self.port = self.port or free_port()
        command = [*_PODMAN, "run", "--rm", "--name", self.name, *_RESTRICTED, *self.run_options, self.image]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process = self.process
        wait_for(lambda: process.poll() is not None or accepts_connections(self.port), self.log_path.read_text)
        assert process.poll() is None, self.log_path.read_text()
        return self

    def stop(self) -> int:
        """What an engine does: SIGTERM, and SIGKILL after ten seconds."""
        assert self.process is not None
        run(*_PODMAN, "stop", "--time", "10", self.name)
        code = self.process.wait(30)
        self.process = None
        return code

    def kill(self) -> None:
        run("podman", "rm", "--force", "--time", "0", self.name, check=False)
        super().kill()

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """In the running container, as HEALTHCHECK does."""
        return run(*_PODMAN, "exec", self.name, *command, check=False)

    def status(self) -> Mapping[str, str]:
        """What the kernel says of the container's first process: /proc/PID/status."""
        pid = run("podman", "inspect", "--format", "{{.State.Pid}}", self.name).stdout.strip()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
