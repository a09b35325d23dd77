"""The metadata file: written with a checksum of its own, read as untrusted input."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from sidecar.errors import BackupInvalid
from sidecar.model import FORMAT_VERSION, METADATA_VERSION, BackupId, Manifest

LARGEST: Final = 2**63 - 1  # what a number in it may be: nothing that is counted comes near
_CHECKSUM = "metadata_checksum"  # SHA-256 of the other keys, so that a flipped bit in a count is seen too


def to_bytes(manifest: Manifest) -> bytes:
    """The file's content: indented JSON for people, closed by its checksum."""
    values = manifest.model_dump(mode="json")
    return json.dumps(values | {_CHECKSUM: _digest(values)}, indent=2, ensure_ascii=False).encode() + b"\n"


def set_name_of(content: bytes) -> str:
    """The set that metadata says it is of, before anything else of it is believed. Raises BackupInvalid."""
    name = _parsed(content).get("backup_type")
    if not isinstance(name, str):
        raise BackupInvalid("metadata: backup_type: expected the name of a set")
    return name


def from_bytes(content: bytes, backup_id: BackupId, set_name: str) -> Manifest:
    """The metadata of `backup_id`. Raises BackupInvalid with the reason for whatever is wrong with it."""
    values = _parsed(content)
    if _CHECKSUM in values and not content.endswith(b"\n"):
        raise BackupInvalid("metadata: cut short")
    _require_readable_version(values)
    _require_intact(values)
    values["timestamp"] = _as_utc(values.get("timestamp"))
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BackupInvalid(f"metadata: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    name = backup_id.data_name_in(manifest.form)
    if (manifest.backup_id, manifest.filename, manifest.backup_type) != (str(backup_id), name, set_name):
        raise BackupInvalid(f"metadata describes {manifest.filename} of the set {manifest.backup_type}, not {name}")
    if (manifest.encryption is None) is not (manifest.sealed is None):
        raise BackupInvalid("metadata: sealed: expected it where the data is encrypted, and only there")
    return manifest


def _parsed(content: bytes) -> dict[str, Any]:
    """Nothing in it that whoever shows it, adds it up or stores it would stumble over."""
    try:
        text = content.decode()
        values = _parse(text)
    except (ValueError, RecursionError):
        raise BackupInvalid("metadata: not JSON, or cut short") from None
    if not isinstance(values, dict):
        raise BackupInvalid("metadata: expected a JSON object")
    if "\\u" in text:  # nothing else makes half a surrogate pair of a text that is UTF-8
        _require_unicode(values)
    return values


def _integer(digits: str) -> int:
    value = int(digits)
    if abs(value) > LARGEST:
        raise BackupInvalid("metadata: a number beyond 64 bits")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) <= LARGEST:
        raise BackupInvalid("metadata: a number that is not finite")
    return value


_parse = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_number).decode


def _require_unicode(values: dict[str, Any]) -> None:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BackupInvalid("metadata: text that is not Unicode (half of a surrogate pair)") from None
    except RecursionError:
        raise BackupInvalid("metadata: nested too deep") from None


def _require_readable_version(values: dict[str, Any]) -> None:
    version, format_version = values.get("version"), values.get("format_version")
    is_legacy = isinstance(version, str) and version.startswith("2.") and format_version is None
    if not is_legacy and (version, format_version) != (METADATA_VERSION, FORMAT_VERSION):
        raise BackupInvalid(
            f"metadata: version {version!r} with format version {format_version!r}; this sidecar reads "
            f"{METADATA_VERSION!r} with {FORMAT_VERSION}, and 2.x without one"
        )


def _require_intact(values: dict[str, Any]) -> None:
    has_checksum = _CHECKSUM in values
    if (has_checksum or values.get("format_version") is not None) and values.pop(_CHECKSUM, None) != _digest(values):
        raise BackupInvalid("metadata: its own checksum does not match")


def _as_utc(timestamp: object) -> object:
    """As UTC; version 2.x wrote that without saying so."""
    if isinstance(timestamp, str):
        try:
            moment = datetime.fromisoformat(timestamp)
        except ValueError:
            return timestamp
        try:
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except OverflowError:
            raise BackupInvalid(f"metadata: timestamp: {timestamp} is not a time in UTC") from None
    return timestamp


def _digest(values: dict[str, Any]) -> str:
    try:
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise BackupInvalid("metadata: nested too deep") from None
    return hashlib.sha256(text.encode()).hexdigest()
