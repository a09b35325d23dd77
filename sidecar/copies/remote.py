"""A place that holds copies: a bucket or a second directory. Names are paths below its prefix, the same as below BACKUP_DIR."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

OWNER: Final = "sidecar-owner.json"  # says whose the place is


@dataclass(frozen=True, slots=True)
class Item:
    """One object or file. `tag` is another one whenever its content may be another one; it proves nothing."""

    name: str
    size: int
    tag: str


class Remote(Protocol):
    """Methods block and raise CopyError and its kinds, and what an iterator raises that they were given."""

    @property
    def where(self) -> str:
        """What messages call it."""
        ...

    @property
    def is_versioned(self) -> bool:
        """Whether what was deleted or replaced there stays as an old version, as far as that was seen."""
        ...

    def items(self) -> list[Item]:
        """Everything below the prefix."""
        ...

    def find(self, name: str) -> Item | None:
        """One of them, the same as it is listed; None where there is nothing."""
        ...

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """The content from a byte on. Raises BackupNotFound where there is nothing."""
        ...

    def put(self, name: str, size: int, blocks: Iterable[bytes]) -> None:
        """Write so many bytes, over whatever is there. It appears whole or not at all."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file only if there is none of this name; whether there was none."""
        ...

    def delete(self, name: str) -> None:
        """Nothing happens where there is nothing."""
        ...

    def locked_until(self, name: str) -> datetime | None:
        """Until when nobody can delete it; None where it is not locked."""
        ...

    def sweep(self, prefix: str) -> None:
        """Remove what a killed writer of backups of this prefix left under hidden names."""
        ...
