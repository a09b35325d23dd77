"""The stages between the text of a backup and its stored bytes: compressed, then encrypted, each or neither."""

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

    level: int | None = None  # of compression; None: not compressed
    recipients: Sequence[str] = ()  # public keys; without any: not encrypted

    @property
    def form(self) -> Form:
        return Form.of(compressed=self.level is not None, encrypted=bool(self.recipients))


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to come back to: what was stored by then, and of which text."""

    stored: Measure
    text: Measure


START = Mark(Measure(), Measure())


class Writer:
    """Text goes in, stored bytes come out at `sink`. What the sink raises is raised here.

    What is encrypted is so for the recipients and for `own_key`, which is new, in memory only, and for reading back.
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
        """Of the stored bytes; of all of them once it is closed."""
        return self._stored

    @property
    def text(self) -> Measure:
        """Of the text; what is stored as it is needs no second SHA-256."""
        return self._stored if self._frames is None and self._encrypting is None else self._text

    def write(self, text: bytes) -> None:
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
        """Here; what comes from here on can be cut off and replaced, where `can_go_back`."""
        if self._encrypting is not None:
            return Mark(START.stored, self._text.copy())
        self._end_frame()
        return Mark(self._stored.copy(), self._text.copy())

    def can_go_back(self, mark: Mark) -> bool:
        """An encrypted stream can only be begun again."""
        return self._encrypting is None or not mark.text.size

    def _end_frame(self) -> None:
        if self._frames is not None:
            self._pass_on(self._frames.end_frame())

    def close(self) -> None:
        """After the last text: all is at the sink then."""
        self._end_frame()
        self.abandon()

    def abandon(self) -> None:
        """Nothing more comes. Raises what the sink raised."""
        if self._encrypting is not None:
            self._encrypting.close()


@contextmanager
def text_of(stored: Readable, form: Form, identities: Sequence[Identity]) -> Iterator[IO[bytes]]:
    """The text of a backup, read forwards in constant memory; not until its end is it known to be whole.

    Reads raise CompressionError, DecryptionError, and what reading `stored` raises.
    """
    opened = decrypted(stored, identities) if form.is_encrypted else nullcontext(stored)
    with opened as bare:
        if form.is_compressed:
            with BufferedReader(Decompressing(bare), BLOCK_BYTES) as text:
                yield text
        else:
            yield cast("IO[bytes]", bare)
