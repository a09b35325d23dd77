"""The codec of the distribution `mongodb-backup-sidecar-native`, in Rust. It works without the interpreter's lock."""

from array import array

import sidecar_native

from sidecar.archive.codec import CodecError, Counted, Decoded, Encoded


class Native:
    """Reads back and compares every document that it writes, as the codec in Python does."""

    name = "native"

    def encode(self, batch: bytes) -> Encoded:
        text, (documents, escaped, fingerprint) = sidecar_native.encode(batch)
        return Encoded(text, documents, escaped, int.from_bytes(fingerprint))

    def decode(self, lines: bytes) -> Decoded:
        try:
            bson, (documents, escaped, fingerprint) = sidecar_native.decode(lines)
        except ValueError as error:
            raise CodecError(str(error)) from None
        return Decoded(bson, documents, escaped, int.from_bytes(fingerprint))

    def count(self, batch: bytes) -> Counted:
        documents, _, fingerprint = sidecar_native.count(batch)
        return Counted(documents, int.from_bytes(fingerprint))

    def id_hashes(self, batch: bytes) -> "array[int]":
        return array("q", sidecar_native.id_hashes(batch))
