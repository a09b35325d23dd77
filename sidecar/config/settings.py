"""The settings as the rest of the process sees them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

from sidecar.archive.keys import NO_KEYS, Keyring, identities
from sidecar.archive.signing import UNSIGNED, Signing
from sidecar.model import MB, BackupSet


class Secret:
    """A value that shows itself to nobody who does not ask for it by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Share:
    """`number` of `parts` equal shares, `1/7`."""

    number: int
    parts: int

    def __str__(self) -> str:
        return f"{self.number}/{self.parts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A place elsewhere that holds copies of backups, `[copies.NAME]`."""

    name: str
    url: str  # s3://, gs://, az:// or file://, without a slash at its end
    sets: tuple[str, ...]
    kept: tuple[tuple[str, int], ...] = ()  # the words of retention that differ from the set's
    max_age_hours: float
    max_mb_s: float | None = None
    verify_slice: Share  # of what is there, read again every day
    write_only: bool = False
    object_lock_days: int | None = None
    endpoint: str | None = None
    region: str | None = None
    path_style: bool = False
    ca_file: Path | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None

    @property
    def where(self) -> str:
        """Its name in messages, which show neither its path nor its host."""
        return f"the copy {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; made by `load` only."""

    mongo_url: Secret
    db_name: str
    backup_dir: Path
    backup_limit: int
    backup_retention_days: int
    keep_last: int | None  # the same as backup_limit, which is what counts
    keep_hourly: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    keep_yearly: int
    keep_within_days: int
    max_total_mb: float
    min_storage_mb: float
    seed_interval_hours: float
    attendance_interval_hours: float
    main_schedule: str | None
    attendance_schedule: str | None
    timezone: ZoneInfo
    ignore: tuple[str, ...]
    verify_schedule: str | None
    drill_schedule: str | None
    drill_db: str | None
    restore_on_empty: bool
    seed_file: Path | None
    host: str
    port: int
    base_path: str  # empty, or /like/this
    admin_token: Secret | None
    read_token: Secret | None
    tls_cert: Path | None
    tls_key: Path | None
    stall_timeout_seconds: float
    max_read_mb_s: float | None
    verify_slice: Share
    codec: str
    compression: str
    compression_level: int
    recipients: tuple[str, ...]
    identity_file: Secret | None  # what stands in it
    signing_key_file: Secret | None  # what stands in it
    trusted_keys_file: tuple[str, ...] | None  # the keys in it, in hexadecimal
    require_signature: bool
    heartbeat_url: Secret | None
    webhook_url: Secret | None
    webhook_template: str | None
    smtp_host: str | None
    smtp_port: int
    smtp_security: str
    smtp_user: str | None
    smtp_password: Secret | None
    smtp_from: str | None
    smtp_to: tuple[str, ...] | None
    leader_group: str | None
    lease_seconds: float
    log_format: str | None
    log_level: str
    sets: Mapping[str, BackupSet]
    heartbeats: Mapping[str, Secret]  # addresses by set
    copies: Mapping[str, Copy]

    @property
    def min_storage_bytes(self) -> int:
        return int(self.min_storage_mb * MB)

    def secrets(self) -> list[str]:
        """Every text that must not be shown: tokens, addresses, the connection string, and its password as written and meant."""
        alone = (self.mongo_url, self.admin_token, self.read_token, self.webhook_url, self.smtp_password)
        found = [one.reveal() for one in (*alone, *self.heartbeats.values()) if one]
        found += self.identity_file.reveal().splitlines() if self.identity_file else []
        found += self.signing_key_file.reveal().splitlines()[1:-1] if self.signing_key_file else []
        for one in self.copies.values():
            found += [secret.reveal() for secret in (one.access_key_id, one.secret_access_key) if secret]
        password = re.match(r"mongodb(?:\+srv)?://[^:/?@]*:([^/?@]+)@", self.mongo_url.reveal())
        return [*found, password[1], unquote_plus(password[1])] if password else found

    @property
    def keyring(self) -> Keyring:
        """What encrypted backups are read with here."""
        return Keyring(identities(self.identity_file.reveal().encode())) if self.identity_file else NO_KEYS

    @property
    def signing(self) -> Signing:
        """What metadata is signed with, and whose signatures count."""
        if self.signing_key_file is None and not self.trusted_keys_file:
            return replace(UNSIGNED, is_required=self.require_signature)
        from sidecar.archive.signing_keys import private_key, public_key  # noqa: PLC0415 - a large library

        return Signing(
            private_key(self.signing_key_file.reveal().encode()) if self.signing_key_file else None,
            tuple(public_key(one) for one in self.trusted_keys_file or ()),
            self.require_signature,
        )

    @property
    def unreadable_sets(self) -> list[str]:
        """The names of the sets whose new backups cannot be read here, for want of a private key."""
        return [one.name for one in self.sets.values() if not self.keyring.opens(one.recipients)]

    @property
    def mongo_host(self) -> str:
        """Hosts and ports of the connection string, without anything that could be a secret."""
        return hosts_of(self.mongo_url.reveal())


def hosts_of(url: str) -> str:
    """`host:port[,host:port…]` of a connection string, the one name of an SRV record; empty if it has none."""
    found = re.match(r"mongodb(\+srv)?://(?:[^/?]*@)?([^/?@]*)", url)
    if found is None or found[1]:
        return found[2] if found else ""
    return ",".join(host if re.search(r":\d+$|\.sock$", host) else f"{host}:27017" for host in found[2].split(","))


def without_credentials(text: str) -> str:
    """`text` with `***` for the user and password of every connection string in it, and for private keys."""
    text = re.sub(r"(AGE-SECRET-KEY-)\S*", r"\g<1>***", text, flags=re.IGNORECASE)
    return re.sub(r"(mongodb(?:\+srv)?:/+)\S*@", r"\g<1>***@", text, flags=re.IGNORECASE)
