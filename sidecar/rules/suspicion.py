"""Whether a new backup lost what the recent ones still held. Pure.

An application that was emptied by accident goes on being backed up, and each of its empty backups is valid. So a backup is
compared with the recent ones that nobody doubts: a collection that had documents and has none, or one of some size that lost
more than half of them, makes it suspect.
"""

from collections.abc import Iterable, Mapping

from sidecar.model import documents_in_words

RECENT = 5  # valid backups that are compared with
SOME_SIZE = 10  # documents; the half of fewer is soon deleted by hand
KEPT_SHARE = 0.5


def baseline(recent: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The most documents that each collection had in any of the recent backups."""
    most: dict[str, int] = {}
    for counts in recent:
        for name, documents in counts.items():
            most[name] = max(documents, most.get(name, 0))
    return most


def losses(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[str, ...]:
    """What a backup with these document counts lost against the baseline, in words; nothing if it is above suspicion."""
    return tuple(
        f"{name}: {documents_in_words(now.get(name, 0))}, a recent backup holds {had:,}"
        for name, had in sorted(before.items())
        if _is_lost(had, now.get(name, 0))
    )


def _is_lost(had: int, has: int) -> bool:
    return (had > 0 and has == 0) or (had >= SOME_SIZE and has < KEPT_SHARE * had)
