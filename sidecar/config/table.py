"""The table of settings: what each is called, what it accepts, its default and what it is for. Docs are generated from it."""

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pymongo import uri_parser
from pymongo.errors import PyMongoError

from sidecar.archive.choose import CHOICES, NATIVE_DISTRIBUTION, has_native
from sidecar.archive.compression import LEVELS
from sidecar.archive.keys import identities, recipient
from sidecar.config.settings import Secret, Share
from sidecar.rules.names import database_expected
from sidecar.rules.schedule import Schedule

PREFIX = "SIDECAR_"
COMPRESSIONS = ("none", "zstd")
LARGEST = 1_000_000  # of any number: far above all use and far below where dates and timers overflow
SHORTEST_INTERVAL_HOURS = 0.0002  # a little less than a second
SHORTEST_LEASE_SECONDS = 3  # a slow moment of MongoDB or of the process is no reason to change
OWN_PATHS = frozenset({"api", "docs", "docs.css", "healthz", "metrics", "openapi.json", "readyz", "runbooks", "web"})
_URL = re.compile(  # no @ after the hosts: it would be the end of a password with a raw slash, and its start a "host"
    r"mongodb(?:(?P<srv>\+srv)://(?:[^\s/?@]*@)?[^\s/?@:,]+|://(?:[^\s/?@]*@)?[^\s/?@]+)(?:/[^\s?@]*)?(?:\?\S*)?"
)
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. `parse` raises ValueError with what was expected; `default` is text that `parse` takes, None for not set."""

    variable: str
    parse: Callable[[str], Any]
    default: str | None
    meaning: str
    is_secret: bool = False

    @property
    def key(self) -> str:
        """The name in the TOML file and in Settings."""
        return self.variable.removeprefix(PREFIX).lower()

    @property
    def file_variable(self) -> str:
        """Where the name of a file with the value may stand instead of it; empty where it may not."""
        return f"{self.variable}_FILE" if self.is_secret and not self.variable.endswith("_FILE") else ""


def _text(value: str) -> str:
    if not value:
        raise ValueError("a value")
    return value


def _integer(lowest: int, highest: int = LARGEST) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def _at_least(lowest: float) -> Callable[[str], float]:
    return lambda value: _number(
        value, f"a number from {lowest:g} to {LARGEST}", lambda number: lowest <= number <= LARGEST
    )


def _number(value: str, expected: str, is_good: Callable[[float], bool]) -> float:
    if not re.fullmatch(r"[0-9]*\.?[0-9]+(e[+-]?[0-9]{1,3})?", value) or not is_good(float(value)):
        raise ValueError(expected)
    return float(value)


def _boolean(value: str) -> bool:
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise ValueError("true or false") from None


def _schedule(value: str) -> str | None:
    if not value:
        return None
    Schedule.parse(value)
    return value


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return parse


def _recipients(value: str) -> tuple[str, ...]:
    return recipients_of(value.split(",") if value.strip() else [])


def recipients_of(values: Iterable[str]) -> tuple[str, ...]:
    """Public keys. Raises ValueError with what was expected."""
    keys = tuple(value.strip() for value in values)
    for key in keys:
        recipient(key)
    if len(set(keys)) != len(keys):
        raise ValueError("public keys that differ")
    return keys


def _identity_file(value: str) -> Secret:
    try:
        content = Path(_text(value)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        # Not the path: a key that was put into the variable itself would be shown.
        raise ValueError(f"a file that can be read: {getattr(error, 'strerror', 'not UTF-8')}") from None
    identities(content.encode())
    return Secret(content)


def _codec(value: str) -> str:
    choice = _one_of(*CHOICES)(value)
    if choice == "native" and not has_native():
        raise ValueError(f"auto or python, because {NATIVE_DISTRIBUTION} is not installed")
    return choice


def _timezone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the others: what is no name, "../etc", a directory of names
        raise ValueError("a name of the time zone database such as Europe/Berlin") from None


def _db_name(value: str) -> str:
    if expected := database_expected(value):
        raise ValueError(expected)
    return value


def _mongo_url(value: str) -> Secret:
    found = _URL.fullmatch(value)
    if found is None:
        raise ValueError(
            "a connection string mongodb://… or mongodb+srv://host… without blanks, with user and password percent-encoded"
        )
    if found["srv"] is None:  # the other kind cannot be looked at without asking the network
        try:
            with warnings.catch_warnings(
                action="ignore"
            ):  # what the driver only warns of, it also says when it connects
                uri_parser.parse_uri(value, warn=False)
        except (PyMongoError, ValueError, TypeError) as error:
            unknown = re.match(r"Unknown option:? '?([A-Za-z]{1,40})\b", str(error))  # a name, and nothing secret
            what = f"without the unknown option {unknown[1]}" if unknown else "that the driver understands"
            raise ValueError(f"a connection string mongodb://… {what}") from None
        except OSError as error:
            raise ValueError(
                f"readable files in its TLS options (tlsCAFile, tlsCertificateKeyFile): {error.strerror}"
            ) from None
    return Secret(value)


def _token(value: str) -> Secret:
    if not re.fullmatch(r"[\x21-\x7e]{16,}", value):
        raise ValueError("at least 16 printable characters without spaces")
    return Secret(value)


def _base_path(value: str) -> str:
    path = "" if value == "/" else value.removesuffix("/")
    segments = path.split("/")[1:]
    if path and (
        not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or {".", ".."} & set(segments) or segments[0] in OWN_PATHS
    ):
        raise ValueError(
            f"a path such as /backups, not below one of the sidecar's own ({', '.join(sorted(OWN_PATHS))})"
        )
    return path


def _group(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", value):
        raise ValueError("a name of letters, digits, dots, underscores and hyphens")
    return value


def _share(value: str) -> Share:
    found = re.fullmatch(r"(\d{1,3})/(\d{1,3})", value)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError("a share such as 1/7")
    return Share(int(found[1]), int(found[2]))


SETTINGS = (
    Setting("MONGO_URL", _mongo_url, "mongodb://localhost:27017", "Connection string.", is_secret=True),
    Setting("DB_NAME", _db_name, "bus_tracker", "The database."),
    Setting("BACKUP_DIR", lambda v: Path(_text(v)), "backups", "Where backups live; made with mode 0700, files 0600."),
    Setting("BACKUP_LIMIT", _integer(1), "5", "Newest valid backups kept per set."),
    Setting(
        "BACKUP_RETENTION_DAYS", _integer(1), "30", "Days after which a backup goes, unless it is the newest valid one."
    ),
    Setting(
        "MIN_STORAGE_MB", _at_least(0), "100", "Free MiB that must remain beside a new backup; no run starts below."
    ),
    Setting("SEED_INTERVAL_HOURS", _at_least(SHORTEST_INTERVAL_HOURS), "1", "Interval of the set `main`."),
    Setting("ATTENDANCE_INTERVAL_HOURS", _at_least(SHORTEST_INTERVAL_HOURS), "1", "Interval of the set `attendance`."),
    Setting("SIDECAR_MAIN_SCHEDULE", _schedule, None, "Cron expression of `main`; wins over the interval."),
    Setting("SIDECAR_ATTENDANCE_SCHEDULE", _schedule, None, "Cron expression of `attendance`; wins over the interval."),
    Setting("SIDECAR_TIMEZONE", _timezone, "UTC", "Time zone of the cron expressions."),
    Setting(
        "SIDECAR_VERIFY_SCHEDULE", _schedule, "30 3 * * *", "When every stored backup is verified again; empty: never."
    ),
    Setting("SIDECAR_DRILL_SCHEDULE", _schedule, "0 4 * * 0", "When a restore is rehearsed; empty: never."),
    Setting(
        "SIDECAR_DRILL_DB", _db_name, None, "Database in which restores are rehearsed; not set: a new one each time."
    ),
    Setting(
        "SIDECAR_RESTORE_ON_EMPTY",
        _boolean,
        "false",
        "Restore at start-up where the database holds none of a set's data.",
    ),
    Setting(
        "SIDECAR_SEED_FILE",
        lambda v: Path(_text(v)),
        None,
        "Extended JSON to load where there is neither data nor a backup.",
    ),
    Setting("SIDECAR_HOST", _text, "0.0.0.0", "Address the server listens on."),  # noqa: S104 - a container's only address
    Setting("SIDECAR_PORT", _integer(0, 65535), "8001", "Port the server listens on; 0 takes a free one."),
    Setting(
        "SIDECAR_BASE_PATH",
        _base_path,
        "",
        "Path under which a proxy serves the sidecar, such as /backups; empty: none.",
    ),
    Setting(
        "SIDECAR_ADMIN_TOKEN",
        _token,
        None,
        "Token of the admin API, at least 16 characters; not set: one is made at start.",
        is_secret=True,
    ),
    Setting("SIDECAR_READ_TOKEN", _token, None, "Second token, which may only read.", is_secret=True),
    Setting(
        "SIDECAR_TLS_CERT",
        lambda v: Path(_text(v)),
        None,
        "Certificate chain (PEM); serves HTTPS together with the key.",
    ),
    Setting("SIDECAR_TLS_KEY", lambda v: Path(_text(v)), None, "Private key (PEM)."),
    Setting("SIDECAR_STALL_TIMEOUT_SECONDS", _at_least(1), "120", "MongoDB not answering for so long fails the run."),
    Setting(
        "SIDECAR_MAX_READ_MB_S",
        _at_least(0.1),
        None,
        "Read MongoDB, and stored backups in scheduled verifications, no faster than this.",
    ),
    Setting("SIDECAR_VERIFY_SLICE", _share, "1/1", "Share of the backups that one scheduled verification covers."),
    Setting(
        "SIDECAR_CODEC",
        _codec,
        "auto",
        "What turns BSON into Extended JSON and back: `native` (Rust), `python`, or `auto`: native where it is installed.",
    ),
    Setting(
        "SIDECAR_COMPRESSION",
        _one_of(*COMPRESSIONS),
        "none",
        "How new backups are stored: `none`, as JSON that every tool reads, or `zstd`.",
    ),
    Setting(
        "SIDECAR_COMPRESSION_LEVEL",
        _integer(LEVELS.start, LEVELS.stop - 1),
        "1",
        "Level of zstd; higher ones cost several times the processor time for a few per cent.",
    ),
    Setting(
        "SIDECAR_RECIPIENTS",
        _recipients,
        "",
        "Public keys of age or SSH, separated by commas, for which new backups are encrypted; empty: not encrypted.",
    ),
    Setting(
        "SIDECAR_IDENTITY_FILE",
        _identity_file,
        None,
        "File with the private key, only where this host shall read the encrypted backups.",
        is_secret=True,
    ),
    Setting(
        "SIDECAR_LEADER_GROUP",
        _group,
        None,
        "Of the sidecars with the same group on one database, one runs the schedules; not set: each runs its own.",
    ),
    Setting(
        "SIDECAR_LEASE_SECONDS",
        _at_least(SHORTEST_LEASE_SECONDS),
        "20",
        "Silence of the one that runs the schedules after which another of its group does.",
    ),
    Setting("SIDECAR_LOG_FORMAT", _one_of("json", "console"), None, "Not set: console on a terminal, else JSON."),
    Setting("SIDECAR_LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info", "Least level that is logged."),
)

CONFIG_VARIABLE = "SIDECAR_CONFIG"
