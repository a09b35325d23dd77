from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.configuration import problems, with_file

HOST_EXPECTED = "expected the name of a host or an IP address, without brackets, port and path"
A_ZONE = "a name of the time zone database such as Europe/Berlin"


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    text = """
        timezone = "Mars/Olympus"
        backup_limits = 3
        seed_interval_hours = [1]

        [sets.all]
        collections = ["a"]

        [sets.logs]
        collections = ["a", "a"]
        exclude = ["b"]
        color = "red"
        schedule = "soon"
        interval_hours = inf
        limit = 0
        retention_days = true
        prefix = "_x"
        directory = "../outside"

        [sets.empty]
    """
    environ = with_file(
        tmp_path,
        text,
        MONGO_URL="localhost:27017",
        DB_NAME="a.b",
        BACKUP_DIR="",
        BACKUP_LIMIT="0",
        BACKUP_RETENTION_DAYS="thirty",
        MIN_STORAGE_MB="-1",
        SIDECAR_MAIN_SCHEDULE="* * * *",
        SIDECAR_RESTORE_ON_EMPTY="maybe",
        SIDECAR_PORT="65536",
        SIDECAR_ADMIN_TOKEN="short",
        SIDECAR_READ_TOKEN_FILE=str(tmp_path / "absent"),
        SIDECAR_TLS_CERT="/tls.crt",
        SIDECAR_STALL_TIMEOUT_SECONDS="0",
        SIDECAR_MAX_READ_MB_S="nan",
        SIDECAR_VERIFY_SLICE="8/7",
        SIDECAR_LEADER_GROUP="two words",
        SIDECAR_LEASE_SECONDS="2",
        SIDECAR_LOG_FORMAT="xml",
        SIDECAR_LOG_LEVEL="loud",
        SIDECAR_PROT="8001",
    )

    assert [one.partition(":")[0] for one in problems(environ)] == [
        "MONGO_URL",
        "DB_NAME",
        "BACKUP_DIR",
        "BACKUP_LIMIT",
        "BACKUP_RETENTION_DAYS",
        "MIN_STORAGE_MB",
        "SEED_INTERVAL_HOURS",
        "SIDECAR_MAIN_SCHEDULE",
        "SIDECAR_TIMEZONE",
        "SIDECAR_RESTORE_ON_EMPTY",
        "SIDECAR_PORT",
        "SIDECAR_ADMIN_TOKEN",
        "SIDECAR_READ_TOKEN",
        "SIDECAR_STALL_TIMEOUT_SECONDS",
        "SIDECAR_MAX_READ_MB_S",
        "SIDECAR_VERIFY_SLICE",
        "SIDECAR_LEADER_GROUP",
        "SIDECAR_LEASE_SECONDS",
        "SIDECAR_LOG_FORMAT",
        "SIDECAR_LOG_LEVEL",
        "SIDECAR_PROT",
        "backup_limits",
        "SIDECAR_TLS_CERT and SIDECAR_TLS_KEY",
        "sets.all",
        "sets.logs.color",
        "sets.logs.collections",
        "sets.logs.schedule",
        "sets.logs.interval_hours",
        "sets.logs.limit",
        "sets.logs.retention_days",
        "sets.logs.prefix",
        "sets.logs.directory",
        "sets.logs.exclude",
        "sets.empty.collections",
    ]


OTHERS = (
    "not below one of the sidecar's own "
    "(api, docs, docs.css, docs.js, healthz, metrics, openapi.json, readyz, runbooks, web)"
)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        *[
            ("SIDECAR_BASE_PATH", path, f"SIDECAR_BASE_PATH: expected a path such as /backups, {OTHERS}, not {path!r}")
            for path in ("backups", "//", "/a/../b", "/a b", "/{x}", "/api", "/web/a", "https://host/backups")
        ],
        ("BACKUP_LIMIT", "5  # kept", "BACKUP_LIMIT: expected a whole number from 1 to 1000000, not '5  # kept'"),
        ("BACKUP_LIMIT", "1_000", "BACKUP_LIMIT: expected a whole number from 1 to 1000000, not '1_000'"),
        ("BACKUP_RETENTION_DAYS", "9999999", "BACKUP_RETENTION_DAYS: expected a whole number from 1 to 1000000, not '9999999'"),
        ("SEED_INTERVAL_HOURS", "0", "SEED_INTERVAL_HOURS: expected a number from 0.0002 to 1000000, not '0'"),
        ("SIDECAR_TIMEZONE", "Mars/Phobos", f"SIDECAR_TIMEZONE: expected {A_ZONE}, not 'Mars/Phobos'"),
        ("SIDECAR_TIMEZONE", "../etc", f"SIDECAR_TIMEZONE: expected {A_ZONE}, not '../etc'"),
        ("SIDECAR_SEED_FILE", "", "SIDECAR_SEED_FILE: expected a value, not ''"),
        *[
            ("SIDECAR_HOST", value, f"SIDECAR_HOST: {HOST_EXPECTED}, not {value[:60]!r}")
            for value in ("", "[::1]", "http://here", "127.0.0.1:80", "a b", "a..b", "x" * 64, "a:80", "a." * 200)
        ],
        ("SIDECAR_SERVER", "x", "SIDECAR_SERVER: unknown variable"),
        ("SIDECAR_LOG_LEVEL", "x" * 99, f"SIDECAR_LOG_LEVEL: expected one of debug, info, warning, error, not '{'x' * 60}'"),
        ("SIDECAR_CONFIG", "/absent.toml", "SIDECAR_CONFIG: cannot read /absent.toml: No such file or directory"),
    ],
)  # fmt: skip
def test_a_problem_names_the_setting_and_what_was_expected(variable: str, value: str, problem: str) -> None:
    assert problems({variable: value}) == [problem]


@pytest.mark.parametrize(
    "name",
    ["", *(f"a{character}b" for character in '/\\. "$*<>:|?'), "ä" * 32, "admin", "local", "config"],
)
def test_a_database_name_that_mongodb_or_windows_refuses_is_a_problem(name: str) -> None:
    assert [one.partition(":")[0] for one in problems({"DB_NAME": name})] == ["DB_NAME"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://localhost",
        "mongodb://",
        "mongodb+srv://",
        "mongodb+srv://cluster.example.com:27017",
        "mongodb://host:99999",
        "mongodb://user:hunter2@ss@host",
        "mongodb://user:12/hunter2@host",
        "mongodb+srv://user:hunter2/ss@cluster.example.com",
        "mongodb://user:hunter2@host/?hunter2=1",
        "mongodb://user:hunter2@host/?tls=true&tlsCAFile=/absent/hunter2.pem",
        "mongodb://user:hunter2@ho st",
    ],
)
def test_a_connection_string_that_cannot_work_is_refused_without_being_shown(url: str) -> None:
    [problem] = problems({"MONGO_URL": url})

    assert problem.startswith("MONGO_URL: expected ")
    assert "hunter2" not in problem


def test_a_secret_given_twice_or_in_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")

    assert problems(
        {
            "MONGO_URL": "mongodb://db",
            "MONGO_URL_FILE": "/run/url",
            "SIDECAR_ADMIN_TOKEN_FILE": str(tmp_path / "absent"),
            "SIDECAR_READ_TOKEN_FILE": str(tmp_path / "binary"),
        }
    ) == [
        "MONGO_URL: expected only one of MONGO_URL and MONGO_URL_FILE",
        "SIDECAR_ADMIN_TOKEN: expected that its _FILE names a file that can be read: No such file or directory",
        "SIDECAR_READ_TOKEN: expected that its _FILE names a file that can be read: not UTF-8",
    ]


def test_one_token_for_reading_and_administration_is_a_problem() -> None:
    assert problems({"SIDECAR_ADMIN_TOKEN": "t" * 16, "SIDECAR_READ_TOKEN": "t" * 16}) == [
        "SIDECAR_READ_TOKEN: expected another token than SIDECAR_ADMIN_TOKEN"
    ]


def test_to_rehearse_in_the_database_itself_is_a_problem() -> None:
    assert problems({"DB_NAME": "school", "SIDECAR_DRILL_DB": "school"}) == [
        "SIDECAR_DRILL_DB: expected another database than DB_NAME"
    ]


def test_a_file_that_is_not_toml_is_one_problem(tmp_path: Path) -> None:
    environ = with_file(tmp_path, "backup_limit = = 5")

    [problem] = problems(environ)

    assert problem.startswith(f"SIDECAR_CONFIG: {environ['SIDECAR_CONFIG']} is not TOML: ")


secrets = st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=16, max_size=30)


@given(secrets)
def test_no_secret_is_in_what_a_refusal_says(secret: str) -> None:
    said = "\n".join(
        problems(
            {
                "MONGO_URL": f"mongodb://user:{secret}@host:port",
                "SIDECAR_ADMIN_TOKEN": f"{secret} with blanks",
                "SIDECAR_READ_TOKEN": f"{secret}\n",
                "DB_NAME": f"mongodb://user:{secret}@host",
            }
        )
    )

    assert secret not in said


def test_a_file_that_is_nested_too_deeply_is_a_problem(tmp_path: Path) -> None:
    environ = with_file(tmp_path, f"port = {'[' * 5000}")
    assert problems(environ) == [f"SIDECAR_CONFIG: {environ['SIDECAR_CONFIG']} is nested too deeply"]
