"""Verify stored backups, one at a time or a share of them in turns, and report the verdicts to the catalogue."""

import math
from datetime import UTC, datetime
from functools import partial

from sidecar.archive.codec import Codec
from sidecar.errors import Busy, StorageError
from sidecar.events import Listener, nobody
from sidecar.logger import Logger
from sidecar.model import BackupId, BackupState, StoredBackup, Verdict
from sidecar.store.catalog import Catalog
from sidecar.store.deep import verify_deep
from sidecar.store.verify import verify

_NEVER = datetime.min.replace(tzinfo=UTC)

log = Logger(__name__)


class Verification:
    """Verifies the backups of a catalogue. Methods block."""

    def __init__(self, catalog: Catalog, codec: Codec) -> None:
        self._catalog = catalog
        self._codec = codec

    def one(self, stored: StoredBackup, *, deep: bool, listener: Listener = nobody) -> Verdict:
        """Verify one backup again, whatever was found before. A data file without metadata is not read.

        Raises StorageError or Busy if the backup cannot be read, IdentityRequired if no key opens it; none of these means
        that the backup is bad.
        """
        if stored.verdict.state is BackupState.ORPHAN:
            return stored.verdict
        return self._catalog.examine(stored, partial(self._found, stored, listener, deep=deep), is_deep=deep)

    def _found(self, stored: StoredBackup, listener: Listener, *, deep: bool) -> Verdict:
        store = self._catalog.stores[stored.set_name]
        if deep:
            return verify_deep(store, stored.id, self._codec, listener)
        return verify(store, stored.id, listener)

    def _as_deep_as_can_be(self, stored: StoredBackup, listener: Listener) -> Verdict:
        check = partial(self._found, stored, listener, deep=not stored.is_sealed)
        return self._catalog.examine(stored, check, is_deep=True)

    def slice(self, set_name: str, share: float, listener: Listener = nobody) -> dict[BackupId, Verdict]:
        """Verify this share of a set's backups deep, beginning with those verified the longest ago.

        Of a backup that is encrypted for others only the checksum is verified. A backup that cannot be read does not keep
        the others from being verified; StorageError is raised at the end if no other backup was found bad.
        """
        stored = [
            one for one in self._catalog.refresh(set_name, listener) if one.verdict.state is not BackupState.ORPHAN
        ]
        due = sorted(stored, key=self._verified_deep_at)[: math.ceil(len(stored) * share)]
        verdicts: dict[BackupId, Verdict] = {}
        failures: dict[BackupId, StorageError | Busy] = {}
        for one in due:
            try:
                verdicts[one.id] = self._as_deep_as_can_be(one, listener)
            except (StorageError, Busy) as error:
                log.warning("verify.not_read", backup_id=str(one.id), error=str(error))
                failures[one.id] = error
        there = {one.id for one in self._catalog.backups(set_name)}  # deleted meanwhile: not missing
        verdicts = {backup_id: verdict for backup_id, verdict in verdicts.items() if backup_id in there}
        if failures and all(verdict.is_valid for verdict in verdicts.values()):
            raise _unread(failures, len(due))
        return verdicts

    def _verified_deep_at(self, stored: StoredBackup) -> tuple[datetime, BackupId]:
        return self._catalog.verified_deep_at(stored) or _NEVER, stored.id


def _unread(failures: dict[BackupId, StorageError | Busy], due: int) -> StorageError:
    words = "; ".join(f"{backup_id}: {error}" for backup_id, error in failures.items())
    return StorageError(f"{len(failures)} of {due} backups could not be read: {words}")
