"""Choose the codec: the one that the configuration names, else the native one if its distribution is installed."""

import importlib.util
from typing import Final

from sidecar.archive.codec import Codec

CHOICES: Final = ("auto", "native", "python")
NATIVE_DISTRIBUTION: Final = "mongodb-backup-sidecar-native"


def has_native() -> bool:
    """Whether the native codec is installed."""
    return importlib.util.find_spec("sidecar_native") is not None


def codec_in_use(choice: str) -> str:
    """The name of the codec that `choose_codec` returns for this choice, without loading it."""
    return "native" if choice == "native" or (choice == "auto" and has_native()) else "bsonjs-checked"


def choose_codec(choice: str) -> Codec:
    """Load and return the codec of this choice. Raises ValueError if the native one is needed but cannot be loaded."""
    if choice == "python" or (choice == "auto" and not has_native()):
        from sidecar.archive.checked_bsonjs import CheckedBsonjs  # noqa: PLC0415 - loaded only if it is chosen

        return CheckedBsonjs()
    try:
        from sidecar.archive.native import Native  # noqa: PLC0415 - loaded only if it is installed
    except ImportError as error:
        raise ValueError(f"the native codec cannot be loaded: {error}; install {NATIVE_DISTRIBUTION}") from error
    return Native()
