"""Fixtures of the whole suite: MongoDB servers, databases on them, and PyMongo clients to look at them with."""

import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from pymongo import MongoClient

from support.servers import ServerProcess, exact_server
from support.servers import secantus as secantus_server

# jsonschema compiles forty grammars of IRIs where it finds this package, two seconds in each process; no schema here has an IRI.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment] # as if it were not installed

# A shell ignores Ctrl-C for what it starts in the background; what tests start would inherit that and then heed no SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Client = MongoClient[dict[str, Any]]

# Property tests judge results, not the speed of a busy machine or of a clone whose caches are still empty. CI always tries the
# same examples, so that a change is judged by what it changed; people try new ones at each run, and many with `make properties`.
settings.register_profile(
    "suite",
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.register_profile("properties", settings.get_profile("suite"), max_examples=1000, derandomize=False)
settings.register_profile(
    "mutation", settings.get_profile("suite"), max_examples=100, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# What takes long, or mostly waits, begins first: else everybody would wait for it at the end.
_FIRST = (
    "system/test_demo.py",
    "api/test_generated_requests.py",
    "live/test_short.py",
    "system/test_soak.py",
    "dashboards/test_live.py",
    "docs/test_emergency.py",
    "system/test_telemetry_truth.py",
    "integration/test_demo_server.py",
    "docs/test_copies.py",
    "system/test_replicas.py",
    "docs/test_guides.py",
    "unit/api/test_openapi.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(_FIRST))


@pytest.fixture
def exact() -> Iterator[ServerProcess]:
    """A new, empty exact server that is a replica set: isolated snapshot reads, faults on demand."""
    with exact_server() as server:
        yield server


@pytest.fixture
def standalone() -> Iterator[ServerProcess]:
    """A new, empty exact server without a replica set: it refuses snapshot reads with code 123."""
    with exact_server("--standalone") as server:
        yield server


@pytest.fixture
def mongos() -> Iterator[ServerProcess]:
    """A new, empty exact server that says it is the router of a sharded cluster; a test fills `config` itself."""
    with exact_server("--mongos") as server:
        yield server


@pytest.fixture
def lying() -> Iterator[ServerProcess]:
    """A new, empty exact server that accepts snapshot reads and ignores them: no atClusterTime in its replies."""
    with exact_server("--ignores-snapshot") as server:
        yield server


@pytest.fixture(scope="session")
def secantus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The SecantusDB that all tests share; take `dbname` for a database of your own and leave the process alone."""
    with secantus_server(tmp_path_factory.mktemp("secantus") / "db") as server:
        yield server


@pytest.fixture
def dbname(secantus: ServerProcess) -> Iterator[str]:
    """The name of a database that no other test uses, dropped from the shared SecantusDB afterwards."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield name
    with Client(secantus.uri) as client:
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
        client.drop_database(name)


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Opens PyMongo clients, `connect(server.uri, **options)`, and closes them after the test."""
    with ExitStack() as clients:

        def open_client(uri: str, **options: Any) -> Client:
            return clients.enter_context(Client(uri, **options))

        yield open_client
