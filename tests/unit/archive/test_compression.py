"""Text in zstd frames: exact on the way back, also by zstd itself, and refused when it is damaged."""

import io
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive.compression import FRAME_BYTES, Compressing, CompressionError, Decompressing

LINE = b'{"_id": {"$numberInt": "1"}, "name": "Ada"},\n'
FRAME_MAGIC = b"\x28\xb5\x2f\xfd"


def stored(*writes: bytes) -> bytes:
    compressing = Compressing()
    return b"".join([*map(compressing.write, writes), compressing.end_frame()])


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_what_was_written_in_any_pieces_is_read_back(pieces: list[bytes]) -> None:
    assert Decompressing(io.BytesIO(stored(*pieces))).read() == b"".join(pieces)


def test_zstd_itself_reads_it_and_finds_a_checksum_in_each_frame() -> None:
    text = LINE * (3 * FRAME_BYTES // len(LINE))
    whole = stored(*(text[start : start + 1_000_003] for start in range(0, len(text), 1_000_003)))
    assert subprocess.run(["zstd", "-dc"], input=whole, capture_output=True, check=True).stdout == text
    assert whole.count(FRAME_MAGIC) == 3


def test_a_frame_ends_on_a_line() -> None:
    text = LINE * (3 * FRAME_BYTES // len(LINE))
    whole = stored(*(text[start : start + 1_000_003] for start in range(0, len(text), 1_000_003)))
    second = whole.index(FRAME_MAGIC, 1)
    assert Decompressing(io.BytesIO(whole[:second])).read().endswith(b"\n")


def test_a_frame_that_was_ended_can_be_followed_by_another_text_or_cut_away() -> None:
    compressing = Compressing()
    first = compressing.write(LINE) + compressing.end_frame()
    compressing.write(b"what is read again")
    again = Compressing()
    assert Decompressing(io.BytesIO(first + again.write(LINE) + again.end_frame())).read() == LINE * 2


def test_ending_a_frame_that_was_never_begun_stores_nothing() -> None:
    assert Compressing().end_frame() == b""


def test_every_flipped_bit_of_a_frame_is_refused_or_changes_nothing() -> None:
    whole = stored(LINE * 3)
    for place in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        try:
            text = Decompressing(io.BytesIO(damaged)).read()
        except CompressionError:
            continue
        assert text == LINE * 3, place  # an unused bit of the header


def test_a_file_cut_inside_a_frame_ends_with_an_error() -> None:
    whole = stored(LINE * 3)
    for length in range(1, len(whole)):
        with pytest.raises(CompressionError):
            Decompressing(io.BytesIO(whole[:length])).read()


def test_a_file_that_needs_more_memory_than_ours_is_refused() -> None:
    large = subprocess.run(
        ["zstd", "--ultra", "-22", "--long=27", "-c"], input=bytes(1 << 25), capture_output=True, check=True
    ).stdout
    with pytest.raises(CompressionError):
        Decompressing(io.BytesIO(large)).read(10)


def test_what_follows_a_frame_has_to_be_another_one() -> None:
    with pytest.raises(CompressionError, match="not the zstd that was written"):
        Decompressing(io.BytesIO(stored(LINE) + b"something else")).read()
