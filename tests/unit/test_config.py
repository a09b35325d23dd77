import re
from dataclasses import fields
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Secret, Settings, Share, describe, load, reference_table
from sidecar.errors import ConfigError
from sidecar.model import BackupSet

MAIN = BackupSet(
    name="main",
    collections=("users", "students", "buses", "routes", "stops", "holidays", "device_keys"),
    prefix="seed_backup",
)
ATTENDANCE = BackupSet(
    name="attendance",
    collections=("attendance", "events", "photo_references"),
    prefix="attendance_backup",
    directory=PurePosixPath("attendance"),
)
DEFAULTS = Settings(
    mongo_url=Secret("mongodb://localhost:27017"),
    db_name="bus_tracker",
    backup_dir=Path("backups"),
    backup_limit=5,
    backup_retention_days=30,
    min_storage_mb=100.0,
    seed_interval_hours=1.0,
    attendance_interval_hours=1.0,
    main_schedule=None,
    attendance_schedule=None,
    timezone=ZoneInfo("UTC"),
    verify_schedule="30 3 * * *",
    drill_schedule="0 4 * * 0",
    restore_on_empty=False,
    seed_file=None,
    host="0.0.0.0",  # noqa: S104 - the documented default
    port=8001,
    admin_token=None,
    read_token=None,
    tls_cert=None,
    tls_key=None,
    stall_timeout_seconds=120.0,
    max_read_mb_s=None,
    verify_slice=Share(1, 1),
    log_format=None,
    log_level="info",
    sets={"main": MAIN, "attendance": ATTENDANCE},
)


A_ZONE = "a name of the time zone database such as Europe/Berlin"


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(environ)
    return list(caught.value.problems)


def with_file(folder: Path, text: str, **environ: str) -> dict[str, str]:
    path = folder / "sidecar.toml"
    path.write_text(text, encoding="utf-8")
    return {"SIDECAR_CONFIG": str(path), **environ}


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    assert load({"HOME": "/root", "PATH": "/bin"}) == DEFAULTS


def test_every_variable_is_read(tmp_path: Path) -> None:
    environ = {
        "MONGO_URL": "mongodb://admin:p%40ss@db1:27017,db2:27018/?replicaSet=rs0",
        "DB_NAME": "school",
        "BACKUP_DIR": str(tmp_path),
        "BACKUP_LIMIT": "7",
        "BACKUP_RETENTION_DAYS": "14",
        "MIN_STORAGE_MB": "0.5",
        "SEED_INTERVAL_HOURS": "6",
        "ATTENDANCE_INTERVAL_HOURS": "0.25",
        "SIDECAR_MAIN_SCHEDULE": "@daily",
        "SIDECAR_ATTENDANCE_SCHEDULE": " */10 6-18 * * mon-fri ",
        "SIDECAR_TIMEZONE": "Europe/Berlin",
        "SIDECAR_VERIFY_SCHEDULE": "0 1 * * *",
        "SIDECAR_DRILL_SCHEDULE": "",
        "SIDECAR_RESTORE_ON_EMPTY": "YES",
        "SIDECAR_SEED_FILE": "/seed.json",
        "SIDECAR_HOST": "::1",
        "SIDECAR_PORT": "0",
        "SIDECAR_ADMIN_TOKEN": "admin-token-0123",
        "SIDECAR_READ_TOKEN": "read-token-01234",
        "SIDECAR_TLS_CERT": "/tls.crt",
        "SIDECAR_TLS_KEY": "/tls.key",
        "SIDECAR_STALL_TIMEOUT_SECONDS": "1.5",
        "SIDECAR_MAX_READ_MB_S": "20",
        "SIDECAR_VERIFY_SLICE": "1/7",
        "SIDECAR_LOG_FORMAT": "console",
        "SIDECAR_LOG_LEVEL": "debug",
    }

    assert load(environ) == Settings(
        mongo_url=Secret(environ["MONGO_URL"]),
        db_name="school",
        backup_dir=tmp_path,
        backup_limit=7,
        backup_retention_days=14,
        min_storage_mb=0.5,
        seed_interval_hours=6.0,
        attendance_interval_hours=0.25,
        main_schedule="@daily",
        attendance_schedule="*/10 6-18 * * mon-fri",
        timezone=ZoneInfo("Europe/Berlin"),
        verify_schedule="0 1 * * *",
        drill_schedule=None,
        restore_on_empty=True,
        seed_file=Path("/seed.json"),
        host="::1",
        port=0,
        admin_token=Secret("admin-token-0123"),
        read_token=Secret("read-token-01234"),
        tls_cert=Path("/tls.crt"),
        tls_key=Path("/tls.key"),
        stall_timeout_seconds=1.5,
        max_read_mb_s=20.0,
        verify_slice=Share(1, 7),
        log_format="console",
        log_level="debug",
        sets={
            "main": BackupSet(
                name="main",
                collections=MAIN.collections,
                prefix="seed_backup",
                schedule="@daily",
                interval_hours=6.0,
                limit=7,
                retention_days=14,
            ),
            "attendance": BackupSet(
                name="attendance",
                collections=ATTENDANCE.collections,
                prefix="attendance_backup",
                directory=PurePosixPath("attendance"),
                schedule="*/10 6-18 * * mon-fri",
                interval_hours=0.25,
                limit=7,
                retention_days=14,
            ),
        },
    )


def test_the_file_overrides_defaults_and_the_environment_overrides_the_file(tmp_path: Path) -> None:
    text = 'db_name = "from_file"\nbackup_limit = 9\nrestore_on_empty = true\nmin_storage_mb = 2.5\ntimezone = "Asia/Tokyo"\n'
    settings = load(with_file(tmp_path, text, BACKUP_LIMIT="3"))

    assert settings.db_name == "from_file"
    assert settings.restore_on_empty
    assert settings.min_storage_bytes == 2_621_440
    assert settings.timezone == ZoneInfo("Asia/Tokyo")
    assert settings.backup_limit == settings.sets["main"].limit == 3


def test_the_file_defines_and_changes_sets(tmp_path: Path) -> None:
    text = """
        backup_limit = 4

        [sets.everything]
        collections = ["*"]
        exclude = ["sessions"]
        schedule = "0 2 * * *"
        limit = 14
        retention_days = 90
        prefix = "full"
        directory = "weekly/full"

        [sets.main]
        collections = ["users"]
        interval_hours = 12

        [sets.invoices]
        collections = ["invoices", "lines"]
    """
    sets = load(with_file(tmp_path, text)).sets

    assert list(sets.values()) == [
        BackupSet(name="main", collections=("users",), prefix="seed_backup", limit=4, interval_hours=12.0),
        BackupSet(
            name="attendance",
            collections=ATTENDANCE.collections,
            prefix="attendance_backup",
            directory=PurePosixPath("attendance"),
            limit=4,
        ),
        BackupSet(
            name="everything",
            collections=("*",),
            exclude=("sessions",),
            prefix="full",
            directory=PurePosixPath("weekly/full"),
            schedule="0 2 * * *",
            limit=14,
            retention_days=90,
        ),
        BackupSet(
            name="invoices",
            collections=("invoices", "lines"),
            prefix="invoices_backup",
            directory=PurePosixPath("invoices"),
            limit=4,
        ),
    ]


def test_the_environment_wins_over_the_table_of_a_built_in_set(tmp_path: Path) -> None:
    text = '[sets.main]\nschedule = "0 1 * * *"\ninterval_hours = 9\n[sets.attendance]\nschedule = "0 2 * * *"\n'
    sets = load(with_file(tmp_path, text, SIDECAR_MAIN_SCHEDULE="", SEED_INTERVAL_HOURS="3")).sets

    assert [(one.schedule, one.interval_hours) for one in sets.values()] == [(None, 3.0), ("0 2 * * *", 1.0)]


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


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("BACKUP_LIMIT", "5  # kept", "BACKUP_LIMIT: expected a whole number from 1 to 1000000, not '5  # kept'"),
        ("BACKUP_LIMIT", "1_000", "BACKUP_LIMIT: expected a whole number from 1 to 1000000, not '1_000'"),
        ("BACKUP_RETENTION_DAYS", "9999999", "BACKUP_RETENTION_DAYS: expected a whole number from 1 to 1000000, not '9999999'"),
        ("SEED_INTERVAL_HOURS", "0", "SEED_INTERVAL_HOURS: expected a number greater than 0, up to 1000000, not '0'"),
        ("SIDECAR_TIMEZONE", "Mars/Phobos", f"SIDECAR_TIMEZONE: expected {A_ZONE}, not 'Mars/Phobos'"),
        ("SIDECAR_TIMEZONE", "../etc", f"SIDECAR_TIMEZONE: expected {A_ZONE}, not '../etc'"),
        ("SIDECAR_SEED_FILE", "", "SIDECAR_SEED_FILE: expected a value, not ''"),
        ("SIDECAR_HOST", "", "SIDECAR_HOST: expected a value, not ''"),
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


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("mongodb://localhost:27017", "localhost:27017"),
        ("mongodb://user:p%40ss@db1:1,db2:2/admin?tls=true", "db1:1,db2:2"),
        ("mongodb://user@[::1]:27017/?appName=a@b", "[::1]:27017"),
        ("mongodb+srv://user:p%2Fss@cluster.example.com/?retryWrites=true", "cluster.example.com"),
    ],
)
def test_the_host_of_a_connection_string_holds_no_credentials(url: str, host: str) -> None:
    assert load({"MONGO_URL": url}).mongo_host == host


def test_secrets_come_from_files_without_their_newline(tmp_path: Path) -> None:
    url, token = tmp_path / "url", tmp_path / "token"
    url.write_text("mongodb://user:hunter2@db\n")
    token.write_text("admin-token-0123\r\n")

    settings = load({"MONGO_URL_FILE": str(url), "SIDECAR_ADMIN_TOKEN_FILE": str(token)})

    assert settings.mongo_url == Secret("mongodb://user:hunter2@db")
    assert settings.admin_token == Secret("admin-token-0123")


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
        f"SIDECAR_ADMIN_TOKEN: expected a readable file, {tmp_path / 'absent'}: No such file or directory",
        f"SIDECAR_READ_TOKEN: expected a readable file, {tmp_path / 'binary'}: not UTF-8",
    ]


def test_one_token_for_reading_and_administration_is_a_problem() -> None:
    assert problems({"SIDECAR_ADMIN_TOKEN": "t" * 16, "SIDECAR_READ_TOKEN": "t" * 16}) == [
        "SIDECAR_READ_TOKEN: expected another token than SIDECAR_ADMIN_TOKEN"
    ]


def test_a_file_that_is_not_toml_is_one_problem(tmp_path: Path) -> None:
    environ = with_file(tmp_path, "backup_limit = = 5")

    [problem] = problems(environ)

    assert problem.startswith(f"SIDECAR_CONFIG: {environ['SIDECAR_CONFIG']} is not TOML: ")


@pytest.mark.parametrize("name", ["all", "both", "Main", "-x", "a.b", "x" * 64, ""])
def test_a_set_with_a_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    assert problems(with_file(tmp_path, f'[sets."{name}"]\ncollections = ["a"]\n')) == [
        f"sets.{name}: a set's name is of a-z, 0-9, - and _ and neither `all` nor `both`"
    ]


@pytest.mark.parametrize(
    "collections",
    ["[]", '""', '[""]', "[1]", '["a", "a"]', '["*", "a"]', '["a$b"]', '["system.views"]', '["a\\u0000b"]'],
)
def test_collections_that_mongodb_does_not_allow_are_refused(tmp_path: Path, collections: str) -> None:
    found = problems(with_file(tmp_path, f"[sets.x]\ncollections = {collections}\n"))

    assert [one.partition(":")[0] for one in found] == ["sets.x.collections"]


@pytest.mark.parametrize("directory", ["/abs", "..", "a/../b", ".hidden", "a/.b", "a\\u0000"])
def test_a_directory_outside_or_hidden_is_refused(tmp_path: Path, directory: str) -> None:
    text = f'[sets.x]\ncollections = ["a"]\ndirectory = "{directory}"\n'

    assert problems(with_file(tmp_path, text)) == [
        "sets.x.directory: expected a path inside BACKUP_DIR without .. and without parts that begin with a dot"
    ]


def test_sets_whose_files_would_mix_are_refused(tmp_path: Path) -> None:
    text = """
        [sets.a]
        collections = ["a"]
        prefix = "SEED_backup"
        [sets.b]
        collections = ["b"]
        directory = "Attendance"
    """

    assert problems(with_file(tmp_path, text)) == [
        "sets.a.prefix: 'SEED_backup' is already that of the set main",
        "sets.b.directory: 'Attendance' differs from 'attendance' only in case",
    ]


@pytest.mark.parametrize("text", ["sets = 3", "[sets]\nmain = 3"])
def test_sets_that_are_no_tables_are_a_problem(tmp_path: Path, text: str) -> None:
    [problem] = problems(with_file(tmp_path, text))

    assert re.match(r"sets(\.main)?: expected (tables|a table) \[sets\.\w+\]$", problem)


def test_describe_says_what_is_in_force_and_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("read-token-01234")
    text = 'backup_limit = 4\n[sets.main]\ncollections = ["users", "buses"]\n'
    environ = with_file(
        tmp_path,
        text,
        MONGO_URL="mongodb://user:hunter2@db:27017/?tls=true",
        SIDECAR_READ_TOKEN_FILE=str(tmp_path / "token"),
    )
    rows = {name: (value, source) for name, value, source in describe(environ)}

    assert {name: rows[name] for name in ("MONGO_URL", "BACKUP_LIMIT", "SIDECAR_READ_TOKEN", "DB_NAME")} == {
        "MONGO_URL": ("mongodb://***@db:27017", "environment"),
        "BACKUP_LIMIT": ("4", "file"),
        "SIDECAR_READ_TOKEN": ("***", "secret file"),
        "DB_NAME": ("bus_tracker", "default"),
    }
    assert rows["sets.main.collections"] == ("users, buses", "file")
    assert rows["sets.attendance.limit"] == ("4", "built in")


def test_the_table_for_the_documentation_has_a_line_per_setting() -> None:
    lines = reference_table().splitlines()

    assert lines[:3] == [
        "| variable | default | meaning |",
        "|---|---|---|",
        "| `MONGO_URL` (secret) | `mongodb://localhost:27017` | Connection string. |",
    ]
    assert len(lines) == 2 + len(fields(Settings)) - 1  # all but the sets


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


@given(secrets)
def test_no_secret_is_in_the_settings_when_they_are_printed(secret: str) -> None:
    environ = {
        "MONGO_URL": f"mongodb://user:{secret}@host",
        "SIDECAR_ADMIN_TOKEN": secret,
        "SIDECAR_READ_TOKEN": f"{secret}2",
    }
    settings = load(environ)

    assert secret not in f"{settings} {settings!r} {settings.mongo_url} {settings.mongo_host} {describe(environ)}"
    assert settings.mongo_url.reveal() == environ["MONGO_URL"]
