import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from sidecar import logger
from sidecar.logger import Logger
from sidecar.runtime import logs

SECRET = "0123-administrator"
URL = "mongodb://user:hunter2@db:27017/?tls=true"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("sidecar")
    handlers, levels, hook = root.handlers[:], (root.level, ours.level), threading.excepthook
    yield
    threading.excepthook = hook
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture
def log() -> Any:
    return structlog.get_logger("sidecar.archive")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged, each line an object, without the times, which are all in UTC."""
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(one.pop("timestamp").endswith("Z") for one in said)
    return said


def test_an_event_is_one_json_object_with_the_bound_context(capsys: pytest.CaptureFixture[str], log: Any) -> None:
    logs.configure("json", "info")
    with structlog.contextvars.bound_contextvars(run="r1"):
        log.info("backup.committed", documents=3, sets=["main"])

    assert lines(capsys) == [
        {"event": "backup.committed", "level": "info", "run": "r1", "documents": 3, "sets": ["main"]}
    ]


def test_a_thread_that_breaks_is_an_event_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError(f"cannot understand {URL}")

    logs.configure("json", "info", [SECRET])
    thread = threading.Thread(target=fail, name="pymongo_server_monitor_thread")
    thread.start()
    thread.join()

    (said,) = lines(capsys)
    trace = said.pop("exception")
    assert said == {"event": "thread.broken", "level": "error", "thread": "pymongo_server_monitor_thread"}
    assert trace.endswith("ValueError: cannot understand mongodb://***@db:27017/?tls=true")


def test_without_a_format_a_pipe_gets_json(capsys: pytest.CaptureFixture[str], log: Any) -> None:
    logs.configure(None, "info")
    log.info("started")

    assert lines(capsys) == [{"event": "started", "level": "info"}]


def test_a_level_hides_what_is_below_it_also_of_the_libraries(capsys: pytest.CaptureFixture[str], log: Any) -> None:
    logs.configure("json", "error")
    log.warning("unseen")
    logging.getLogger("pymongo").warning("unseen")
    logging.getLogger("sidecar.cli").error("seen")

    assert lines(capsys) == [{"event": "seen", "level": "error"}]


def test_libraries_speak_from_warning_upwards_because_below_they_log_documents(
    capsys: pytest.CaptureFixture[str], log: Any
) -> None:
    logs.configure("json", "debug")
    logging.getLogger("pymongo.command").debug("insert %s", {"name": "Ann"})
    logging.getLogger("asyncio").warning("slow callback")
    log.debug("cursor.opened")

    assert lines(capsys) == [
        {"event": "slow callback", "level": "warning"},
        {"event": "cursor.opened", "level": "debug"},
    ]


def test_logs_are_set_up_with_the_first_event_once(capsys: pytest.CaptureFixture[str]) -> None:
    times: list[str] = []

    def set_up() -> None:
        times.append("set up")
        logs.configure("json", "info", [SECRET])

    logger.at_first_event(set_up)
    assert times == []
    Logger("sidecar.store").info("first", said=SECRET)
    Logger("sidecar.store").debug("unseen")

    assert (times, lines(capsys)) == (["set up"], [{"event": "first", "level": "info", "said": "***"}])


def test_a_library_that_speaks_first_is_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    logger.at_first_event(lambda: logs.configure("json", "info", [SECRET]))
    logging.getLogger("pymongo").warning("cannot reach %s with %s", URL, SECRET)

    assert lines(capsys) == [{"event": "cannot reach mongodb://***@db:27017/?tls=true with ***", "level": "warning"}]


def test_values_under_secret_names_are_masked_at_any_depth(capsys: pytest.CaptureFixture[str], log: Any) -> None:
    logs.configure("json", "info")
    log.info(
        "request",
        Authorization="Bearer x",
        headers={"Cookie": "y", "host": "h", "more": [{"db_password": "z", "api_token": 1}]},
        mongo_url="db",
    )

    assert lines(capsys) == [
        {
            "event": "request",
            "level": "info",
            "Authorization": "***",
            "headers": {"Cookie": "***", "host": "h", "more": [{"db_password": "***", "api_token": "***"}]},
            "mongo_url": "***",
        }
    ]


def test_a_known_secret_is_masked_wherever_it_stands(capsys: pytest.CaptureFixture[str], log: Any) -> None:
    logs.configure("json", "info", [SECRET, ""])
    event = f"link {SECRET}"
    log.info(event, link=f"http://h/?t={SECRET}", raw=SECRET.encode(), nested={SECRET: (SECRET, {SECRET})})

    assert lines(capsys) == [
        {
            "event": "link ***",
            "level": "info",
            "link": "http://h/?t=***",
            "raw": "b'***'",
            "nested": {"***": ["***", "{'***'}"]},
        }
    ]


def test_a_secret_that_holds_another_is_masked_whole(capsys: pytest.CaptureFixture[str], log: Any) -> None:
    logs.configure("json", "info", ["0123456789abcdef", "0123456789abcdef-longer"])
    log.info("said", text="0123456789abcdef-longer")

    assert lines(capsys) == [{"event": "said", "level": "info", "text": "***"}]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_connection_string_in_the_exception_of_a_driver_is_masked(
    capsys: pytest.CaptureFixture[str], log: Any, log_format: str
) -> None:
    logs.configure(log_format, "info")
    error = ConnectionError(f"cannot reach {URL}")
    for speaker in (log, logging.getLogger("pymongo")):
        speaker.error("lost", exc_info=error)

    said = capsys.readouterr().err

    assert said.count("ConnectionError: cannot reach mongodb://***@db:27017/?tls=true") == 2
    assert "hunter2" not in said


@pytest.mark.parametrize("url", [URL, "mongodb+srv://user:hunt@er2@db", "mongodb://user:hunt/er2@db"])
def test_credentials_are_masked_even_where_they_are_not_escaped(
    capsys: pytest.CaptureFixture[str], log: Any, url: str
) -> None:
    logs.configure("json", "info")
    log.info("said", text=f"<{url}>")

    [line] = lines(capsys)

    assert "er2" not in line["text"]
    assert line["text"].partition("@")[2].startswith("db")


def test_people_get_a_line_they_can_read(capsys: pytest.CaptureFixture[str], log: Any) -> None:
    logs.configure("console", "info")
    log.info("backup.committed", set="main")

    said = capsys.readouterr().err

    assert "backup.committed" in said
    assert not said.startswith("{")


@given(st.text(min_size=8).filter(lambda text: not text.isspace()))
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_no_secret_is_ever_in_a_line(capsys: pytest.CaptureFixture[str], log: Any, secret: str) -> None:
    logs.configure("json", "info", [secret])
    log.info("said", text=f"a {secret} b", inner=[{"x": secret}])

    assert lines(capsys) == [{"event": "said", "level": "info", "text": "a *** b", "inner": [{"x": "***"}]}]
