"""One collection on its way from a cursor into a draft."""

from sidecar.archive.codec import Codec
from sidecar.archive.tally import Tally
from sidecar.events import Listener, Progressed
from sidecar.model import Collection, CollectionDetails
from sidecar.mongodb.reader import Reader
from sidecar.mongodb.reading import read_collection
from sidecar.runtime.threads import in_thread
from sidecar.store.draft import Draft


async def copy_collection(
    reader: Reader, item: Collection, draft: Draft, codec: Codec, listener: Listener
) -> CollectionDetails:
    """Read a collection into a draft: nothing half-read is ever kept. Raises SourceError, StorageError."""
    section = _Section(draft, codec)

    def told(expected: int) -> None:
        listener(Progressed("backup", item.name, section.tally.documents, section.tally.bson_bytes, expected))

    await read_collection(reader, item, section, told, codec.id_hashes)
    await in_thread(section.end)
    return section.tally.details()


class _Section:
    """The documents of one collection as lines of a draft."""

    def __init__(self, draft: Draft, codec: Codec) -> None:
        self.tally = Tally()
        self._draft = draft
        self._codec = codec
        self._start = draft.mark()

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
