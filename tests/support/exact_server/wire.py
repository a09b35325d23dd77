"""Messages of the MongoDB wire protocol: OP_MSG, and the OP_QUERY that old drivers say hello with.

https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from bson.raw_bson import RawBSONDocument

HEADER: Final = struct.Struct("<iiii")
OP_REPLY: Final = 1
OP_QUERY: Final = 2004
OP_MSG: Final = 2013
MAX_MESSAGE_BYTES: Final = 48_000_000
MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
MAX_WRITE_BATCH: Final = 100_000
PAYLOADS: Final = {"insert": "documents", "update": "updates", "delete": "deletes", "createIndexes": "indexes"}

_CHECKSUM_PRESENT: Final = 1
_MORE_TO_COME: Final = 2


@dataclass(frozen=True, slots=True)
class Header:
    body_bytes: int
    request_id: int
    opcode: int

    @classmethod
    def parse(cls, data: bytes) -> "Header":
        """Raises ValueError for a size that no server takes."""
        size, request_id, _, opcode = HEADER.unpack(data)
        if not HEADER.size < size <= MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {size} bytes; at most {MAX_MESSAGE_BYTES} are accepted")
        return cls(size - HEADER.size, request_id, opcode)


@dataclass(frozen=True)
class Request:
    """A command: its document as sent, the same one decoded a level deep, and its document sequences."""

    raw: bytes
    fields: Mapping[str, Any]
    sequences: Mapping[str, memoryview] = field(default_factory=dict)
    expects_reply: bool = True

    @classmethod
    def of(cls, raw: bytes) -> "Request":
        return cls(raw, RawBSONDocument(raw))

    @property
    def name(self) -> str:
        return next(iter(self.fields))

    @property
    def target(self) -> Any:
        """The value of the command's own key: mostly the name of a collection."""
        return self.fields[self.name]

    @property
    def db(self) -> str:
        return str(self.fields["$db"])

    @cached_property
    def payload(self) -> list[bytes]:
        """What a write or createIndexes works through, sent as a sequence or as an array."""
        name = PAYLOADS[self.name]
        if name in self.sequences:
            return [bytes(raw) for raw in split_documents(self.sequences[name])]
        return [raw.raw for raw in self.fields.get(name, [])]


def split_documents(data: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        yield data[at : at + size]
        at += size


def parse_op_msg(body: bytes) -> Request:
    """The command in an OP_MSG. Its sequences stay views into `body`."""
    flags = int.from_bytes(body[:4], "little")
    end = len(body) - (4 if flags & _CHECKSUM_PRESENT else 0)
    at, raw, sequences = 4, b"", {}
    while at < end:
        kind, size = struct.unpack_from("<Bi", body, at)
        section = memoryview(body)[at + 1 : at + 1 + size]
        if kind == 0:
            raw = bytes(section)
        else:
            name_end = body.index(0, at + 5)
            sequences[body[at + 5 : name_end].decode()] = section[name_end - at :]
        at += 1 + size
    return Request(raw, RawBSONDocument(raw), sequences, expects_reply=not flags & _MORE_TO_COME)


def queried(body: bytes) -> Mapping[str, Any]:
    """The document in an OP_QUERY."""
    return RawBSONDocument(body[body.index(0, 4) + 1 + 8 :])


def application_of(hello: Mapping[str, Any]) -> str | None:
    """The name that a client gives itself when it opens a connection; None in any other command."""
    client = hello.get("client")
    return str(client.get("application", {}).get("name", "")) if isinstance(client, Mapping) else None


def op_msg_prefix(document_bytes: int, response_to: int) -> bytes:
    """What comes before the one document of an OP_MSG reply."""
    return HEADER.pack(HEADER.size + 5 + document_bytes, 1, response_to, OP_MSG) + b"\0\0\0\0\0"


def op_msg(document: bytes, response_to: int) -> bytes:
    return op_msg_prefix(len(document), response_to) + document


def op_reply(document: bytes, response_to: int) -> bytes:
    """The answer to an OP_QUERY: one document and no cursor."""
    fields = struct.pack("<iqii", 8, 0, 0, 1)
    return HEADER.pack(HEADER.size + len(fields) + len(document), 1, response_to, OP_REPLY) + fields + document


def hello_reply(**topology: Any) -> dict[str, Any]:
    """What a server of MongoDB 7.0 says of itself and its limits; `topology` names its replica set."""
    return {
        "helloOk": True,
        "ismaster": True,
        "isWritablePrimary": True,
        **topology,
        "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
        "maxMessageSizeBytes": MAX_MESSAGE_BYTES,
        "maxWriteBatchSize": MAX_WRITE_BATCH,
        "localTime": datetime.now(UTC),
        "logicalSessionTimeoutMinutes": 30,
        "minWireVersion": 0,
        "maxWireVersion": 21,
        "readOnly": False,
    }


def replica_set_of_one(address: str) -> dict[str, Any]:
    return {
        "setName": "rs0",
        "setVersion": 1,
        "hosts": [address],
        "primary": address,
        "me": address,
        "secondary": False,
    }


BUILD_INFO: Final[Mapping[str, Any]] = {
    "version": "7.0.14",
    "versionArray": [7, 0, 14, 0],
    "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
}
