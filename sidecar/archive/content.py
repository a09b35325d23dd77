"""Read a stored backup of any version: its definitions, then its documents as BSON, in constant memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO

from sidecar.archive import framing
from sidecar.archive import plain as plain_json
from sidecar.archive.codec import Codec
from sidecar.archive.definition import require_sound
from sidecar.archive.keys import NO_KEYS, Keyring
from sidecar.archive.stages import text_of
from sidecar.archive.streams import Measured, Readable
from sidecar.errors import BackupInvalid, IdentityRequired
from sidecar.model import Collection, Manifest


@dataclass(frozen=True, slots=True)
class Batch:
    """Some documents of one collection as concatenated BSON; without documents at the start of each collection."""

    collection: str
    bson: bytes = b""
    documents: int = 0
    escaped: int = 0
    fingerprint: int = 0
    text_bytes: int = 0  # the size of its lines in the text; 0 for plain JSON, which has no such lines


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a backup. `definitions` is empty for version 2.x, which stored none."""

    definitions: Mapping[str, Collection]
    batches: Iterator[Batch]


@contextmanager
def reading(
    file: BinaryIO, manifest: Manifest, codec: Codec, keyring: Keyring = NO_KEYS, *, is_verified: bool = False
) -> Iterator[Content]:
    """Read a backup and compute its checksum. Raises BackupInvalid if it cannot be decoded, or at its end for a wrong checksum.

    With `is_verified` the checksum is not computed again. Raises IdentityRequired if no key can decrypt the backup. Errors that
    the caller raises while it reads are not changed.
    """
    measured = None if is_verified else Measured(file)
    with text(measured or file, manifest, keyring) as read:
        with _decoding():
            content = plain(read, codec) if manifest.is_legacy else _current(read, manifest, codec)
        yield Content(content.definitions, _decoded(content.batches, measured, manifest.checksum))


@contextmanager
def text(stored: Readable, manifest: Manifest, keyring: Keyring) -> Iterator[IO[bytes]]:
    """Open the text of a backup in any form. Raises IdentityRequired; reads raise ValueError for damaged data."""
    if manifest.is_sealed:
        raise IdentityRequired(f"{manifest.backup_id} is encrypted, and no private key that is here opens it")
    with text_of(stored, manifest.form, keyring.identities) as read:
        yield read


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # FormatError, CodecError, bad UTF-8 or JSON
        raise BackupInvalid(f"cannot be decoded: {error}") from error


def _decoded(batches: Iterator[Batch], measured: Measured | None, checksum: str) -> Iterator[Batch]:
    with _decoding():
        yield from batches
    if measured is not None and measured.measure.checksum != checksum:
        raise BackupInvalid(f"SHA-256 of the data is {measured.measure.checksum}, the metadata says {checksum}")


def _current(file: IO[bytes], manifest: Manifest, codec: Codec) -> Content:
    head = framing.read_header(file, codec)
    if (head.backup_id, head.backup_type, head.db_name) != (manifest.backup_id, manifest.backup_type, manifest.db_name):
        raise BackupInvalid(
            f"the file says it is {head.backup_id} of the database {head.db_name}, its metadata says otherwise"
        )
    require_sound(head.definitions, manifest.collections)

    def batches() -> Iterator[Batch]:
        for block in framing.read_blocks(file):
            if block.collection not in manifest.collections:
                raise BackupInvalid(f"there are documents of {block.collection}, which the metadata does not name")
            decoded = codec.decode(block.lines)
            batch = Batch(block.collection, *decoded, text_bytes=len(block.lines))
            del block, decoded  # free the memory before the next line is read, which may have 40 MB
            yield batch
            del batch

    return Content(head.definitions, batches())


def plain(file: Readable, codec: Codec) -> Content:
    """The content of a plain JSON file, which has no definitions. Reading its batches raises ValueError and BackupInvalid."""
    batches = (
        Batch(one.collection, one.bson, one.documents, 0, one.fingerprint) for one in plain_json.read(file, codec)
    )
    return Content({}, batches)
