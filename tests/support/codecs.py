"""Every implementation of the codec; the contract suite holds each of them to the same tests."""

import pytest

from sidecar.archive.choose import choose_codec
from sidecar.archive.codec import Codec

CODECS: tuple[Codec, ...] = (choose_codec("python"), choose_codec("native"))

each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
