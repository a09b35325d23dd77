"""age (https://age-encryption.org/v1) around the stored bytes of a backup.

pyrage reads from one stream and writes to another until the first one ends, so each direction runs in a thread of its own
beside a pipe of the kernel: plain text passes through memory only and is never written to a disk.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader, RawIOBase
from typing import IO, Any

import pyrage

from sidecar.archive.keys import NO_KEY_FITS, Identity, Recipient
from sidecar.archive.streams import Readable


class DecryptionError(ValueError):
    """The file is not age, is for others, or was changed or cut since it was written."""


class Encrypting:
    """What is written comes out encrypted at `store`, in order, until `close`. Raises what that raises."""

    def __init__(self, store: Callable[[bytes], object], recipients: Sequence[Recipient]) -> None:
        reading, writing = os.pipe()
        self._plain = os.fdopen(writing, "wb")
        stored = _Guarded(store)
        plain = os.fdopen(reading, "rb")
        self._thread = _Passing(stored, plain, lambda: pyrage.encrypt_io(plain, stored, list(recipients)))

    def write(self, content: bytes) -> None:
        try:
            self._plain.write(content)
        except BrokenPipeError:
            self.close()
            raise

    def close(self) -> None:
        """End the stream; its last bytes are at the sink then."""
        with suppress(BrokenPipeError):  # the thread ended before, and says why
            self._plain.close()
        self._thread.end()


@contextmanager
def decrypted(stored: Readable, keys: Sequence[Identity]) -> Iterator[IO[bytes]]:
    """The plain bytes of an age file, read forwards in constant memory.

    A block of 64 KiB is authentic when it is read; that the file is whole is known at its end. Reads raise DecryptionError,
    and what reading `stored` raises.
    """
    reading, writing = os.pipe()
    source, plain = _Guarded(stored.read), os.fdopen(writing, "wb")
    thread = _Passing(source, plain, lambda: pyrage.decrypt_io(source, plain, list(keys)))
    with BufferedReader(_Plain(reading, thread), 1 << 18) as stream:
        yield stream


class _Plain(RawIOBase):
    """The reading end of the pipe; at its end the thread says whether the file was whole."""

    def __init__(self, descriptor: int, thread: "_Passing") -> None:
        self._descriptor = descriptor
        self._thread = thread

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = os.readv(self._descriptor, [buffer])
        if not read:
            self._require_whole()
        return read

    def _require_whole(self) -> None:
        try:
            self._thread.end()
        except pyrage.DecryptError as error:
            if str(error) == NO_KEY_FITS:
                raise DecryptionError("no private key fits the header of the encrypted data") from None
            raise DecryptionError(f"not an age file, or its header was changed or cut: {error}") from None
        except _AgeError:
            raise DecryptionError("the encrypted data was changed or cut since it was written") from None

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)  # a thread that still writes ends by that
            self._thread.join()


class _Guarded:
    """A stream that keeps its own exception: pyrage replaces it by one that says nothing."""

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call = call
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        return bytes(self._guarded(size))

    def write(self, content: bytes) -> int:
        self._guarded(content)
        return len(content)

    def flush(self) -> None:
        """Asked for at the end; the file behind the stream is flushed by its owner."""

    def _guarded(self, argument: object) -> Any:
        try:
            return self._call(argument)
        except Exception as error:  # whatever it was, it is raised again
            self.error = error
            raise


class _AgeError(OSError):
    """What age raises for bytes that are not authentic; nothing of the file system."""


class _Passing(threading.Thread):
    """One direction of age beside its caller; ends by closing its side of the pipe."""

    def __init__(self, outside: _Guarded, pipe: IO[bytes], work: Callable[[], None]) -> None:
        super().__init__(name="age", daemon=True)
        self._outside = outside
        self._pipe = pipe
        self._work = work
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        error: BaseException | None = None
        try:
            with self._pipe:
                self._work()
        except BrokenPipeError:
            pass  # the other side of the pipe was closed: nobody asks for the rest
        except OSError as failure:
            error = _AgeError(str(failure))
        except BaseException as failure:  # noqa: BLE001 - a thread has nobody above it: whoever waits for it is told
            error = failure
        # Also after a seeming success: age's writer passes over a failure to write its last bytes.
        self._error = self._outside.error or error

    def end(self) -> None:
        """Wait for it. Raises what ended it."""
        self.join()
        if self._error is not None:
            raise self._error
