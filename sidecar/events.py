"""What the engine announces while it works, for progress bars and jobs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progressed:
    """So much of a collection is done. `expected_documents` is 0 where nobody knows."""

    action: str
    collection: str
    documents: int
    bson_bytes: int
    expected_documents: int


Listener = Callable[[Progressed], None]


def nobody(_: Progressed) -> None:
    """The listener for when nobody listens."""
