"""What the engine announces while it works, for progress bars and jobs.

Each announcement is a step between two pieces of work, also in a thread, which nobody can cancel from outside: a listener may
wait there (a limit of the reading rate) or raise there (a cancellation), and the work ends as with any other error.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progressed:
    """So much of a collection is done. `expected_documents` is 0 where nobody knows.

    `read_bytes` is what was read for that, where it is not the BSON.
    """

    action: str
    collection: str
    documents: int
    bson_bytes: int
    expected_documents: int
    read_bytes: int = 0


Listener = Callable[[Progressed], None]


def nobody(_: Progressed) -> None:
    """The listener for when nobody listens."""
