"""Finds an `_id` that came twice, in constant memory however many there are.

Eight bytes of hash per document are sorted in runs that spill to an unnamed temporary file; equal neighbours show when the
runs are merged. Two different ids with one hash (a chance of 5 in a million among 14 million documents) cost one more
read of the collection, never a wrong backup.
"""

import heapq
import tempfile
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sidecar.errors import StorageError

RUN_LENGTH = 1 << 18
_READ_LENGTH = 1 << 12


class SeenIds:
    """Collects ids and answers whether any came twice.

    What is more than one run lies in a nameless temporary file in `directory` (None: the system's) while in `with`.
    """

    def __init__(self, directory: Path | None, run_length: int = RUN_LENGTH) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None
        self._run_length = run_length
        self._current = array("q")
        self._runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, hashes: "array[int]") -> None:
        """Raises StorageError where there is no room."""
        self._current.extend(hashes)
        while len(self._current) >= self._run_length:
            run, self._current = self._current[: self._run_length], self._current[self._run_length :]
            self._spill(array("q", sorted(run)))
            self._runs += 1

    def _spill(self, run: "array[int]") -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - closed by __exit__
            self._file.seek(0, 2)
            self._file.write(run.tobytes())
        except OSError as error:
            raise StorageError.of(error, "noting which documents were read") from error

    def has_repeats(self) -> bool:
        """Whether some id was added twice; may be asked again after more were added."""
        runs = [self._run(number) for number in range(self._runs)]
        return any(a == b for a, b in pairwise(heapq.merge(*runs, sorted(self._current))))

    def _run(self, number: int) -> Iterator[int]:
        assert self._file is not None  # noqa: S101 - there is a run in it
        size = 8 * self._run_length
        for offset in range(number * size, (number + 1) * size, 8 * _READ_LENGTH):
            self._file.seek(offset)
            part = array("q")
            part.frombytes(self._file.read(min(8 * _READ_LENGTH, (number + 1) * size - offset)))
            yield from part
