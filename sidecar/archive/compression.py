"""Zstandard (RFC 8878) compression of the text of a backup.

The text is cut at line ends into frames of about 4 MiB, each with its own checksum. `zstdcat` reads them as one file. A frame
also ends before each collection, so that a collection can be discarded by truncating the file.
"""

import sys
from io import RawIOBase
from typing import Any, Final

from sidecar.archive.streams import Readable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME_BYTES = 4 << 20  # of text; smaller frames save no memory and compress a little worse
WINDOW_LOG_MAX = 23  # a reader needs at most 8 MiB; files that ask for more are refused
BLOCK_BYTES = 1 << 18  # stored bytes per read
DEFAULT_LEVEL = 1  # higher levels need several times the processor time to save a few per cent more
LEVELS = range(1, 20)  # from level 20 on a reader needs more memory than `WINDOW_LOG_MAX` allows

_PARAMETERS: Final[dict[int, int]] = {
    zstd.CompressionParameter.checksum_flag: 1,
    zstd.CompressionParameter.window_log: 21,
}


class CompressionError(ValueError):
    """The bytes are no zstd frames, or end in the middle of a frame."""


class Compressing:
    """Compresses text into frames. The caller writes the returned bytes in the order of the calls."""

    def __init__(self, level: int = DEFAULT_LEVEL) -> None:
        options = _PARAMETERS | {zstd.CompressionParameter.compression_level: level}
        self._compressor = zstd.ZstdCompressor(options=options)
        self._in_frame_bytes = 0

    def write(self, text: bytes) -> bytes:
        """Add text, and return the bytes to store so far. A frame that is large enough ends at the last line break of `text`."""
        end = text.rfind(b"\n") + 1 if self._in_frame_bytes + len(text) >= FRAME_BYTES else 0
        if not end:
            self._in_frame_bytes += len(text)
            return self._compressor.compress(text)
        ended = self._compressor.compress(text[:end], mode=zstd.ZstdCompressor.FLUSH_FRAME)
        self._in_frame_bytes = len(text) - end
        return ended + self._compressor.compress(text[end:])

    def end_frame(self) -> bytes:
        """End the current frame, and return its last bytes; nothing if no frame has begun."""
        if not self._in_frame_bytes:
            return b""
        self._in_frame_bytes = 0
        return self._compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)


class Decompressing(RawIOBase):
    """The text of a file of frames, read forwards in constant memory. Reads raise CompressionError.

    Anything after a frame must be another frame. The library's own file object would take a damaged frame for the end.
    """

    def __init__(self, stored: Readable) -> None:
        self._stored = stored
        self._frame = _new_frame()
        self._is_in_frame = False
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        text = self._some(len(buffer))
        buffer[: len(text)] = text
        return len(text)

    def _some(self, size: int) -> bytes:
        while True:
            if self._frame.eof:
                self._waiting, self._frame, self._is_in_frame = self._frame.unused_data, _new_frame(), False
            if self._frame.needs_input and not self._waiting:
                self._waiting = self._stored.read(BLOCK_BYTES)
                if not self._waiting:
                    return self._at_end()
            try:
                text = self._frame.decompress(self._waiting, size)
            except zstd.ZstdError as error:
                raise CompressionError(f"not the zstd that was written: {error}") from None
            self._waiting, self._is_in_frame = b"", True
            if text:
                return text

    def _at_end(self) -> bytes:
        if self._is_in_frame:
            raise CompressionError("the file ends in the middle of a zstd frame")
        return b""


def _new_frame() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
