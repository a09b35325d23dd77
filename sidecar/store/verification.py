"""Stored backups read again, one by one or by turns, and what was found made known to the catalogue."""

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
    """Of the backups of a catalogue. Methods block."""

    def __init__(self, catalog: Catalog, codec: Codec) -> None:
        self._catalog = catalog
        self._codec = codec

    def one(self, stored: StoredBackup, *, deep: bool, listener: Listener = nobody) -> Verdict:
        """Whatever was known of it.

        Raises StorageError, Busy where it cannot be read, IdentityRequired where its content cannot: that says nothing of the
        backup.
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
        """Verify deep this share of a set's backups: those for which that is longest ago. Raises StorageError.

        Of those that are encrypted for others the stored bytes are all that can be verified. One that cannot be read just now
        does not keep the others from being verified; the error comes after them.
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
        there = {one.id for one in self._catalog.backups(set_name)}  # what was deleted meanwhile is not missing
        verdicts = {backup_id: verdict for backup_id, verdict in verdicts.items() if backup_id in there}
        if failures and all(verdict.is_valid for verdict in verdicts.values()):
            raise _unread(failures, len(due))
        return verdicts

    def _verified_deep_at(self, stored: StoredBackup) -> tuple[datetime, BackupId]:
        return self._catalog.verified_deep_at(stored) or _NEVER, stored.id


def _unread(failures: dict[BackupId, StorageError | Busy], due: int) -> StorageError:
    words = "; ".join(f"{backup_id}: {error}" for backup_id, error in failures.items())
    return StorageError(f"{len(failures)} of {due} backups could not be read: {words}")
