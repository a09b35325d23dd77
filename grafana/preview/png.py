"""Make a browser's screenshot small: 256 colours are enough for a dashboard, and a third of the bytes."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
RGB: Final = 2  # colour type of eight bits per channel, as Chromium writes it
INDEXED: Final = 3
PIXEL: Final = 3  # bytes
COLOURS: Final = 256


def with_a_palette(png: bytes) -> bytes:
    """The same picture with at most 256 colours; others become the nearest of them."""
    parts = list(_chunks(png))
    width, height, depth, colour_type = struct.unpack(">IIBB", parts[0][1][:10])
    if (depth, colour_type) != (8, RGB):
        raise ValueError(f"expected RGB with 8 bits per channel, found type {colour_type} with {depth} bits")
    packed = zlib.decompress(b"".join(data for kind, data in parts if kind == b"IDAT"))
    rows = [[row[at : at + PIXEL] for at in range(0, len(row), PIXEL)] for row in _rows(packed, width * PIXEL)]
    used = Counter(pixel for row in rows for pixel in row)
    palette = _palette(used)
    index = {colour: _nearest(colour, palette) for colour in used}
    lines = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, INDEXED, 0, 0, 0)
    written = [(b"IHDR", header), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in written)


def _palette(used: Counter[bytes]) -> list[bytes]:
    """All colours; where they are too many, the most frequent one of each kind, so that shades do not crowd out hues."""
    kinds: dict[tuple[int, ...], bytes] = {}
    for colour, _ in used.most_common():
        kinds.setdefault(tuple(channel >> 3 for channel in colour), colour)
    return list(used if len(used) <= COLOURS else kinds.values())[:COLOURS]


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(range(len(palette)), key=lambda at: sum((a - b) ** 2 for a, b in zip(colour, palette[at], strict=True)))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += 12 + size


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(packed: bytes, size: int) -> Iterator[bytes]:
    """Undo the filter of each row (PNG, section 9)."""
    above = bytearray(size)
    for start in range(0, len(packed), size + 1):
        row = bytearray(packed[start + 1 : start + 1 + size])
        how = packed[start]
        for at in range(size) if how else ():
            left, corner = (row[at - PIXEL], above[at - PIXEL]) if at >= PIXEL else (0, 0)
            row[at] = (row[at] + _predicted(how, left, above[at], corner)) & 0xFF
        yield bytes(row)
        above = row


def _predicted(how: int, left: int, above: int, corner: int) -> int:
    if how == 4:  # Paeth: whichever is nearest to left + above - corner
        guess = left + above - corner
        return min((left, above, corner), key=lambda near: abs(guess - near))
    return (0, left, above, (left + above) // 2)[how]
