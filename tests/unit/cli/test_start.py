"""What a command imports before it does anything: the modules are named, for time depends on the machine."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar import config
from sidecar.bootstrap.service import open_service

PROGRAM = """
import sys, json, os
before = set(sys.modules)
sys.argv = json.loads(sys.argv[1])
from sidecar.cli import main
end = lambda code=0: (sys.stderr.write(json.dumps(sorted(set(sys.modules) - before))), sys.stderr.flush(), exit_(0))
exit_, os._exit = os._exit, end
main()
end()
"""
OURS = {"sidecar", "sidecar.cli"}
HEAVY = {
    "aiohttp",
    "pydantic",
    "pymongo",
    "motor",
    "typer",
    "rich",
    "structlog",
    "croniter",
    "prometheus_client",
    "ssl",
}


SLOW = {  # what none needs that only looks, each more than ten milliseconds
    "asyncio",
    "bson",
    "croniter",
    "cryptography",
    "http",
    "pygments",
    "ssl",
    "statistics",
    "structlog",
    "tomllib",
    "sidecar.archive.bson",
    "sidecar.copies",
    "sidecar.history.record",
    "sidecar.runtime.logs",
}
REACHING = {"pymongo", "motor", "aiohttp", "prometheus_client", "sidecar.service", "sidecar.mongodb", "sidecar.restore"}


def imported(*arguments: str, port: int = 1, directory: Path | None = None, **settings: str) -> set[str]:
    environment = {"SIDECAR_HOST": "127.0.0.1", "SIDECAR_PORT": str(port), **settings}
    if directory is not None:
        environment["BACKUP_DIR"] = str(directory)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(["sidecar", *arguments])],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(ended.stderr.splitlines()[-1])
    return {name for name in found if "." not in name or name.startswith("sidecar")}


def test_the_version_needs_nothing_but_itself() -> None:
    assert imported("--version") <= OURS | {"__future__", "gc"}


def test_a_healthcheck_needs_a_socket_and_nothing_else() -> None:
    allowed = {"sidecar.cli.probe", "socket", "selectors", "select", "_socket", "math", "typing", "re", "enum", "array"}
    stdlib = imported("healthcheck") - OURS - allowed
    assert not {name for name in stdlib if name not in sys.stdlib_module_names}
    assert not HEAVY & stdlib


@pytest.mark.parametrize("command", ["list", "status", "backup", "config"])
def test_a_command_that_serves_nothing_needs_no_server(command: str) -> None:
    assert not {"aiohttp", "prometheus_client", "sidecar.api", "sidecar.bootstrap.server"} & imported(command, "--help")


@pytest.mark.parametrize("command", [("list",), ("list", "--quick"), ("status",), ("runs",), ("checksums",)])
def test_a_command_that_only_looks_needs_no_driver_and_nothing_that_is_slow(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    assert not (REACHING | SLOW) & imported(*command, directory=tmp_path)


def test_what_is_configured_is_imported(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_text('[copies.nas]\nurl = "file:///nowhere"\n[sets.main]\nschedule = "*/5 * * * *"\n')
    found = imported("status", directory=tmp_path / "backups", SIDECAR_CONFIG=str(file))
    assert {"tomllib", "croniter", "sidecar.copies"} <= found


async def test_garbage_is_collected_in_whatever_opens_the_service(tmp_path: Path) -> None:
    """The command line starts without: what only looks ends before any is worth looking for."""
    gc.disable()
    try:
        async with open_service(config.load({"BACKUP_DIR": str(tmp_path)})):
            assert gc.isenabled()
    finally:
        gc.enable()
