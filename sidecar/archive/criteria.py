"""Criteria that choose documents by `_id` or by fields, with values as people type them."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import bson
from bson import json_util
from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.json_util import JSONMode, JSONOptions
from bson.objectid import ObjectId

from sidecar.archive.bson import Element, document_id, elements, split
from sidecar.archive.values import bytes_of_all_equal, key_of, values_at
from sidecar.errors import UsageError

MOST_BYTES: Final = 4096  # the longest typed value

_ID: Final = "_id"
_HEX_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,17})?")
_WORDS: Final = {"true": True, "false": False, "null": None}
_BEGINS_JSON: Final = ("{", "[", '"')
_AS_TYPED: Final = JSONOptions(json_mode=JSONMode.CANONICAL, datetime_conversion=DatetimeConversion.DATETIME_MS)
_AS_STORED: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


@dataclass(frozen=True, slots=True)
class TypedValue:
    """The BSON values that a text may mean: `42` may be a number or a string."""

    text: str
    keys: frozenset[bytes]  # the `key_of` each of these values
    stored: tuple[bytes, ...]  # every document with the value contains one of these; empty if that cannot be known


@dataclass(frozen=True)
class Criterion:
    """Requires that a field, named by a dotted path, has one of these values, or an array with one of them."""

    path: str
    values: tuple[TypedValue, ...]

    def is_met_by(self, document: bytes) -> bool:
        """Whether a document meets the criterion. Raises ValueError for malformed BSON."""
        if self._stored and not any(value in document for value in self._stored):
            return False
        return any(key_of(one) in self._keys for one in values_at(document, self._names))

    def may_be_in(self, batch: bytes) -> bool:
        """Whether a batch may contain a document that meets the criterion: a quick test before looking at each document."""
        return not self._stored or any(value in batch for value in self._stored)

    @cached_property
    def _names(self) -> tuple[bytes, ...]:
        return tuple(name.encode() for name in self.path.split("."))

    @cached_property
    def _keys(self) -> frozenset[bytes]:
        return frozenset(key for value in self.values for key in value.keys)

    @cached_property
    def _stored(self) -> tuple[bytes, ...]:
        if not all(value.stored for value in self.values):
            return ()
        return tuple(stored for value in self.values for stored in value.stored)


def meeting(criteria: Sequence[Criterion], batch: bytes) -> Iterator[bytes]:
    """Yield the documents of a batch that meet all criteria. A malformed document meets none."""
    if not all(one.may_be_in(batch) for one in criteria):
        return
    for document in split(batch):
        try:
            is_met = all(one.is_met_by(document) for one in criteria)
        except (ValueError, IndexError, RecursionError):
            continue
        if is_met:
            yield document


def by_ids(values: Iterable[TypedValue]) -> Criterion:
    """The criterion that a document's `_id` is one of these values."""
    return Criterion(_ID, tuple(values))


def id_key(document: bytes) -> bytes | None:
    """The `key_of` a document's `_id`; None if it has none."""
    found = document_id(document)
    return None if found is None else key_of(Element(found[0], _ID.encode(), found[1:]))


# -- what people type --------------------------------------------------------------------------------------------------


def typed(text: str) -> TypedValue:
    """Parse a typed value: plain text, an ObjectId in hexadecimal, a UUID, a number, or Extended JSON. Raises UsageError."""
    _require_length(text)
    if text.startswith(_BEGINS_JSON):
        return _value(text, [_of_json(text)])
    meanings: list[Any] = [text]
    if _HEX_ID.fullmatch(text):
        meanings.append(ObjectId(text))
    if _UUID.fullmatch(text):
        meanings.append(Binary(bytes.fromhex(text.replace("-", "")), UUID_SUBTYPE))
    if _NUMBER.fullmatch(text):
        meanings.append(Decimal128(text))
        meanings += [float(text)] if "." in text else []
    if text in _WORDS:
        meanings.append(_WORDS[text])
    return _value(text, meanings)


def given(value: Any) -> TypedValue:
    """Parse a value of a JSON body: a string as a typed value, anything else as Extended JSON. Raises UsageError."""
    if isinstance(value, str):
        return typed(value)
    text = json.dumps(value)
    _require_length(text)
    return _value(text, [_of_json(text)])


def listed(text: str) -> list[TypedValue]:
    """Parse typed values separated by commas, except for commas inside Extended JSON. Raises UsageError."""
    values, at = [], 0
    while at <= len(text):
        end = _end_of_value(text, at)
        values.append(typed(text[at:end].strip()))
        at = end + 1
    return values


def fields(text: str) -> list[Criterion]:
    """Parse the criteria of a JSON object `{"path.of.field": value, …}`. Raises UsageError."""
    try:
        wanted = json.loads(text)
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict) or not wanted or not all(all(path.split(".")) for path in wanted):
        raise UsageError('expected fields and their values, such as {"name": "Ada", "address.city": "Berlin"}')
    return [Criterion(path, (given(value),)) for path, value in wanted.items()]


def _require_length(text: str) -> None:
    if not text or len(text.encode()) > MOST_BYTES:
        raise UsageError(f"expected a value of 1 to {MOST_BYTES} bytes")


def _end_of_value(text: str, at: int) -> int:
    start = at + len(text[at:]) - len(text[at:].lstrip())
    if text.startswith(_BEGINS_JSON, start):
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except ValueError as error:
            raise UsageError(f"{text[start:][:80]!r} is not Extended JSON: {error}") from None
        following = text[end:].lstrip()
        if following and not following.startswith(","):
            raise UsageError(f"expected a comma before {following[:80]!r}")
        return len(text) - len(following)
    comma = text.find(",", at)
    return len(text) if comma < 0 else comma


def _of_json(text: str) -> Any:
    try:
        return json_util.loads(text, json_options=_AS_TYPED)
    except (ValueError, TypeError, KeyError, ArithmeticError, BSONError, RecursionError) as error:
        raise UsageError(f"{text[:80]!r} is not Extended JSON: {error}") from None


def _value(text: str, meanings: Iterable[Any]) -> TypedValue:
    try:
        found = [next(elements(bson.encode({"": meaning}, codec_options=_AS_STORED))) for meaning in meanings]
    except (BSONError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UsageError(f"{text[:80]!r} is not a value that MongoDB can store: {error}") from None
    stored = tuple(filter(None, map(bytes_of_all_equal, found)))
    return TypedValue(text, frozenset(map(key_of, found)), stored if len(stored) == len(found) else ())
