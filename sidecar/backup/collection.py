"""One collection on its way from a cursor into a draft."""

from sidecar.archive.codec import Codec
from sidecar.archive.tally import Tally
from sidecar.events import Listener, Progressed
from sidecar.model import Collection, CollectionDetails
from sidecar.mongodb.reader import Reader
from sidecar.mongodb.reading import READS, read_collection
from sidecar.runtime.threads import in_thread
from sidecar.store.draft import Draft


async def copy_collection(  # noqa: PLR0913 - what goes where, and who is told
    reader: Reader, item: Collection, draft: Draft, codec: Codec, listener: Listener, *, by_id: bool
) -> CollectionDetails:
    """Read a collection into a draft: nothing half-read is ever kept. Raises SourceError, StorageError.

    A draft that cannot go back gets one attempt: whoever began it begins it again, and then reads `by_id`.
    """
    section = await in_thread(_Section, draft, codec)

    def told(expected: int) -> None:
        listener(Progressed("backup", item.name, section.tally.documents, section.tally.bson_bytes, expected))

    reads = READS if section.can_begin_again else 1
    await read_collection(reader, item, section, told, codec.id_hashes, reads=reads, by_id=by_id)
    await in_thread(section.end)
    return section.tally.details()


class _Section:
    """The documents of one collection as lines of a draft."""

    def __init__(self, draft: Draft, codec: Codec) -> None:
        self.tally = Tally()
        self._draft = draft
        self._codec = codec
        self._start = draft.mark()
        self.can_begin_again = draft.can_rewind(self._start)

    def begin(self) -> None:
        self._draft.rewind(self._start)
        self.tally = Tally()

    def take(self, batch: bytes) -> int:
        encoded = self._codec.encode(batch)
        if self.tally.documents and encoded.documents:
            self._draft.write(b",\n")
        self._draft.write(encoded.text)
        self.tally.add(encoded.documents, len(batch), encoded.fingerprint, encoded.escaped)
        return encoded.documents

    def end(self) -> None:
        """After the last document: close its line."""
        if self.tally.documents:
            self._draft.write(b"\n")
