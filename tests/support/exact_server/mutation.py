"""A reply that is wrong in one place: another type, another value, nothing, or far too much. Repeatable by its seed."""

import math
import random
from collections.abc import Callable
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS

_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
_STRANGE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 2**31, bson.Int64(-(2**63)), bson.Int64(2**63 - 1), 1.5, math.nan, math.inf, -0.0),
    *(
        "",
        "x",
        "$",
        "a.b",
        "x" * 100_000,
        "\0",
        b"",
        bytes(100),
        [],
        [[]],
        [None],
        [1, "a", {}],
        {},
        {"": {}},
        {"a": {"b": []}},
    ),
    *(bson.ObjectId(bytes(12)), DatetimeMS(2**62), bson.Timestamp(0, 0), bson.Timestamp(2**32 - 1, 1)),
    *(
        bson.Decimal128("NaN"),
        bson.Decimal128("1E+6144"),
        bson.MinKey(),
        bson.MaxKey(),
        bson.Regex("("),
        bson.Code("x"),
    ),
)


def mutated(reply: bytes, seed: int) -> bytes:
    """The same reply with one thing wrong."""
    chance = random.Random(seed)
    try:
        document = bson.decode(reply, _OPTIONS)
    except bson.errors.BSONError:  # documents of a test that Python has no values for
        return reply
    places = list(_places(document))
    if places:
        container, key = chance.choice(places)
        chance.choice(_WAYS)(container, key, chance)
    return bson.encode(document, codec_options=_OPTIONS)


def _places(value: Any) -> Any:
    """Every place of a value that holds another one."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _replace(container: Any, key: Any, chance: random.Random) -> None:
    container[key] = chance.choice(_STRANGE)


def _drop(container: Any, key: Any, _: random.Random) -> None:
    del container[key]


def _wrap(container: Any, key: Any, chance: random.Random) -> None:
    container[key] = chance.choice([[container[key]], {"value": container[key]}, str(container[key])])


def _repeat(container: Any, key: Any, chance: random.Random) -> None:
    value = container[key]
    container[key] = value * chance.choice([2, 500]) if isinstance(value, list | str) and len(value) < 1000 else value


_WAYS: Final[tuple[Callable[[Any, Any, random.Random], None], ...]] = (
    _replace,
    _replace,
    _replace,
    _drop,
    _wrap,
    _repeat,
)
