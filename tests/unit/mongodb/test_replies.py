"""What a server answers, taken for what it is and for nothing else."""

import math
from typing import Any

import pytest
from bson import Decimal128, Int64

from sidecar.errors import SourceError
from sidecar.mongodb.replies import ServerReply


@pytest.mark.parametrize(("said", "count"), [(0, 0), (7, 7), (Int64(2**62), 2**62), (3.0, 3), (2.0**62, 2**62)])
def test_a_count_is_taken_in_whichever_type_the_server_says_it(said: Any, count: int) -> None:
    assert ServerReply("inserting", {"n": said}).count("n") == count


@pytest.mark.parametrize(
    "said",
    [-1, -1.0, 1 << 63, 1.5, 1e300, math.nan, math.inf, -math.inf, True, None, "7", [7], {"n": 7}, Decimal128("7")],
)
def test_what_is_no_count_is_an_error_at_once(said: Any) -> None:
    with pytest.raises(SourceError, match=r"^inserting: the server's reply has .* n: expected a "):
        ServerReply("inserting", {"n": said}).count("n")
