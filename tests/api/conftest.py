from collections.abc import Iterator
from pathlib import Path

import pytest

from support.rig import BUSES, DB, PEOPLE
from support.served import Served
from support.servers import ServerProcess, seed


@pytest.fixture
def served(exact: ServerProcess, tmp_path: Path) -> Iterator[Served]:
    """A server with the two built-in sets on a database that holds users and buses."""
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups") as served:
        yield served
