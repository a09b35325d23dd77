"""Write one collection of a backup for other tools: as a JSON array for `mongoimport --jsonArray` and jq, or as lines."""

from typing import BinaryIO, NamedTuple

import bson
from bson import json_util
from bson.errors import BSONError

from sidecar.archive.bson import split
from sidecar.archive.codec import Codec
from sidecar.model import BackupId
from sidecar.store.contents import contents
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest, require_held


class Extracted(NamedTuple):
    """The number of documents written, and how many of them only `sidecar restore` can read (`$bson`)."""

    documents: int
    escaped: int


def extract(  # noqa: PLR0913 - a backup, a collection of it, and where and how it is written
    store: LocalStore,
    backup_id: BackupId,
    codec: Codec,
    collection: str,
    out: BinaryIO,
    *,
    relaxed: bool,
    as_lines: bool,
) -> Extracted:
    """Write a collection in canonical Extended JSON, or `relaxed`, which is easier to read but loses the width of integers.

    Raises UsageError, BackupInvalid, IdentityRequired, StorageError.
    """
    manifest = read_manifest(store, backup_id)
    require_held(manifest, collection)
    separator = b"\n" if as_lines else b",\n"
    written = escaped = 0
    with contents(store, backup_id, manifest, codec) as content:
        out.write(b"" if as_lines else b"[\n")
        for batch in content.batches:
            if batch.collection == collection and batch.documents:
                text, only_ours = _relaxed(batch.bson, codec) if relaxed else _canonical(batch.bson, codec)
                out.write(separator if written else b"")
                out.write(text.replace(b",\n", separator) if as_lines else text)
                written += batch.documents
                escaped += only_ours
    out.write(b"\n" if as_lines else b"\n]\n")
    return Extracted(written, escaped)


def _canonical(documents: bytes, codec: Codec) -> tuple[bytes, int]:
    encoded = codec.encode(documents)
    return encoded.text, encoded.escaped


def _relaxed(documents: bytes, codec: Codec) -> tuple[bytes, int]:
    """The documents in relaxed Extended JSON. A document without such a form is written in its stored form."""
    lines = []
    escaped = 0
    for one in split(documents):
        text = _relaxed_text(one)
        if text is None:
            encoded = codec.encode(one)
            text, escaped = encoded.text, escaped + encoded.escaped
        lines.append(text)
    return b",\n".join(lines), escaped


def _relaxed_text(document: bytes) -> bytes | None:
    try:
        values = bson.decode(document, _OPTIONS)
        return json_util.dumps(values, json_options=json_util.RELAXED_JSON_OPTIONS).encode()
    except (BSONError, ValueError, TypeError, ArithmeticError, RecursionError):  # the driver cannot decode the document
        return None


_OPTIONS: "bson.CodecOptions[dict[str, object]]" = bson.CodecOptions(
    datetime_conversion=bson.codec_options.DatetimeConversion.DATETIME_AUTO,
    tz_aware=True,
    unicode_decode_error_handler="replace",
)
