"""The metadata file: written with a checksum of its own, read as untrusted input."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from sidecar.errors import BackupInvalid
from sidecar.model import FORMAT_VERSION, METADATA_VERSION, BackupId, Manifest

_CHECKSUM = "metadata_checksum"  # SHA-256 of the other keys, so that a flipped bit in a count is seen too


def to_bytes(manifest: Manifest) -> bytes:
    """The file's content: indented JSON for people, closed by its checksum."""
    values = manifest.model_dump(mode="json")
    return json.dumps(values | {_CHECKSUM: _digest(values)}, indent=2, ensure_ascii=False).encode() + b"\n"


def from_bytes(content: bytes, backup_id: BackupId, set_name: str) -> Manifest:
    """The metadata of `backup_id`. Raises BackupInvalid with the reason for whatever is wrong with it."""
    values = _parsed(content)
    if _CHECKSUM in values and not content.endswith(b"\n"):
        raise BackupInvalid("metadata: cut short")
    _require_readable_version(values)
    _require_intact(values)
    values["timestamp"] = _with_offset(values.get("timestamp"))
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BackupInvalid(f"metadata: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    expected = (str(backup_id), backup_id.data_name, set_name)
    if (manifest.backup_id, manifest.filename, manifest.backup_type) != expected:
        raise BackupInvalid(
            f"metadata describes {manifest.filename} of the set {manifest.backup_type}, not {backup_id.data_name}"
        )
    return manifest


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise BackupInvalid("metadata: not JSON, or cut short") from None
    if not isinstance(values, dict):
        raise BackupInvalid("metadata: expected a JSON object")
    return values


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


def _with_offset(timestamp: object) -> object:
    """Version 2.x wrote UTC without saying so."""
    if isinstance(timestamp, str):
        try:
            moment = datetime.fromisoformat(timestamp)
        except ValueError:
            return timestamp
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return timestamp


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
