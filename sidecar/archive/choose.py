"""Which codec runs: the native one where its distribution is installed, or the one that is asked for."""

import importlib.util
from typing import Final

from sidecar.archive.codec import Codec

CHOICES: Final = ("auto", "native", "python")
NATIVE_DISTRIBUTION: Final = "mongodb-backup-sidecar-native"


def has_native() -> bool:
    return importlib.util.find_spec("sidecar_native") is not None


def codec_in_use(choice: str) -> str:
    """The name of the codec of that choice, without loading it."""
    return "native" if choice == "native" or (choice == "auto" and has_native()) else "bsonjs-checked"


def choose_codec(choice: str) -> Codec:
    """The codec of that choice. Raises ValueError for `native` where it is not installed, or not for this machine."""
    # Each codec's library is imported only where that codec runs.
    if choice == "python" or (choice == "auto" and not has_native()):
        from sidecar.archive.checked_bsonjs import CheckedBsonjs  # noqa: PLC0415 - only where it is chosen

        return CheckedBsonjs()
    try:
        from sidecar.archive.native import Native  # noqa: PLC0415 - only where it is installed
    except ImportError as error:
        raise ValueError(f"the native codec cannot be loaded: {error}; install {NATIVE_DISTRIBUTION}") from error
    return Native()
