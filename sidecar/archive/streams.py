"""Streams that are only read or written forwards, and the size and checksum of their bytes."""

import hashlib
from typing import IO, Protocol


class Readable(Protocol):
    """A binary stream to read from."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """A binary stream to write to."""

    def write(self, content: bytes, /) -> object: ...


class Measure:
    """The number of bytes added so far, and their SHA-256."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()

    def add(self, content: bytes) -> None:
        self._digest.update(content)
        self.size += len(content)

    @property
    def checksum(self) -> str:
        return self._digest.hexdigest()

    def copy(self) -> "Measure":
        copied = Measure()
        copied.size, copied._digest = self.size, self._digest.copy()
        return copied


class Measured:
    """A stream with the measure of the bytes that were read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.measure = Measure()
        self._stream = stream

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self.measure.add(content)
        return content

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(limit)
        self.measure.add(line)
        return line
