"""Reads the settings: environment over file over defaults. Every problem is collected; there is no silent default."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sidecar.archive.choose import codec_in_use
from sidecar.config import copies, near, sets
from sidecar.config.settings import Secret, Settings, hosts_of, without_credentials
from sidecar.config.table import CONFIG_VARIABLE, PREFIX, SETTINGS, Setting
from sidecar.errors import ConfigError

_SHOWN = 60  # characters of a bad value that a message repeats


Check = Callable[[str], None]  # raises ValueError with what was expected


def load(environ: Mapping[str, str], connection: Check | None = None) -> Settings:
    """The settings that are in force. Raises ConfigError with all problems.

    `connection` looks closer at the connection string, for whoever is going to use it.
    """
    reading = _Reading(environ)
    values = {setting.key: reading.value(setting) for setting in SETTINGS}
    if connection:
        reading.connection(values, connection)
    reading.unknown_names()
    reading.tls_pair(values)
    reading.two_tokens(values)
    reading.two_databases(values)
    reading.two_limits(values)
    reading.signature(values)
    reading.mail(values)
    good = {key: value for key, value in values.items() if value is not _BROKEN}
    found = sets.build(_defaults() | good, reading.tables, environ, reading.problems)
    around = copies.Surroundings(tuple(found), good.get("backup_dir"), reading.secret, reading.problems)
    elsewhere = copies.build(reading.copies, around)
    if reading.problems:
        raise ConfigError(reading.problems)
    heartbeats = sets.heartbeats(found, values["heartbeat_url"], reading.tables)
    settings = Settings(
        **values,
        sets=MappingProxyType(found),
        heartbeats=MappingProxyType(heartbeats),
        copies=MappingProxyType(elsewhere),
    )
    if settings.restore_on_empty and (sealed := settings.unreadable_sets):
        raise ConfigError([f"SIDECAR_RESTORE_ON_EMPTY: {_needs_identity(sealed)}"])
    return settings


def _needs_identity(sets: list[str]) -> str:
    return (
        f"expected SIDECAR_IDENTITY_FILE too, with a private key for the encrypted backups of {', '.join(sets)}: "
        "without one they cannot be restored here"
    )


def describe(environ: Mapping[str, str], connection: Check | None = None) -> list[tuple[str, str, str]]:
    """Name, value with secrets masked, and where it comes from, for every setting that is in force. Raises ConfigError.

    `codec` is what `SIDECAR_CODEC` comes to on this machine.
    """
    settings = load(environ, connection)
    reading = _Reading(environ)
    rows = [(s.variable, _shown(s, getattr(settings, s.key)), reading.source(s)) for s in SETTINGS]
    rows.append(("codec", codec_in_use(settings.codec), "in use"))
    for one in settings.sets.values():
        source = "file" if one.name in reading.tables else "built in"
        facts = [f for f in dataclasses.fields(one) if f.name != "name"]
        rows += [(f"sets.{one.name}.{f.name}", _plain(getattr(one, f.name)), source) for f in facts]
        rows.append((f"sets.{one.name}.heartbeat_url", "***" if one.name in settings.heartbeats else "–", source))
    for copy in settings.copies.values():
        rows += [(f"copies.{copy.name}.{key}", _plain(value), "file") for key, value in copies.shown(copy)]
    return rows


def likely_mistakes(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that are set and nearly have the name of one of ours that is not, with that name.

    Without our prefix they may be another program's: they are told and not refused.
    """
    known = set(_Reading(environ).known_variables())
    others = [name for name in sorted(environ) if not name.startswith(PREFIX)]
    return [(name, meant) for name, meant in near.misspelt(others, known) if meant not in environ]


_BROKEN = object()


def _defaults() -> dict[str, Any]:
    return {setting.key: None if setting.default is None else setting.parse(setting.default) for setting in SETTINGS}


def _shown(setting: Setting, value: Any) -> str:
    if isinstance(value, Secret):
        hosts = hosts_of(value.reveal())
        return f"mongodb://***@{hosts}" if hosts else "***"
    return "–" if value is None and not setting.is_secret else _plain(value)


def _plain(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else "–" if value is None else str(value)


class _Reading:
    """One look at the environment and the file."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._environ = environ
        self._file = self._read_file()
        self.tables = self._tables("sets")
        self.copies = self._tables("copies")

    def _tables(self, key: str) -> Mapping[str, Any]:
        found = self._file.pop(key, {})
        if isinstance(found, dict):
            return found
        self.problems.append(f"{key}: expected tables [{key}.NAME]")
        return {}

    def _read_file(self) -> dict[str, Any]:
        path = self._environ.get(CONFIG_VARIABLE)
        if path is None:
            return {}
        if not path.strip():
            self.problems.append(f"{CONFIG_VARIABLE}: expected the path of a file, not an empty value")
            return {}
        import tomllib  # noqa: PLC0415 - only where there is a file

        try:
            return tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{CONFIG_VARIABLE}: cannot read {path}: {getattr(error, 'strerror', 'not UTF-8')}")
        except tomllib.TOMLDecodeError as error:
            self.problems.append(f"{CONFIG_VARIABLE}: {path} is not TOML: {error}")
        except RecursionError:
            self.problems.append(f"{CONFIG_VARIABLE}: {path} is nested too deeply")
        return {}

    def secret(self, variable: str) -> str | None:
        """Of no setting of the table: a variable, or the file that NAME_FILE names. What is wrong becomes a problem."""
        in_file, problem = f"{variable}_FILE", None
        text = self._environ.get(variable)
        try:
            if in_file in self._environ:
                problem = None if text is None else f"only one of {variable} and {in_file}"
                text = _secret_text(Path(self._environ[in_file]))
        except ValueError as error:
            problem = str(error)
        if problem or (text is not None and not text.strip()):
            self.problems.append(f"{variable}: expected {problem or 'a value, not an empty one'}")
            return None
        return text.strip() if text else None

    def source(self, setting: Setting) -> str:
        if setting.variable in self._environ:
            return "environment"
        if setting.file_variable in self._environ:
            return "secret file"
        return "file" if setting.key in self._file else "default"

    def value(self, setting: Setting) -> Any:
        """The parsed value; what is wrong with it becomes a problem."""
        try:
            text = self._text(setting)
            return None if text is None else setting.parse(text)
        except ValueError as error:
            self.problems.append(self._complaint(setting, str(error)))
            return _BROKEN

    def _text(self, setting: Setting) -> str | None:
        match self.source(setting):
            case "environment":
                if setting.file_variable in self._environ:
                    raise ValueError(f"only one of {setting.variable} and {setting.file_variable}")
                return self._environ[setting.variable].strip()
            case "secret file":
                return _secret_text(Path(self._environ[f"{setting.variable}_FILE"]))
            case "file":
                return _toml_text(self._file[setting.key])
        return setting.default

    def _complaint(self, setting: Setting, expected: str) -> str:
        given = ""
        if near.is_service_link(setting.variable, self._environ.get(setting.variable, "")):
            return f"{setting.variable}: {near.SERVICE_LINKS_CURE}"
        if not setting.is_secret:
            raw = str(self._environ.get(setting.variable, self._file.get(setting.key, "")))
            given = f", not {without_credentials(raw)[:_SHOWN]!r}"
        return f"{setting.variable}: expected {expected.removeprefix('expected ')}{given}"

    def unknown_names(self) -> None:
        """A misspelt name would else be a silent default."""
        variables = set(self.known_variables())
        keys = {setting.key for setting in SETTINGS}
        unknown = [name for name in sorted(self._environ) if name.startswith(PREFIX) and name not in variables]
        links = [name for name in unknown if near.is_service_link(name, self._environ[name])]
        if links:
            self.problems.append(f"{', '.join(links)}: {near.SERVICE_LINKS_CURE}")
        self.problems += [
            f"{name}: unknown variable{near.meant(name, variables)}" for name in unknown if name not in links
        ]
        self.problems += [
            f"{key}: unknown key in {self._environ[CONFIG_VARIABLE]}{near.meant(key, keys)}"
            for key in self._file
            if key not in keys
        ]

    def known_variables(self) -> Iterator[str]:
        yield CONFIG_VARIABLE
        for name in self.copies:
            for variable in copies.variables_of(name):
                yield from (variable, f"{variable}_FILE")
        for setting in SETTINGS:
            yield setting.variable
            if setting.file_variable:
                yield setting.file_variable

    def connection(self, values: dict[str, Any], check: Check) -> None:
        setting = next(one for one in SETTINGS if one.key == "mongo_url")
        try:
            if values[setting.key] is not _BROKEN:
                check(values[setting.key].reveal())
        except ValueError as error:
            self.problems.append(self._complaint(setting, str(error)))

    def tls_pair(self, values: Mapping[str, Any]) -> None:
        if (values["tls_cert"] is None) != (values["tls_key"] is None):
            self.problems.append("SIDECAR_TLS_CERT and SIDECAR_TLS_KEY: expected both or neither")

    def two_tokens(self, values: Mapping[str, Any]) -> None:
        """The two tokens must differ: with one for both, a reader could also delete."""
        if isinstance(values["read_token"], Secret) and values["read_token"] == values["admin_token"]:
            self.problems.append("SIDECAR_READ_TOKEN: expected another token than SIDECAR_ADMIN_TOKEN")

    def two_limits(self, values: dict[str, Any]) -> None:
        """The newer name of the limit takes its place."""
        if isinstance(values["keep_last"], int):
            if any(one.key == "backup_limit" and self.source(one) != "default" for one in SETTINGS):
                self.problems.append("SIDECAR_KEEP_LAST: the same as BACKUP_LIMIT: expected one of the two")
            values["backup_limit"] = values["keep_last"]

    def two_databases(self, values: Mapping[str, Any]) -> None:
        """A drill ends by dropping its database."""
        if isinstance(values["drill_db"], str) and values["drill_db"] == values["db_name"]:
            self.problems.append("SIDECAR_DRILL_DB: expected another database than DB_NAME")

    def signature(self, values: Mapping[str, Any]) -> None:
        if values["require_signature"] is True and values["signing_key_file"] is values["trusted_keys_file"] is None:
            needed = "SIDECAR_SIGNING_KEY_FILE or SIDECAR_TRUSTED_KEYS_FILE"
            self.problems.append(f"SIDECAR_REQUIRE_SIGNATURE: expected {needed} too, for nothing else can be compared")

    def mail(self, values: Mapping[str, Any]) -> None:
        """A mail server needs a sender and recipients, and a password needs TLS."""
        given = {key: values[f"smtp_{key}"] is not None for key in ("host", "user", "password", "from", "to")}
        if given["host"] != given["from"] or given["host"] != given["to"]:
            self.problems.append("SIDECAR_SMTP_HOST, SIDECAR_SMTP_FROM and SIDECAR_SMTP_TO: expected all three or none")
        if given["user"] != given["password"]:
            self.problems.append("SIDECAR_SMTP_USER and SIDECAR_SMTP_PASSWORD: expected both or neither")
        if given["password"] and values["smtp_security"] == "none":
            self.problems.append(
                "SIDECAR_SMTP_SECURITY: expected starttls or tls, for the password travels in clear with none"
            )
        if values["webhook_template"] is not None and values["webhook_url"] is None:
            self.problems.append("SIDECAR_WEBHOOK_TEMPLATE: expected SIDECAR_WEBHOOK_URL too")


def _secret_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        # Not the path: a secret that was put into the wrong variable would be shown.
        raise ValueError(
            f"that its _FILE names a file that can be read: {getattr(error, 'strerror', 'not UTF-8')}"
        ) from None


def _toml_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    raise ValueError("a string, a number, a boolean or a list of strings")
