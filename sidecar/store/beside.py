"""Open a backup in any directory by the path of its data file."""

from dataclasses import replace
from pathlib import Path

from sidecar.archive.keys import Keyring
from sidecar.archive.manifest import set_name_of
from sidecar.archive.signing import Signing
from sidecar.errors import BackupInvalid, BackupNotFound, StorageError
from sidecar.model import BackupId, BackupSet
from sidecar.store.local import LocalStore


def beside(path: Path, keyring: Keyring, signing: Signing) -> tuple[LocalStore, BackupId]:
    """Return a store for the directory of a data file, and the backup's id. The metadata names the set.

    Raises BackupNotFound, BackupInvalid if there is no valid metadata beside the file, StorageError.
    """
    backup_id = BackupId.of_file(path.name)
    try:
        is_there = path.is_file()
    except OSError as error:
        raise StorageError.of(error, f"looking at {path}") from error
    if not is_there or backup_id is None or path.name == backup_id.metadata_name:
        raise BackupNotFound(f"{path}: expected an existing file <prefix>_YYYYMMDD_HHMMSS.json, .json.zst or .age")
    nameless = LocalStore(path.parent.resolve(), BackupSet(name="", collections=("*",), prefix=backup_id.prefix))
    try:
        set_name = set_name_of(nameless.read_metadata(backup_id))
    except BackupNotFound:
        raise BackupInvalid(
            f"{backup_id.metadata_name} is missing beside it: without its checksum the file cannot be trusted"
        ) from None
    return LocalStore(nameless.root, replace(nameless.set, name=set_name), keyring, signing), backup_id
