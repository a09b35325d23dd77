"""The copies elsewhere: what the file says of each, where its credentials come from, and what may not be."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sidecar.config import keys
from sidecar.config.keys import Key, boolean, integer
from sidecar.config.parsing import LARGEST, share
from sidecar.config.set_keys import SET_KEYS
from sidecar.config.sets import KEPT as SET_KEPT
from sidecar.config.settings import Copy, Secret, Share
from sidecar.config.table import PREFIX

SCHEMES: Final = ("s3", "gs", "az", "file")
MAX_AGE_HOURS: Final = 26.0  # a day, and time for a slow line
SLICE: Final = Share(1, 7)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,253}")
_KEY_PATH = re.compile(r"(/[A-Za-z0-9_.=+-]+)*/?")
CREDENTIALS: Final = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")


def _url(value: object) -> str | None:
    expected = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///DIRECTORY, without credentials"
    if not isinstance(value, str):
        return expected
    try:
        parts = urlsplit(value)
    except ValueError:
        return expected
    if parts.scheme not in SCHEMES or parts.query or parts.fragment or "@" in parts.netloc:
        return expected
    if parts.scheme == "file":
        is_good = not parts.netloc and parts.path.startswith("/") and ".." not in parts.path.split("/")
    else:
        is_good = bool(_BUCKET.fullmatch(parts.netloc) and _KEY_PATH.fullmatch(parts.path)) and ".." not in parts.path
    return None if is_good else expected


def _names(value: object) -> str | None:
    is_good = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    return None if is_good and len(set(value)) == len(value) else "a list of different names of sets"  # type: ignore[arg-type,call-overload] # a list of str by now


def _positive(value: object) -> str | None:
    is_good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LARGEST
    return None if is_good else f"a number above 0 and up to {LARGEST}"


def _text(value: object) -> str | None:
    return None if isinstance(value, str) and value.strip() else "a text that is not empty"


def _endpoint(value: object) -> str | None:
    is_good = isinstance(value, str) and re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", value)
    return None if is_good else "https://HOST[:PORT], without credentials"


def _file(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return "the path of a PEM file"
    try:
        return None if "BEGIN CERTIFICATE" in Path(value).read_text(encoding="utf-8") else "a PEM file of certificates"
    except (OSError, UnicodeDecodeError) as error:
        return f"a PEM file that can be read: {getattr(error, 'strerror', 'not UTF-8')}"


def _slice(value: object) -> str | None:
    try:
        share(str(value))
    except ValueError as error:
        return str(error)
    return None


KEPT: Final = ("limit", "keep_last", "retention_days", *SET_KEPT)
RETENTION: Final = tuple(Key(key.name, key.fault, "the set's", key.meaning) for key in SET_KEYS if key.name in KEPT)
COPY_KEYS: Final = (
    Key("url", _url, "none", "`s3://bucket/prefix`, `gs://…`, `az://…` or `file:///directory`: where they go."),
    Key("sets", _names, "all", "Names of the sets whose backups are copied."),
    *RETENTION,
    Key("max_age_hours", _positive, f"{MAX_AGE_HOURS:g}", "Age of the newest copy from which the set is at `warning`."),
    Key("max_mb_s", _positive, "not set", "Send and read back no faster than so many MB per second."),
    Key("verify_slice", _slice, f'"{SLICE}"', "Share of the copies that is read again every day."),
    Key(
        "write_only",
        boolean,
        "false",
        "Only send: the credentials cannot read or delete, so nothing is proven, healed or pruned from here.",
    ),
    Key(
        "object_lock_days",
        integer(1, LARGEST),
        "not set",
        "S3 Object Lock, mode COMPLIANCE, for so many days on each object.",
    ),
    Key(
        "endpoint", _endpoint, "the provider's", "URL of a server that speaks S3; `http://` only on a trusted network."
    ),
    Key("region", _text, "the environment's", "Region of the bucket."),
    Key("path_style", boolean, "false", "Name the bucket in the path, as most servers but Amazon's want it."),
    Key("ca_file", _file, "not set", "PEM file of a private authority that signed the endpoint's certificate."),
)


def copy_reference_table() -> str:
    """The keys as a Markdown table."""
    return keys.reference_table(COPY_KEYS)


def variables_of(name: str) -> tuple[str, ...]:
    """The environment variables with the credentials of a copy."""
    word = name.upper().replace("-", "_")
    return tuple(f"{PREFIX}COPY_{word}_{credential}" for credential in CREDENTIALS)


def shown(copy: Copy) -> Iterator[tuple[str, object]]:
    """What is set of a copy, with secrets masked."""
    for name in (one.name for one in fields(copy) if one.name not in ("name", "kept")):
        value = getattr(copy, name)
        yield name, "***" if isinstance(value, Secret) else value
    yield from copy.kept


@dataclass(slots=True)
class Surroundings:
    """What the copies are checked against. `secret` is the text of a variable, or of the file that NAME_FILE names."""

    sets: Iterable[str]
    backup_dir: Path | None  # None where its setting is broken
    secret: Callable[[str], str | None]
    problems: list[str] = field(default_factory=list)


def build(tables: Mapping[str, Any], around: Surroundings) -> dict[str, Copy]:
    """The copies by name. What is wrong is added to the problems."""
    found: dict[str, Copy] = {}
    for name, table in tables.items():
        before = len(around.problems)
        _check(name, table, around)
        if len(around.problems) == before:
            found[name] = _made(name, table, around)
    places: dict[str, str] = {}
    for one in found.values():
        other = places.setdefault(one.url.rstrip("/"), one.name)
        if other != one.name:
            around.problems.append(f"copies.{one.name}.url: is already that of the copy {other}")
    return found


def _check(name: str, table: Any, around: Surroundings) -> None:
    where, problems = f"copies.{name}", around.problems
    if not _NAME.fullmatch(name):
        problems.append(f"{where}: a copy's name is of a-z, 0-9, - and _, up to 31")
        return
    if not isinstance(table, Mapping):
        problems.append(f"{where}: expected a table [copies.{name}]")
        return
    problems.extend(keys.problems(where, table, COPY_KEYS))
    if "url" not in table:
        problems.append(f"{where}.url: expected where the copies go")
    elif _url(table["url"]) is None:
        problems.extend(f"{where}.{said}" for said in _unfit(table, around))
    unknown = [one for one in table.get("sets", ()) if isinstance(one, str) and one not in around.sets]
    problems.extend(f"{where}.sets: there is no set {one!r}" for one in unknown)


def _unfit(table: Mapping[str, Any], around: Surroundings) -> Iterable[str]:
    """What does not go with its URL."""
    parts = urlsplit(table["url"])
    if parts.scheme == "file":
        there, here = Path(parts.path), (around.backup_dir or Path("backups")).absolute()
        if there == here or there in here.parents or here in there.parents:
            yield "url: expected a directory outside of BACKUP_DIR: a copy beside the original is none"
    if parts.scheme != "s3" and table.get("object_lock_days") is not None:
        yield "object_lock_days: only goes with s3://"
    if parts.scheme == "file" and (odd := {"endpoint", "region", "path_style", "ca_file"} & table.keys()):
        yield f"{min(odd)}: does not go with file://"


def _made(name: str, table: Mapping[str, Any], around: Surroundings) -> Copy:
    key_id, secret = (around.secret(variable) for variable in variables_of(name))
    if (key_id is None) != (secret is None):
        around.problems.append(f"{' and '.join(variables_of(name))}: expected both or neither")
    return Copy(
        name=name,
        url=table["url"].rstrip("/"),
        sets=tuple(table.get("sets", around.sets)),
        kept=tuple(("limit" if key == "keep_last" else key, table[key]) for key in KEPT if key in table),
        max_age_hours=float(table.get("max_age_hours", MAX_AGE_HOURS)),
        max_mb_s=float(table["max_mb_s"]) if "max_mb_s" in table else None,
        verify_slice=share(str(table.get("verify_slice", SLICE))),
        write_only=table.get("write_only", False),
        object_lock_days=table.get("object_lock_days"),
        endpoint=table.get("endpoint"),
        region=table.get("region"),
        path_style=table.get("path_style", False),
        ca_file=Path(table["ca_file"]) if "ca_file" in table else None,
        access_key_id=Secret(key_id) if key_id else None,
        secret_access_key=Secret(secret) if secret else None,
    )
