"""Find out whether a new backup lost documents that recent backups hold. Pure.

A database that was emptied by accident is still backed up, and each empty backup is valid. So a backup is compared with recent
ones that are not suspect. It becomes suspect if a collection had documents and has none, or if one of ten or more documents lost
more than half of them.
"""

from collections.abc import Iterable, Mapping

from sidecar.model import documents_in_words

RECENT = 5  # the number of valid backups to compare with
SOME_SIZE = 10  # documents; half of fewer is easily deleted on purpose
KEPT_SHARE = 0.5


def baseline(recent: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The largest number of documents that each collection had in any of the recent backups."""
    most: dict[str, int] = {}
    for counts in recent:
        for name, documents in counts.items():
            most[name] = max(documents, most.get(name, 0))
    return most


def losses(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[str, ...]:
    """What a backup with these document counts lost compared with the baseline, in words; empty if it is not suspect."""
    return tuple(
        f"{name}: {documents_in_words(now.get(name, 0))}, a recent backup holds {had:,}"
        for name, had in sorted(before.items())
        if _is_lost(had, now.get(name, 0))
    )


def _is_lost(had: int, has: int) -> bool:
    return (had > 0 and has == 0) or (had >= SOME_SIZE and has < KEPT_SHARE * had)
