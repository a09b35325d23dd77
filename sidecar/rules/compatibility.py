"""Which server version the definitions of a backup need. Pure.

Source of the versions: https://www.mongodb.com/docs/manual/release-notes/.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Version = tuple[int, int]

_INDEX_OPTIONS: Mapping[str, Version] = {"hidden": (4, 4), "clustered": (5, 3), "prepareUnique": (6, 0)}
_COLLECTION_OPTIONS: Mapping[str, Version] = {
    "timeseries": (5, 0),
    "clusteredIndex": (5, 3),
    "changeStreamPreAndPostImages": (6, 0),
    "encryptedFields": (6, 0),
}
_WILDCARD: Version = (4, 2)
_COMPOUND_WILDCARD: Version = (7, 0)


def version_of(text: str) -> Version | None:
    """The first two numbers of a version as buildInfo reports it; None if there are none."""
    parts = text.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and all(part.isdecimal() for part in parts[:2]) else None


def is_older(target: str, source: str | None) -> bool:
    """Whether the target's version is older than the source's, by major and minor number. False if one is unknown."""
    has, needs = version_of(target), version_of(source or "")
    return has is not None and needs is not None and has < needs


def lacks(name: str, options: Mapping[str, Any], indexes: Sequence[Mapping[str, Any]], target: str) -> list[str]:
    """The options in a collection's definition that a server of the version `target` does not know, in words."""
    has = version_of(target)
    needed = [(f"the option {key}", since) for key, since in _COLLECTION_OPTIONS.items() if key in options]
    for index in indexes:
        needed += [
            (f"{key} of the index {index['name']}", since) for key, since in _INDEX_OPTIONS.items() if index.get(key)
        ]
        if wildcard := _wildcard(index):
            needed.append((f"the wildcard of the index {index['name']}", wildcard))
    return [
        f"{name}: {what} is known since {since[0]}.{since[1]}, the server is {target}"
        for what, since in needed
        if has is not None and has < since
    ]


def _wildcard(index: Mapping[str, Any]) -> Version | None:
    keys = list(index.get("key", {}))
    if not any(key.endswith("$**") for key in keys):
        return None
    return _COMPOUND_WILDCARD if len(keys) > 1 else _WILDCARD
