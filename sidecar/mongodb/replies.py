"""A server's answers as untrusted input: what is missing or of another type is an error of the server, and named."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sidecar.errors import SourceError

T = TypeVar("T")


@contextmanager
def understood(action: str, otherwise: type[SourceError] = SourceError) -> Iterator[None]:
    """While documents that a server sent are looked into. Raises `otherwise` where one is not what it should be."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise otherwise(f"{action}: the server's reply cannot be understood ({type(error).__name__})") from error


class ServerReply(dict[str, Any]):
    """The answer to one command, of which `action` says what it was for."""

    def __init__(self, action: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.action = action

    def __missing__(self, name: str) -> Any:
        raise SourceError(f"{self.action}: the server's reply does not say {name!r}")

    def part(self, path: str, kind: type[T]) -> T:
        """What stands at a dotted path. Raises SourceError where that is nothing of this type."""
        value: Any = self
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SourceError(
                f"{self.action}: the server's reply has a {type(value).__name__} for {path}: expected a {kind.__name__}"
            )
        return value

    def documents(self, path: str) -> list[Mapping[str, Any]]:
        """A list of documents at a dotted path. Raises SourceError for anything else."""
        rows = self.part(path, list)
        if not all(isinstance(row, Mapping) for row in rows):
            raise SourceError(f"{self.action}: the server's reply has something for {path} that is no document")
        return rows

    def count(self, path: str) -> int:
        """A number of documents, of whichever type servers say it in. Raises SourceError."""
        number = self.part(path, int) if isinstance(self.get(path), int) else self.part(path, float)
        if not (0 <= number < 1 << 63 and number == int(number)):  # a float is looked for in a range number by number
            raise SourceError(f"{self.action}: the server's reply has {number} for {path}: expected a count")
        return int(number)
