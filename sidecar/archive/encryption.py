"""Encryption of a backup's stored bytes with age (https://age-encryption.org/v1).

pyrage copies from one stream to another until the first one ends. So it runs in a thread of its own at one end of a pipe, and
plain text stays in memory: it is never written to a disk.
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
    """The file is not an age file, is encrypted for other keys, or was changed or truncated."""


class Encrypting:
    """Encrypts what is written, and passes the result to `store` in order until `close`. Raises the errors of `store`."""

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
        """End the stream, and wait until its last bytes have been passed to `store`."""
        with suppress(BrokenPipeError):  # the thread ended early, and `end` raises its error
            self._plain.close()
        self._thread.end()


@contextmanager
def decrypted(stored: Readable, keys: Sequence[Identity]) -> Iterator[IO[bytes]]:
    """Open the plain bytes of an age file, read forwards in constant memory.

    Each block of 64 KiB is authenticated before it can be read; only the end shows that the file is whole. Reads raise
    DecryptionError, and the errors of reading `stored`.
    """
    reading, writing = os.pipe()
    source, plain = _Guarded(stored.read), os.fdopen(writing, "wb")
    thread = _Passing(source, plain, lambda: pyrage.decrypt_io(source, plain, list(keys)))
    with BufferedReader(_Plain(reading, thread), 1 << 18) as stream:
        yield stream


class _Plain(RawIOBase):
    """The reading end of the pipe. At its end it raises the thread's error if the file was not whole."""

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
            os.close(self._descriptor)  # a thread that still writes gets BrokenPipeError and ends
            self._thread.join()


class _Guarded:
    """A stream that remembers its exception, because pyrage replaces it by one without a cause."""

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call = call
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        return bytes(self._guarded(size))

    def write(self, content: bytes) -> int:
        self._guarded(content)
        return len(content)

    def flush(self) -> None:
        """Do nothing: pyrage calls this at the end, and the owner of the file flushes it."""

    def _guarded(self, argument: object) -> Any:
        try:
            return self._call(argument)
        except Exception as error:
            self.error = error
            raise


class _AgeError(OSError):
    """An error of age about its data, such as bytes that are not authentic; not an error of the file system."""


class _Passing(threading.Thread):
    """A thread that encrypts or decrypts, and closes its end of the pipe when it is done."""

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
            pass  # the caller closed its end of the pipe and does not want the rest
        except OSError as failure:
            error = _AgeError(str(failure))
        except BaseException as failure:  # noqa: BLE001 - `end` raises it in the thread that waits
            error = failure
        # Also after an apparent success: age's writer ignores a failure to write its last bytes.
        self._error = self._outside.error or error

    def end(self) -> None:
        """Wait for the thread. Raises its error."""
        self.join()
        if self._error is not None:
            raise self._error
