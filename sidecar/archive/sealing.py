"""Encrypt the fingerprints in the metadata of an encrypted backup, so that only its recipients can read them.

Whoever guesses the documents of a collection can confirm the guess by its fingerprint. So the metadata of an encrypted backup
holds its fingerprints as a small age file.
"""

import base64
import json

from sidecar.archive import keys
from sidecar.archive.keys import Keyring
from sidecar.errors import BackupInvalid
from sidecar.model import Manifest


def sealed(manifest: Manifest) -> Manifest:
    """Return the manifest as it is written: for an encrypted backup with encrypted fingerprints."""
    if manifest.encryption is None:
        return manifest
    fingerprints = {name: detail.fingerprint for name, detail in manifest.collection_details.items()}
    secret = keys.seal(json.dumps(fingerprints).encode(), manifest.encryption.recipients)
    return _with(manifest, dict.fromkeys(fingerprints), base64.b64encode(secret).decode())


def opened(manifest: Manifest, keyring: Keyring) -> Manifest:
    """Return the manifest with decrypted fingerprints, or unchanged if no key fits. Raises BackupInvalid if they are damaged."""
    if manifest.sealed is None:
        return manifest
    try:
        content = keyring.open(base64.b64decode(manifest.sealed, validate=True))
        if content is None:
            return manifest
        return _with(manifest, json.loads(content), None)
    except (ValueError, TypeError, KeyError) as error:
        raise BackupInvalid(f"metadata: its encrypted fingerprints cannot be read: {error}") from None


def _with(manifest: Manifest, fingerprints: dict[str, str | None], seal: str | None) -> Manifest:
    details = {
        name: detail.model_copy(update={"fingerprint": fingerprints[name]})
        for name, detail in manifest.collection_details.items()
    }
    return manifest.model_copy(update={"collection_details": details, "sealed": seal})
