"""The documents of one collection: every version ever stored, and when each was alive."""

from array import array
from collections.abc import Iterator
from itertools import count
from typing import Final

from support.exact_server.errors import CommandError
from support.exact_server.indexes import IndexSpec, UniqueKeys
from support.exact_server.raw_bson import SortKey, key_of

_FOREVER: Final = 2**63 - 1


class Documents:
    """Rows of raw BSON, numbered in the order of insertion; a row lives from one cluster time to another."""

    def __init__(self, ns: str) -> None:
        self.ns = ns
        self._raws: list[bytes] = []
        self._born = array("q")
        self._died = array("q")
        self._unique: dict[str, UniqueKeys] = {}

    def insert(self, raw: bytes, now: int) -> None:
        """Raises DuplicateKey (11000) and stores nothing."""
        row, keys = len(self._raws), self._keys(raw)
        for unique, key in keys:
            if key in unique.rows:
                raise _duplicate(self.ns, unique)
        for unique, key in keys:
            unique.rows[key] = row
        self._raws.append(raw)
        self._born.append(now)
        self._died.append(_FOREVER)

    def remove(self, row: int, now: int) -> None:
        for unique, key in self._keys(self._raws[row]):
            del unique.rows[key]
        self._died[row] = now

    def replace(self, row: int, raw: bytes, now: int) -> None:
        """Raises DuplicateKey (11000) and leaves the old version alive."""
        self.remove(row, now)
        try:
            self.insert(raw, now)
        except CommandError:
            self._died[row] = _FOREVER
            for unique, key in self._keys(self._raws[row]):
                unique.rows[key] = row
            raise

    def raw(self, row: int) -> bytes:
        return self._raws[row]

    def rows(self, at: int | None = None, key: SortKey | None = None, *, by_id: int = 0) -> Iterator[int]:
        """Rows alive at a cluster time or, without one, at the moment each is reached; lazily.

        `key` picks those with this `_id`; `by_id` 1 or -1 sorts by it.
        """
        if by_id:
            ordered = sorted(
                self.rows(at, key), key=lambda row: key_of(self._raws[row], b"_id") or (), reverse=by_id < 0
            )
            return (row for row in ordered if self._is_alive(row, at))
        if key is not None:
            return (row for row in self._candidates(at, key) if self._is_alive(row, at))
        return self._scan(at)

    def enforce(self, spec: IndexSpec) -> None:
        """Starts to enforce a unique index. Raises DuplicateKey (11000) where the rows alive already break it."""
        if spec.unique_field is None:
            return
        unique = UniqueKeys(spec.name, spec.unique_field, spec.is_sparse)
        for row in self.rows():
            key = unique.key(self._raws[row])
            if key in unique.rows:
                raise _duplicate(self.ns, unique)
            if key is not None:
                unique.rows[key] = row
        self._unique[spec.name] = unique

    def relax(self, index_name: str) -> None:
        """Stops to enforce an index, if it was."""
        self._unique.pop(index_name, None)

    def _keys(self, raw: bytes) -> list[tuple[UniqueKeys, SortKey]]:
        keys = ((unique, unique.key(raw)) for unique in self._unique.values())
        return [(unique, key) for unique, key in keys if key is not None]

    def _scan(self, at: int | None) -> Iterator[int]:
        for row in count():
            if row >= len(self._raws):
                return
            if self._is_alive(row, at):
                yield row

    def _candidates(self, at: int | None, key: SortKey) -> Iterator[int]:
        ids = self._unique.get("_id_")
        if at is None and ids is not None:
            return iter([ids.rows[key]] if key in ids.rows else [])
        return (row for row in self._scan(at) if key_of(self._raws[row], b"_id") == key)

    def _is_alive(self, row: int, at: int | None) -> bool:
        if at is None:
            return self._died[row] == _FOREVER
        return self._born[row] <= at < self._died[row]


def _duplicate(ns: str, unique: UniqueKeys) -> CommandError:
    return CommandError(11000, f"E11000 duplicate key error collection: {ns} index: {unique.index_name}")
