"""A server's replies as untrusted input: a field that is missing or of a wrong type raises SourceError, which names it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sidecar.errors import SourceError

T = TypeVar("T")


@contextmanager
def understood(action: str, otherwise: type[SourceError] = SourceError) -> Iterator[None]:
    """Raise `otherwise` for any error in the `with` block, which reads documents that a server sent."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise otherwise(f"{action}: the server's reply cannot be understood ({type(error).__name__})") from error


class ServerReply(dict[str, Any]):
    """The reply to one command. `action` describes the command in messages."""

    def __init__(self, action: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.action = action

    def __missing__(self, name: str) -> Any:
        raise SourceError(f"{self.action}: the server's reply has no field {name!r}")

    def part(self, path: str, kind: type[T]) -> T:
        """The value at a dotted path. Raises SourceError if it is missing or of another type."""
        value: Any = self
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SourceError(
                f"{self.action}: the server's reply has a {type(value).__name__} for {path}: expected a {kind.__name__}"
            )
        return value

    def documents(self, path: str) -> list[Mapping[str, Any]]:
        """The list of documents at a dotted path. Raises SourceError for anything else."""
        rows = self.part(path, list)
        if not all(isinstance(row, Mapping) for row in rows):
            raise SourceError(f"{self.action}: the server's reply has a list for {path} that holds more than documents")
        return rows

    def count(self, path: str) -> int:
        """The number of documents at a dotted path, an integer or a whole float. Raises SourceError."""
        number = self.part(path, int) if isinstance(self.get(path), int) else self.part(path, float)
        if not (0 <= number < 1 << 63 and number == int(number)):  # `in range()` would compare a float with each number
            raise SourceError(f"{self.action}: the server's reply has {number} for {path}: expected a count")
        return int(number)
