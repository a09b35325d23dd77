import os
from dataclasses import fields
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Secret, Settings, Share, describe, load, reference_table
from sidecar.model import BackupSet
from support.configuration import with_file
from support.forms import IDENTITY, RECIPIENT, SSH_RECIPIENT
from support.keys import KEY, OTHER_KEY

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
    keep_last=None,
    keep_hourly=0,
    keep_daily=0,
    keep_weekly=0,
    keep_monthly=0,
    keep_yearly=0,
    keep_within_days=0,
    max_total_mb=0.0,
    min_storage_mb=100.0,
    seed_interval_hours=1.0,
    attendance_interval_hours=1.0,
    main_schedule=None,
    attendance_schedule=None,
    timezone=ZoneInfo("UTC"),
    ignore=(),
    verify_schedule="30 3 * * *",
    drill_schedule="0 4 * * 0",
    drill_db=None,
    restore_on_empty=False,
    seed_file=None,
    host="0.0.0.0",  # noqa: S104 - the documented default
    port=8001,
    base_path="",
    admin_token=None,
    read_token=None,
    tls_cert=None,
    tls_key=None,
    stall_timeout_seconds=120.0,
    max_read_mb_s=None,
    verify_slice=Share(1, 1),
    codec="auto",
    compression="none",
    compression_level=1,
    recipients=(),
    identity_file=None,
    signing_key_file=None,
    trusted_keys_file=None,
    require_signature=False,
    heartbeat_url=None,
    webhook_url=None,
    webhook_template=None,
    smtp_host=None,
    smtp_port=587,
    smtp_security="starttls",
    smtp_user=None,
    smtp_password=None,
    smtp_from=None,
    smtp_to=None,
    leader_group=None,
    lease_seconds=20.0,
    log_format=None,
    log_level="info",
    sets={"main": MAIN, "attendance": ATTENDANCE},
    heartbeats={},
    copies={},
)


def test_the_real_environment_takes_no_other_keys_than_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MONGO_URL", "DB_NAME", "BACKUP_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert load(os.environ) == load({})


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    assert load({"HOME": "/root", "PATH": "/bin"}) == DEFAULTS


def test_every_variable_is_read(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text(f"# a comment\n{IDENTITY}\n")
    (tmp_path / "signing.pem").write_bytes(KEY.private)
    (tmp_path / "trusted.pem").write_bytes(KEY.public + OTHER_KEY.public)
    environ = {
        "MONGO_URL": "mongodb://admin:p%40ss@db1:27017,db2:27018/?replicaSet=rs0",
        "DB_NAME": "school",
        "BACKUP_DIR": str(tmp_path),
        "SIDECAR_KEEP_LAST": "7",
        "SIDECAR_KEEP_HOURLY": "24",
        "SIDECAR_KEEP_DAILY": "8",
        "SIDECAR_KEEP_WEEKLY": "4",
        "SIDECAR_KEEP_MONTHLY": "6",
        "SIDECAR_KEEP_YEARLY": "2",
        "SIDECAR_KEEP_WITHIN_DAYS": "3",
        "SIDECAR_MAX_TOTAL_MB": "512.5",
        "BACKUP_RETENTION_DAYS": "14",
        "MIN_STORAGE_MB": "0.5",
        "SEED_INTERVAL_HOURS": "6",
        "ATTENDANCE_INTERVAL_HOURS": "0.25",
        "SIDECAR_MAIN_SCHEDULE": "@daily",
        "SIDECAR_ATTENDANCE_SCHEDULE": " */10 6-18 * * mon-fri ",
        "SIDECAR_TIMEZONE": "Europe/Berlin",
        "SIDECAR_IGNORE": "sessions, tmp_*,other.*",
        "SIDECAR_VERIFY_SCHEDULE": "0 1 * * *",
        "SIDECAR_DRILL_SCHEDULE": "",
        "SIDECAR_DRILL_DB": "rehearsal",
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
        "SIDECAR_BASE_PATH": "/ops/backups/",
        "SIDECAR_CODEC": "python",
        "SIDECAR_COMPRESSION": "zstd",
        "SIDECAR_COMPRESSION_LEVEL": "3",
        "SIDECAR_RECIPIENTS": f"{RECIPIENT}, {SSH_RECIPIENT}",
        "SIDECAR_IDENTITY_FILE": str(tmp_path / "key.txt"),
        "SIDECAR_SIGNING_KEY_FILE": str(tmp_path / "signing.pem"),
        "SIDECAR_TRUSTED_KEYS_FILE": str(tmp_path / "trusted.pem"),
        "SIDECAR_REQUIRE_SIGNATURE": "true",
        "SIDECAR_HEARTBEAT_URL": "https://hc.example/key/{set}",
        "SIDECAR_WEBHOOK_URL": "https://hooks.example/T0/B0",
        "SIDECAR_WEBHOOK_TEMPLATE": '{"message": "{text}"}',
        "SIDECAR_SMTP_HOST": "mail.example.com",
        "SIDECAR_SMTP_PORT": "465",
        "SIDECAR_SMTP_SECURITY": "tls",
        "SIDECAR_SMTP_USER": "backups",
        "SIDECAR_SMTP_PASSWORD": "hunter2",
        "SIDECAR_SMTP_FROM": "backups@example.com",
        "SIDECAR_SMTP_TO": "admin@example.com, night@example.com",
        "SIDECAR_LEADER_GROUP": "on-site",
        "SIDECAR_LEASE_SECONDS": "30",
        "SIDECAR_LOG_FORMAT": "console",
        "SIDECAR_LOG_LEVEL": "debug",
    }

    assert load(environ) == Settings(
        mongo_url=Secret(environ["MONGO_URL"]),
        db_name="school",
        backup_dir=tmp_path,
        backup_limit=7,
        backup_retention_days=14,
        keep_last=7,
        keep_hourly=24,
        keep_daily=8,
        keep_weekly=4,
        keep_monthly=6,
        keep_yearly=2,
        keep_within_days=3,
        max_total_mb=512.5,
        min_storage_mb=0.5,
        seed_interval_hours=6.0,
        attendance_interval_hours=0.25,
        main_schedule="@daily",
        attendance_schedule="*/10 6-18 * * mon-fri",
        timezone=ZoneInfo("Europe/Berlin"),
        ignore=("sessions", "tmp_*", "other.*"),
        verify_schedule="0 1 * * *",
        drill_schedule=None,
        drill_db="rehearsal",
        restore_on_empty=True,
        seed_file=Path("/seed.json"),
        host="::1",
        port=0,
        base_path="/ops/backups",
        admin_token=Secret("admin-token-0123"),
        read_token=Secret("read-token-01234"),
        tls_cert=Path("/tls.crt"),
        tls_key=Path("/tls.key"),
        stall_timeout_seconds=1.5,
        max_read_mb_s=20.0,
        verify_slice=Share(1, 7),
        codec="python",
        compression="zstd",
        compression_level=3,
        recipients=(RECIPIENT, SSH_RECIPIENT),
        identity_file=Secret(f"# a comment\n{IDENTITY}\n"),
        signing_key_file=Secret(KEY.private.decode()),
        trusted_keys_file=(KEY.hexadecimal, OTHER_KEY.hexadecimal),
        require_signature=True,
        heartbeat_url=Secret("https://hc.example/key/{set}"),
        webhook_url=Secret("https://hooks.example/T0/B0"),
        webhook_template='{"message": "{text}"}',
        smtp_host="mail.example.com",
        smtp_port=465,
        smtp_security="tls",
        smtp_user="backups",
        smtp_password=Secret("hunter2"),
        smtp_from="backups@example.com",
        smtp_to=("admin@example.com", "night@example.com"),
        leader_group="on-site",
        lease_seconds=30.0,
        log_format="console",
        log_level="debug",
        copies={},
        sets={
            "main": BackupSet(
                name="main",
                collections=MAIN.collections,
                prefix="seed_backup",
                schedule="@daily",
                interval_hours=6.0,
                limit=7,
                retention_days=14,
                keep_hourly=24,
                keep_daily=8,
                keep_weekly=4,
                keep_monthly=6,
                keep_yearly=2,
                keep_within_days=3,
                max_total_mb=512.5,
                compression="zstd",
                compression_level=3,
                recipients=(RECIPIENT, SSH_RECIPIENT),
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
                keep_hourly=24,
                keep_daily=8,
                keep_weekly=4,
                keep_monthly=6,
                keep_yearly=2,
                keep_within_days=3,
                max_total_mb=512.5,
                compression="zstd",
                compression_level=3,
                recipients=(RECIPIENT, SSH_RECIPIENT),
            ),
        },
        heartbeats={
            "main": Secret("https://hc.example/key/main"),
            "attendance": Secret("https://hc.example/key/attendance"),
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
    assert len(lines) == 2 + len(fields(Settings)) - 3  # all but the sets, their heartbeats and the copies


secrets = st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=16, max_size=30)


@given(secrets)
def test_no_secret_is_in_the_settings_when_they_are_printed(secret: str) -> None:
    environ = {
        "MONGO_URL": f"mongodb://user:{secret}@host",
        "SIDECAR_ADMIN_TOKEN": secret,
        "SIDECAR_READ_TOKEN": f"{secret}2",
        "SIDECAR_HEARTBEAT_URL": f"https://hc.example/{secret}/{{set}}",
        "SIDECAR_WEBHOOK_URL": f"https://hooks.example/{secret}",
    }
    settings = load(environ)

    assert secret not in f"{settings} {settings!r} {settings.mongo_url} {settings.mongo_host} {describe(environ)}"
    assert settings.mongo_url.reveal() == environ["MONGO_URL"]
