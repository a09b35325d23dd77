"""Every implementation of the codec; the contract suite holds each of them to the same tests."""

import pytest

from sidecar.archive.codec import CheckedBsonjs, Codec

CODECS: tuple[Codec, ...] = (CheckedBsonjs(),)

each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
