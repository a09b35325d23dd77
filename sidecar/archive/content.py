"""What a stored backup holds, whichever version wrote it: definitions, then documents as BSON, in constant memory."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from sidecar.archive import framing
from sidecar.archive import plain as plain_json
from sidecar.archive.codec import Codec
from sidecar.archive.definition import require_sound
from sidecar.errors import BackupInvalid
from sidecar.model import Collection, Manifest


@dataclass(frozen=True, slots=True)
class Batch:
    """Some documents of one collection as concatenated BSON; without any for a collection that is empty."""

    collection: str
    bson: bytes = b""
    documents: int = 0
    escaped: int = 0
    fingerprint: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """`definitions` is empty for version 2.x, which stored none."""

    definitions: Mapping[str, Collection]
    batches: Iterator[Batch]


@contextmanager
def reading(file: BinaryIO, manifest: Manifest, codec: Codec, *, is_verified: bool = False) -> Iterator[Content]:
    """Read a backup while hashing it. Raises BackupInvalid for what cannot be decoded, and at the end for a wrong checksum.

    `is_verified`: these bytes have been hashed already. What the caller raises while it reads is the caller's.
    """
    hashing = _Hashing(file, None if is_verified else manifest.checksum)
    with _decoding():
        content = _legacy(hashing, codec) if manifest.is_legacy else _current(hashing, manifest, codec)
    yield Content(content.definitions, _decoded(content.batches))


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # FormatError, CodecError, bad UTF-8 or JSON
        raise BackupInvalid(f"cannot be decoded: {error}") from error


def _decoded(batches: Iterator[Batch]) -> Iterator[Batch]:
    with _decoding():
        yield from batches


def _legacy(file: "_Hashing", codec: Codec) -> Content:
    def batches() -> Iterator[Batch]:
        yield from plain(file, codec).batches
        file.require_checksum()

    return Content({}, batches())


def _current(file: "_Hashing", manifest: Manifest, codec: Codec) -> Content:
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
            batch = Batch(block.collection, decoded.bson, decoded.documents, decoded.escaped, decoded.fingerprint)
            del block, decoded  # neither they nor the batch are held while the next line is read, which may be of 40 MB
            yield batch
            del batch
        file.require_checksum()

    return Content(head.definitions, batches())


def plain(file: plain_json.Readable, codec: Codec) -> Content:
    """Without definitions, as version 2.x wrote it and people write it. Raises ValueError, BackupInvalid as it is read."""
    batches = (
        Batch(one.collection, one.bson, one.documents, 0, one.fingerprint) for one in plain_json.read(file, codec)
    )
    return Content({}, batches)


class _Hashing:
    """A file that is hashed as it is read, where a checksum is expected."""

    def __init__(self, file: BinaryIO, checksum: str | None) -> None:
        self._file = file
        self._checksum = checksum
        self._digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        return self._pass(self._file.read(size))

    def readline(self, limit: int) -> bytes:
        return self._pass(self._file.readline(limit))

    def _pass(self, content: bytes) -> bytes:
        if self._checksum is not None:
            self._digest.update(content)
        return content

    def require_checksum(self) -> None:
        """Once everything is read."""
        if self._checksum not in (None, self._digest.hexdigest()):
            raise BackupInvalid(
                f"SHA-256 of the data is {self._digest.hexdigest()}, the metadata says {self._checksum}"
            )
