"""Copies elsewhere, by set and copy: from what is remembered of them, and the lasting counters."""

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sidecar.copies.copies import CopyView
from sidecar.copies.memory import Held
from sidecar.errors import BackupInvalid, Busy, CopyError, StorageError, codes_below
from sidecar.metrics.family import Family, Labelled, Type, seconds
from sidecar.metrics.state import State
from sidecar.runs.operations import failures_of, healed_of

REASONS = sorted(codes_below(CopyError, StorageError, BackupInvalid, Busy))
DIRECTIONS = ("here", "there")


def _of_copy(name: str, meaning: str, value: Callable[[CopyView, State], float]) -> Family:
    def samples(state: State) -> Labelled:
        return [((one.set_name, one.copy.name), value(one, state)) for one in state.overview.copies.values()]

    return Family(name, Type.GAUGE, ("set", "copy"), meaning, samples)


def _age(one: CopyView, state: State) -> float:
    newest = one.restorable[0] if one.restorable else None
    return max((state.clock.now() - newest.taken_at).total_seconds(), 0) if newest else math.inf


def _verified(one: CopyView, _: State) -> float:
    read = [held.backup.verified_at for held in one.held if held.backup.verified_at]
    return seconds(max(read, default=None))


def _unlocked(one: CopyView, state: State) -> float:
    if not one.copy.object_lock_days:
        return 0
    now = state.clock.now()
    proven = [held for held in one.held if held.is_proven]
    return sum(held.locked_until is None and _is_young(held, one, now) for held in proven)


def _is_young(held: Held, one: CopyView, now: datetime) -> bool:
    """Whether its lock cannot have run out yet."""
    return now - held.backup.taken_at < timedelta(days=one.copy.object_lock_days or 0)


def _up(state: State) -> Labelled:
    contacts: dict[str, list[bool]] = {}
    for one in state.overview.copies.values():
        is_good = one.contact is not None and one.contact.answered_at is not None and one.contact.error is None
        contacts.setdefault(one.copy.name, []).append(is_good)
    return [((name,), all(found)) for name, found in contacts.items()]


def _counted(name_of: Callable[[str, str], str], values: Iterable[str]) -> Callable[[State], Labelled]:
    def samples(state: State) -> Labelled:
        return [
            (
                (one.set_name, one.copy.name, value),
                state.overview.counted.get((name_of(one.copy.name, value), one.set_name), 0),
            )
            for one in state.overview.copies.values()
            for value in values
        ]

    return samples


COPIES = (
    _of_copy("copy_age_seconds", "Age of the newest verified copy; +Inf without one.", _age),
    _of_copy(
        "copy_max_age_seconds",
        "Age above which the newest copy is too old.",
        lambda one, _: one.copy.max_age_hours * 3600,
    ),
    _of_copy(
        "copy_valid",
        "1 if the newest backup in the copy was read back and is valid.",
        lambda one, _: bool(one.held and one.held[0].is_proven),
    ),
    _of_copy(
        "copy_backups", "Backups in the copy that were read back and are valid.", lambda one, _: len(one.restorable)
    ),
    _of_copy(
        "copy_damaged_backups",
        "Damaged backups in the copy that are not healed yet.",
        lambda one, _: sum(held.is_damaged for held in one.held),
    ),
    _of_copy("copy_lag_backups", "Backups that wait to be copied and read back.", lambda one, _: one.lag),
    _of_copy("copy_last_verification_timestamp_seconds", "When a backup in the copy was last read back.", _verified),
    _of_copy(
        "copy_locked_until_timestamp_seconds",
        "When the lock of the newest backup in the copy ends; 0 without a lock.",
        lambda one, _: seconds(one.held[0].locked_until if one.held else None),
    ),
    _of_copy(
        "copy_unlocked_backups", "Backups in the copy without the lock that object_lock_days asks for.", _unlocked
    ),
    Family(
        "copy_failures_total",
        Type.COUNTER,
        ("set", "copy", "reason"),
        "Failed attempts to update the copy, by error code.",
        _counted(failures_of, REASONS),
    ),
    Family(
        "copy_healed_total",
        Type.COUNTER,
        ("set", "copy", "direction"),
        "Damaged backups that were healed: `here` from the copy, `there` from this directory.",
        _counted(healed_of, DIRECTIONS),
    ),
    Family("copy_up", Type.GAUGE, ("copy",), "1 if the last contact with the copy succeeded.", _up),
)
