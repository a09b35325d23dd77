"""Whether a set's ledger and its backups fit."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.errors import LedgerBroken
from sidecar.store.files import Files
from sidecar.store.local import LocalStore
from sidecar.store.lock import unfinished

FURTHER_LOOKS: Final = 2  # a run may be under way, which enters and deletes between two questions
LOOK_SECONDS: Final = 0.1


def found(store: LocalStore, look: Callable[[], Sequence[Files]] | None = None) -> tuple[str, ...]:
    """What contradicts the ledger, in words, at every one of several looks. Blocks. Raises StorageError.

    `look` returns the files that there are; without it the directory is listed.
    """
    look = look or store.scan
    problems = _now(store, look)
    for _ in range(FURTHER_LOOKS if problems else 0):
        time.sleep(LOOK_SECONDS)
        again = _now(store, look)
        problems = tuple(one for one in problems if one in again)
    return problems


def require_none(store: LocalStore) -> None:
    """Raises LedgerBroken, StorageError."""
    if problems := found(store):
        raise LedgerBroken(
            f"the ledger of the set {store.set.name} and its backups do not match: {'; '.join(problems)}"
        )


def _now(store: LocalStore, look: Callable[[], Sequence[Files]]) -> tuple[str, ...]:
    if not store.seal.ledger.is_on:
        return ()
    files = look()
    there = [one.id for one in files if one.has_metadata]
    is_any_signed = any(one.signature_identity for one in files)
    under_way = unfinished(store.root, store.set.name)
    return store.seal.ledger.problems(there, under_way, is_any_signed=is_any_signed)
