"""One collection on its way from a cursor into a draft."""

from types import TracebackType
from typing import Self

from sidecar.archive.codec import Codec
from sidecar.archive.tally import Tally
from sidecar.events import Listener, Progressed
from sidecar.model import Collection, CollectionDetails
from sidecar.mongodb.reader import Reader
from sidecar.mongodb.reading import READS, read_collection
from sidecar.runtime.threads import AHEAD_BYTES, OneBehind, entered, in_thread
from sidecar.store.draft import Draft


async def copy_collection(  # noqa: PLR0913 - what goes where, and who is told
    reader: Reader, item: Collection, draft: Draft, codec: Codec, listener: Listener, *, by_id: bool
) -> CollectionDetails:
    """Read a collection into a draft: nothing half-read is ever kept. Raises SourceError, StorageError.

    A draft that cannot go back gets one attempt: whoever began it begins it again, and then reads `by_id`.
    """
    async with entered(_Section(draft, codec)) as section:

        def told(expected: int) -> None:
            listener(Progressed("backup", item.name, section.tally.documents, section.tally.bson_bytes, expected))

        reads = READS if section.can_begin_again else 1
        await read_collection(reader, item, section, told, codec.id_hashes, reads=reads, by_id=by_id)
        await in_thread(section.end)
        return section.tally.details()


class _Section:
    """The documents of one collection as lines of a draft: while one batch is encoded, the one before is hashed and written."""

    def __init__(self, draft: Draft, codec: Codec) -> None:
        self.tally = Tally()
        self._draft = draft
        self._codec = codec
        self._writing = OneBehind()

    def __enter__(self) -> Self:
        self._start = self._draft.mark()
        self.can_begin_again = self._draft.can_rewind(self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.__exit__(kind, error, trace)

    def begin(self) -> None:
        self._writing.end()
        self._draft.rewind(self._start)
        self.tally = Tally()

    def take(self, batch: bytes) -> int:
        encoded = self._codec.encode(batch)
        separator = b",\n" if self.tally.documents and encoded.documents else b""
        self.tally.add(encoded.documents, len(batch), encoded.fingerprint, encoded.escaped)
        self._writing.begin(self._write, separator, encoded.text)
        if len(batch) > AHEAD_BYTES:  # beside it nothing is read, and nothing is encoded
            self._writing.end()
        return encoded.documents

    def _write(self, separator: bytes, text: bytes) -> None:
        if separator:
            self._draft.write(separator)
        self._draft.write(text)

    def end(self) -> None:
        """After the last document: close its line."""
        self._writing.end()
        if self.tally.documents:
            self._draft.write(b"\n")
