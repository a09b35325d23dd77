"""Find out whether an `_id` came twice, in constant memory for any number of documents.

Each `_id` is a hash of eight bytes. The hashes are sorted in runs, which are written to an unnamed temporary file. All runs are
cut at the same values, so that equal hashes lie in the same part, and one part at a time is sorted in memory. Runs and parts are
short, because Python answers no requests while it sorts. Two different `_id`s with the same hash (a chance of 5 in a million
among 14 million documents) cost one more read of the collection, never a wrong backup.
"""

import operator
import os
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sidecar.errors import StorageError

RUN_LENGTH = 1 << 15
PARTS = 1 << 10  # a part of a billion documents still fits into ten megabytes; small parts are sorted together
_EDGES = [(number << 64) // PARTS - (1 << 63) for number in range(1, PARTS)]


class SeenIds:
    """Collects hashes of `_id`s, and tells whether any came twice.

    Full runs are kept in an unnamed temporary file in `directory` (None: the system's) until the end of the `with` block.
    """

    def __init__(self, directory: Path | None, run_length: int = RUN_LENGTH) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None
        self._run_length = run_length
        self._current = array("q")
        self._cuts: list[array[int]] = []  # for each run in the file, where its parts begin, and the end of the last

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, hashes: "array[int]") -> None:
        """Add the hashes of a batch. Raises StorageError if there is no space for the temporary file."""
        self._current.extend(hashes)
        while len(self._current) >= self._run_length:
            run, self._current = sorted(self._current[: self._run_length]), self._current[self._run_length :]
            self._spill(array("q", run))
            self._cuts.append(_cut(run))

    def _spill(self, run: "array[int]") -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - closed by __exit__
            run.tofile(self._file)
        except OSError as error:
            raise StorageError.of(error, "writing the hashes of _ids to a temporary file") from error

    def has_repeats(self) -> bool:
        """Whether some hash was added twice. More can be added afterwards. Raises StorageError."""
        current = sorted(self._current)
        if self._file is None:
            return _has_neighbours(current)
        cuts, together = _cut(current), max(1, PARTS // (len(self._cuts) + 1))
        for part in range(0, PARTS, together):
            end = min(part + together, PARTS)
            hashes = current[cuts[part] : cuts[end]]
            for run in range(len(self._cuts)):
                hashes += self._read(run, part, end)
            hashes.sort()  # fast, because it merges sorted runs
            if _has_neighbours(hashes):
                return True
        return False

    def _read(self, run: int, first_part: int, end_part: int) -> "array[int]":
        assert self._file is not None  # noqa: S101 - the run is in it
        cuts, begins = self._cuts[run], run * self._run_length
        first, end = begins + cuts[first_part], begins + cuts[end_part]
        try:
            return array("q", os.pread(self._file.fileno(), 8 * (end - first), 8 * first))
        except OSError as error:
            raise StorageError.of(error, "reading the hashes of _ids from a temporary file") from error


def _cut(run: Sequence[int]) -> "array[int]":
    return array("q", [0, *(bisect_left(run, edge) for edge in _EDGES), len(run)])


def _has_neighbours(ordered: Sequence[int]) -> bool:
    return any(map(operator.eq, ordered, islice(ordered, 1, None)))
