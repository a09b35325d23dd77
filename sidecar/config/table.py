"""The table of settings: what each is called, what it accepts, its default and what it is for. Docs are generated from it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.archive.compression import LEVELS
from sidecar.config import parsing
from sidecar.config.settings import Secret

PREFIX = "SIDECAR_"
COMPRESSIONS = ("none", "zstd")
MOST_KEPT = 10_000  # hours, days, weeks, months or years
SMTP_SECURITIES = ("starttls", "tls", "none")
SHORTEST_INTERVAL_HOURS = 0.0002  # a little less than a second
SHORTEST_LEASE_SECONDS = 3  # a slow moment of MongoDB or of the process is no reason to change


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
        """Where the name of a file with the value may stand instead of it; empty if it may not."""
        return f"{self.variable}_FILE" if self.is_secret and not self.variable.endswith("_FILE") else ""


SETTINGS = (
    Setting("MONGO_URL", parsing.mongo_url, "mongodb://localhost:27017", "Connection string.", is_secret=True),
    Setting("DB_NAME", parsing.db_name, "bus_tracker", "The database."),
    Setting(
        "BACKUP_DIR", lambda v: Path(parsing.text(v)), "backups", "Where backups live; made with mode 0700, files 0600."
    ),
    Setting("BACKUP_LIMIT", parsing.integer(1), "5", "Newest valid backups kept per set."),
    Setting(
        "BACKUP_RETENTION_DAYS",
        parsing.integer(1),
        "30",
        "Days after which a backup goes, unless it is the newest valid one or one of the `SIDECAR_KEEP_…`.",
    ),
    Setting("SIDECAR_KEEP_LAST", parsing.integer(1), None, "The same as `BACKUP_LIMIT`: one of the two."),
    Setting(
        "SIDECAR_KEEP_HOURLY",
        parsing.integer(0, MOST_KEPT),
        "0",
        "Hours of which the newest valid backup is kept, per set.",
    ),
    Setting("SIDECAR_KEEP_DAILY", parsing.integer(0, MOST_KEPT), "0", "The same of days, in `SIDECAR_TIMEZONE`."),
    Setting("SIDECAR_KEEP_WEEKLY", parsing.integer(0, MOST_KEPT), "0", "The same of weeks, which begin on Monday."),
    Setting("SIDECAR_KEEP_MONTHLY", parsing.integer(0, MOST_KEPT), "0", "The same of months."),
    Setting("SIDECAR_KEEP_YEARLY", parsing.integer(0, MOST_KEPT), "0", "The same of years."),
    Setting("SIDECAR_KEEP_WITHIN_DAYS", parsing.integer(0), "0", "Days within which every valid backup is kept."),
    Setting(
        "SIDECAR_MAX_TOTAL_MB",
        parsing.at_least(0),
        "0",
        "MiB that the backups of a set may take together, the oldest go first; 0: no bound.",
    ),
    Setting(
        "MIN_STORAGE_MB",
        parsing.at_least(0),
        "100",
        "Free MiB that must remain beside a new backup; no run starts below.",
    ),
    Setting("SEED_INTERVAL_HOURS", parsing.at_least(SHORTEST_INTERVAL_HOURS), "1", "Interval of the set `main`."),
    Setting(
        "ATTENDANCE_INTERVAL_HOURS", parsing.at_least(SHORTEST_INTERVAL_HOURS), "1", "Interval of the set `attendance`."
    ),
    Setting("SIDECAR_MAIN_SCHEDULE", parsing.schedule, None, "Cron expression of `main`; wins over the interval."),
    Setting(
        "SIDECAR_ATTENDANCE_SCHEDULE",
        parsing.schedule,
        None,
        "Cron expression of `attendance`; wins over the interval.",
    ),
    Setting(
        "SIDECAR_TIMEZONE", parsing.timezone, "UTC", "Time zone of the cron expressions, and of the days that are kept."
    ),
    Setting(
        "SIDECAR_IGNORE",
        parsing.names,
        "",
        "Collections that need no backup, separated by commas, such as `sessions,tmp_*`; `other.*` is a whole database.",
    ),
    Setting(
        "SIDECAR_VERIFY_SCHEDULE",
        parsing.schedule,
        "30 3 * * *",
        "When every stored backup is verified again; empty: never.",
    ),
    Setting("SIDECAR_DRILL_SCHEDULE", parsing.schedule, "0 4 * * 0", "When a restore is rehearsed; empty: never."),
    Setting(
        "SIDECAR_DRILL_DB",
        parsing.db_name,
        None,
        "Database in which restores are rehearsed; not set: a new one each time.",
    ),
    Setting(
        "SIDECAR_RESTORE_ON_EMPTY",
        parsing.boolean,
        "false",
        "Restore at start-up where the database holds none of a set's data.",
    ),
    Setting(
        "SIDECAR_SEED_FILE",
        lambda v: Path(parsing.text(v)),
        None,
        "Extended JSON to load where there is neither data nor a backup.",
    ),
    Setting("SIDECAR_HOST", parsing.host, "0.0.0.0", "Address the server listens on."),  # noqa: S104 - a container's only address
    Setting("SIDECAR_PORT", parsing.integer(0, 65535), "8001", "Port the server listens on; 0 takes a free one."),
    Setting(
        "SIDECAR_BASE_PATH",
        parsing.base_path,
        "",
        "Path under which a proxy serves the sidecar, such as /backups; empty: none.",
    ),
    Setting(
        "SIDECAR_ADMIN_TOKEN",
        parsing.token,
        None,
        "Token of the admin API, at least 16 characters; not set: one is made at start.",
        is_secret=True,
    ),
    Setting("SIDECAR_READ_TOKEN", parsing.token, None, "Second token, which may only read.", is_secret=True),
    Setting(
        "SIDECAR_TLS_CERT",
        lambda v: Path(parsing.text(v)),
        None,
        "Certificate chain (PEM); serves HTTPS together with the key.",
    ),
    Setting("SIDECAR_TLS_KEY", lambda v: Path(parsing.text(v)), None, "Private key (PEM)."),
    Setting(
        "SIDECAR_STALL_TIMEOUT_SECONDS", parsing.at_least(1), "120", "MongoDB not answering for so long fails the run."
    ),
    Setting(
        "SIDECAR_MAX_READ_MB_S",
        parsing.at_least(0.1),
        None,
        "Read MongoDB, and stored backups in scheduled verifications, no faster than this.",
    ),
    Setting(
        "SIDECAR_VERIFY_SLICE", parsing.share, "1/1", "Share of the backups that one scheduled verification covers."
    ),
    Setting(
        "SIDECAR_CODEC",
        parsing.codec,
        "auto",
        "What turns BSON into Extended JSON and back: `native` (Rust), `python`, or `auto`: native where it is installed.",
    ),
    Setting(
        "SIDECAR_COMPRESSION",
        parsing.one_of(*COMPRESSIONS),
        "none",
        "How new backups are stored: `none`, as JSON that every tool reads, or `zstd`.",
    ),
    Setting(
        "SIDECAR_COMPRESSION_LEVEL",
        parsing.integer(LEVELS.start, LEVELS.stop - 1),
        "1",
        "Level of zstd; higher ones cost several times the processor time for a few per cent.",
    ),
    Setting(
        "SIDECAR_RECIPIENTS",
        parsing.recipients,
        "",
        "Public keys of age or SSH, separated by commas, for which new backups are encrypted; empty: not encrypted.",
    ),
    Setting(
        "SIDECAR_IDENTITY_FILE",
        parsing.identity_file,
        None,
        "File with the private key, only where this host shall read the encrypted backups.",
        is_secret=True,
    ),
    Setting(
        "SIDECAR_SIGNING_KEY_FILE",
        parsing.signing_key,
        None,
        "File with a private key of Ed25519 (PEM): signs the metadata of new backups and keeps a ledger of each set.",
        is_secret=True,
    ),
    Setting(
        "SIDECAR_TRUSTED_KEYS_FILE",
        parsing.trusted_keys,
        None,
        "File with further public keys of Ed25519 (PEM) whose signatures count, such as that of the key before.",
    ),
    Setting(
        "SIDECAR_REQUIRE_SIGNATURE",
        parsing.boolean,
        "false",
        "Take a backup without a signature for invalid.",
    ),
    Setting(
        "SIDECAR_HEARTBEAT_URL",
        parsing.notice_url,
        None,
        "Address that hears of each run's start, success and failure; `{set}` in it becomes the set's name.",
        is_secret=True,
    ),
    Setting(
        "SIDECAR_WEBHOOK_URL",
        parsing.notice_url,
        None,
        "Address that is told, as JSON, when something goes wrong and when it is over.",
        is_secret=True,
    ),
    Setting(
        "SIDECAR_WEBHOOK_TEMPLATE",
        parsing.webhook_template,
        None,
        "That JSON, with places such as `{title}` and `{text}`; not set: what Slack takes.",
    ),
    Setting("SIDECAR_SMTP_HOST", parsing.text, None, "Mail server for the same notices; not set: no mail."),
    Setting("SIDECAR_SMTP_PORT", parsing.integer(1, 65535), "587", "Its port."),
    Setting(
        "SIDECAR_SMTP_SECURITY",
        parsing.one_of(*SMTP_SECURITIES),
        "starttls",
        "`starttls`, `tls` from the first byte (mostly port 465), or `none`.",
    ),
    Setting("SIDECAR_SMTP_USER", parsing.text, None, "Its user, where it asks for one."),
    Setting("SIDECAR_SMTP_PASSWORD", lambda v: Secret(parsing.text(v)), None, "Its password.", is_secret=True),
    Setting("SIDECAR_SMTP_FROM", parsing.address, None, "Sender of the mail."),
    Setting("SIDECAR_SMTP_TO", parsing.addresses, None, "Who gets the mail, separated by commas."),
    Setting(
        "SIDECAR_LEADER_GROUP",
        parsing.group,
        None,
        "Of the sidecars with the same group on one database, one runs the schedules; not set: each runs its own.",
    ),
    Setting(
        "SIDECAR_LEASE_SECONDS",
        parsing.at_least(SHORTEST_LEASE_SECONDS),
        "20",
        "Silence of the one that runs the schedules after which another of its group does.",
    ),
    Setting(
        "SIDECAR_LOG_FORMAT", parsing.one_of("json", "console"), None, "Not set: console on a terminal, else JSON."
    ),
    Setting(
        "SIDECAR_LOG_LEVEL", parsing.one_of("debug", "info", "warning", "error"), "info", "Least level that is logged."
    ),
)

CONFIG_VARIABLE = "SIDECAR_CONFIG"


def reference_table() -> str:
    """The settings as a Markdown table, for the documentation."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in SETTINGS:
        secret = " (secret)" if setting.is_secret else ""
        default = f"`{setting.default}`" if setting.default else "–"
        lines.append(f"| `{setting.variable}`{secret} | {default} | {setting.meaning} |")
    return "\n".join(lines) + "\n"
