"""What metadata would tell of an encrypted backup's content, for its recipients alone.

A fingerprint confirms a guess: whoever guesses a document right sees that it is in there. So fingerprints of encrypted backups
stand in the metadata as a small age file of their own.
"""

import base64
import json

from sidecar.archive import keys
from sidecar.archive.keys import Keyring
from sidecar.errors import BackupInvalid
from sidecar.model import Manifest


def sealed(manifest: Manifest) -> Manifest:
    """As it is written beside the data: without anything that confirms a guess, where the backup is encrypted."""
    if manifest.encryption is None:
        return manifest
    fingerprints = {name: detail.fingerprint for name, detail in manifest.collection_details.items()}
    secret = keys.seal(json.dumps(fingerprints).encode(), manifest.encryption.recipients)
    return _with(manifest, dict.fromkeys(fingerprints), base64.b64encode(secret).decode())


def opened(manifest: Manifest, keyring: Keyring) -> Manifest:
    """With what was sealed, or as it is where no key fits. Raises BackupInvalid for what nobody can have sealed."""
    if manifest.sealed is None:
        return manifest
    try:
        content = keyring.open(base64.b64decode(manifest.sealed, validate=True))
        if content is None:
            return manifest
        return _with(manifest, json.loads(content), None)
    except (ValueError, TypeError, KeyError) as error:
        raise BackupInvalid(f"metadata: what is sealed in it cannot be read: {error}") from None


def _with(manifest: Manifest, fingerprints: dict[str, str | None], seal: str | None) -> Manifest:
    details = {
        name: detail.model_copy(update={"fingerprint": fingerprints[name]})
        for name, detail in manifest.collection_details.items()
    }
    return manifest.model_copy(update={"collection_details": details, "sealed": seal})
