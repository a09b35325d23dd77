"""The page on compression and encryption: its commands typed, and each line of its table on hosts without the key."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.command import Command
from support.forms import RECIPIENT
from support.reader import Reader
from support.rig import BUSES, DB, PEOPLE
from support.served import Served
from support.servers import ServerProcess, exact_server, free_port, seed

PAGE = Path(__file__).parents[2] / "docs" / "encryption.md"
ROWS = re.findall(
    r"^\| `((?:sidecar|GET|POST|mongobackup_)[^`]*)` \| (\d+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE
)
KEYLESS = {"SIDECAR_COMPRESSION": "zstd", "SIDECAR_RECIPIENTS": RECIPIENT}


def test_every_command_of_the_page_works(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:5]})
    command = Command(exact, tmp_path / "backups")
    stand_ins: dict[str, str | Callable[[], str]] = {
        "seed_backup_20261124_041500": lambda: str(command.store.scan()[0].id)
    }
    with Reader(tmp_path / "home", command.environment, stand_ins, free_port()) as reader:
        assert reader.follow(PAGE, {}) == 8


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A sidecar that encrypts, and has no private key."""
    with exact_server() as server:
        seed(server.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:5]})
        with Served(server, tmp_path_factory.mktemp("keyless") / "backups", KEYLESS) as served:
            served.back_up()
            yield served


@pytest.mark.parametrize(("asked", "ends", "says"), ROWS)
def test_a_host_without_the_key_says_what_the_table_says(asked: str, ends: str, says: str, keyless: Served) -> None:
    command = Command(keyless.mongodb, keyless.directory, KEYLESS)
    newest = next(files.id for files in command.store.scan())
    words = says.strip("`")
    asked = re.sub(r"\bID\b", str(newest), asked)
    if asked.startswith("sidecar "):
        ended = command.run(*shlex.split(asked)[1:])
        said = ended.stdout + ended.stderr
        assert (str(ended.returncode), words in said) == (ends, True), said
    elif asked.startswith("mongobackup_"):
        name = asked.removeprefix("mongobackup_")
        keyless.get("/api/admin/backups/status")  # looks again
        if name != "sealed_backups":  # other lines of the table have made more
            assert str(int(keyless.metrics()[f'{name}{{set="main"}}'])) == ends
        else:
            assert keyless.metrics()['sealed_backups{set="main"}'] >= 1
    else:
        method, path = asked.split()
        answer = keyless.call(method, path, {"confirm": DB} if path.endswith("/restore") else None)
        said = _shown(answer.body)
        assert (str(answer.status), words in said) == (ends, True), said


def _shown(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return body.decode(errors="replace")


def test_the_table_has_a_line_for_every_command_and_route_that_reads_backups() -> None:
    assert len(ROWS) == 34
