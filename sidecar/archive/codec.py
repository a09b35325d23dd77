"""The port between BSON documents and the lossless Extended JSON lines that a backup holds.

Canonical Extended JSON v2 (https://github.com/mongodb/specifications, extended-json) without blanks, one document per line;
what it cannot carry exactly is `{"$bson": "<base64 of the document>"}`. Which documents those are is said in
`bson.escape_reason`. Every implementation writes the same bytes for the same documents.
"""

from array import array
from typing import NamedTuple, Protocol


class CodecError(ValueError):
    """A line that is no document; says which line and what is wrong with it, never what stands in it."""


class Encoded(NamedTuple):
    """`text`: one document per line, joined by ',' and newline, nothing after the last."""

    text: bytes
    documents: int
    escaped: int
    fingerprint: int


class Decoded(NamedTuple):
    """`bson`: the documents one after the other."""

    bson: bytes
    documents: int
    escaped: int
    fingerprint: int


class Counted(NamedTuple):
    """What a batch adds up to, without its text."""

    documents: int
    fingerprint: int


class Codec(Protocol):
    """A batch of documents at a time, so that an implementation can let go of the interpreter while it works."""

    @property
    def name(self) -> str:
        """As metadata and `config show` name it."""
        ...

    def encode(self, batch: bytes) -> Encoded:
        """`batch` holds BSON documents one after the other. Raises ValueError where it does not.

        What it returns has been read back: each line gives the same bytes again, or is an escape.
        """
        ...

    def decode(self, lines: bytes) -> Decoded:
        """`lines` are whole lines, each with or without a comma at its end. Raises CodecError."""
        ...

    def count(self, batch: bytes) -> Counted:
        """`batch` is as for `encode`. Raises ValueError where it does not hold whole documents."""
        ...

    def id_hashes(self, batch: bytes) -> "array[int]":
        """For each document with an `_id` a hash of it, the same for the same `_id` within this process, in any order."""
        ...
