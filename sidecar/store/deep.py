"""Deep verification: decode every document of a backup and compare it with the metadata."""

from collections import Counter

from sidecar.archive import legacy
from sidecar.archive.codec import Codec
from sidecar.archive.tally import Tally
from sidecar.errors import BackupInvalid, IdentityRequired
from sidecar.events import Listener, Progressed, nobody
from sidecar.model import BackupId, Manifest, Verdict
from sidecar.store.contents import contents
from sidecar.store.local import LocalStore
from sidecar.store.verify import judged, read_manifest, require_checksum, require_size


def verify_deep(store: LocalStore, backup_id: BackupId, codec: Codec, listener: Listener = nobody) -> Verdict:
    """Decode every document, and compare counts, BSON bytes, fingerprints and the checksum with the metadata.

    The verdict's message lists the definitions that a restore may have to change. Raises IdentityRequired if the checksum
    is right but no key opens the data.
    """

    def check() -> list[str]:
        manifest = read_manifest(store, backup_id)
        require_size(store, manifest, backup_id)
        try:
            return _require_content(store, manifest, backup_id, codec, listener)
        except (BackupInvalid, IdentityRequired):  # a wrong checksum, if it is one, is the clearer error
            require_checksum(store, manifest, backup_id, listener)
            raise

    return judged(check)


def _require_content(
    store: LocalStore, manifest: Manifest, backup_id: BackupId, codec: Codec, listener: Listener
) -> list[str]:
    """Return remarks on the definitions that a restore may have to change. Raises BackupInvalid."""
    found: dict[str, Tally] = {}
    read: Counter[str] = Counter()
    with contents(store, backup_id, manifest, codec) as content:
        remarks = [f"{name}: {said}" for name, item in content.definitions.items() for said in legacy.remarks(item)]
        for batch in content.batches:
            tally = found.setdefault(batch.collection, Tally())
            tally.add(batch.documents, len(batch.bson), batch.fingerprint, batch.escaped)
            read[batch.collection] += batch.text_bytes
            name, expected = batch.collection, manifest.collections.get(batch.collection, 0)
            listener(Progressed("verify", name, tally.documents, tally.bson_bytes, expected, read[name]))
            del batch  # frees its memory before the next one is read
    counts = {name: tally.documents for name, tally in found.items()}
    if counts != manifest.collections:
        raise BackupInvalid(f"the data holds {counts} documents, the metadata says {manifest.collections}")
    for name, described in manifest.collection_details.items():
        held = found[name].details()
        if held != described:
            raise BackupInvalid(f"{name}: the data holds {held}, the metadata says {described}")
    return remarks
