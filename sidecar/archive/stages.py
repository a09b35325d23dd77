"""The stages between the text of a backup and its stored bytes: compression, then encryption; both are optional."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BufferedReader
from typing import IO, cast

from sidecar.archive import keys
from sidecar.archive.compression import BLOCK_BYTES, Compressing, Decompressing
from sidecar.archive.encryption import Encrypting, decrypted
from sidecar.archive.keys import AgeIdentity, Identity
from sidecar.archive.streams import Measure, Readable, Sink
from sidecar.model import Form


@dataclass(frozen=True, slots=True)
class Storing:
    """How new backups are stored."""

    level: int | None = None  # the compression level; None: not compressed
    recipients: Sequence[str] = ()  # public keys; empty: not encrypted

    @property
    def form(self) -> Form:
        return Form.of(compressed=self.level is not None, encrypted=bool(self.recipients))


@dataclass(frozen=True, slots=True)
class Mark:
    """A position to which a draft can be truncated: the measures of the stored bytes and of the text before it."""

    stored: Measure
    text: Measure


START = Mark(Measure(), Measure())


class Writer:
    """Compresses and encrypts text, and writes the stored bytes to `sink`. Raises the errors of the sink.

    An encrypted backup is also encrypted for `own_key`, a new key that exists in memory only, to read the backup back once.
    """

    def __init__(self, sink: Sink, storing: Storing, at: Mark = START) -> None:
        self.own_key: AgeIdentity | None = None
        self._sink = sink
        self._stored, self._text = at.stored.copy(), at.text.copy()
        self._frames = None if storing.level is None else Compressing(storing.level)
        self._encrypting: Encrypting | None = None
        if storing.recipients:
            self.own_key = keys.new_identity()
            readers = [*map(keys.recipient, storing.recipients), self.own_key.to_public()]
            self._encrypting = Encrypting(self._store, readers)

    @property
    def stored(self) -> Measure:
        """The measure of the stored bytes; complete after `close`."""
        return self._stored

    @property
    def text(self) -> Measure:
        """The measure of the text. If the text is stored unchanged, it is that of the stored bytes, without a second SHA-256."""
        return self._stored if self._frames is None and self._encrypting is None else self._text

    def write(self, text: bytes) -> None:
        """Add text, and write the stored bytes that are ready to the sink."""
        if self.text is self._text:
            self._text.add(text)
        self._pass_on(text if self._frames is None else self._frames.write(text))

    def _pass_on(self, content: bytes) -> None:
        if self._encrypting is None:
            self._store(content)
        else:
            self._encrypting.write(content)

    def _store(self, content: bytes) -> None:
        self._sink.write(content)
        self._stored.add(content)

    def mark(self) -> Mark:
        """The current position. What is written after it can be truncated and replaced if `can_go_back`."""
        if self._encrypting is not None:
            return Mark(START.stored, self._text.copy())
        self._end_frame()
        return Mark(self._stored.copy(), self._text.copy())

    def can_go_back(self, mark: Mark) -> bool:
        """Whether the stored bytes can be truncated at this mark: an encrypted stream can only begin again at its start."""
        return self._encrypting is None or not mark.text.size

    def _end_frame(self) -> None:
        if self._frames is not None:
            self._pass_on(self._frames.end_frame())

    def close(self) -> None:
        """End the last frame and the encryption, so that all stored bytes are written to the sink."""
        self._end_frame()
        self.abandon()

    def abandon(self) -> None:
        """End the encryption without ending the frame. Raises the error of the sink."""
        if self._encrypting is not None:
            self._encrypting.close()


@contextmanager
def text_of(stored: Readable, form: Form, identities: Sequence[Identity]) -> Iterator[IO[bytes]]:
    """Open the text of a backup, read forwards in constant memory. Only its end shows that it is whole.

    Reads raise CompressionError, DecryptionError, and the errors of reading `stored`.
    """
    opened = decrypted(stored, identities) if form.is_encrypted else nullcontext(stored)
    with opened as bare:
        if form.is_compressed:
            with BufferedReader(Decompressing(bare), BLOCK_BYTES) as text:
                yield text
        else:
            yield cast("IO[bytes]", bare)
