"""A place that holds copies: a bucket or a second directory. Names are paths below its prefix, as below BACKUP_DIR."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

OWNER: Final = "sidecar-owner.json"  # names the sidecar that may write to the place


@dataclass(frozen=True, slots=True)
class Item:
    """One object or file. `tag` changes whenever the content may have changed; an equal tag proves nothing."""

    name: str
    size: int
    tag: str


class Remote(Protocol):
    """What a place can do. Methods block and raise CopyError and its kinds, and the errors of an iterator passed to them."""

    @property
    def where(self) -> str:
        """The name of the place in messages."""
        ...

    @property
    def is_versioned(self) -> bool:
        """Whether the place keeps deleted and replaced files as old versions; False until a read has shown it."""
        ...

    def items(self) -> list[Item]:
        """Return everything below the prefix."""
        ...

    def find(self, name: str) -> Item | None:
        """Return one item as a listing shows it, None if there is none of this name."""
        ...

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield the content from byte `offset` on. Raises BackupNotFound if there is no such file."""
        ...

    def put(self, name: str, size: int, blocks: Iterable[bytes]) -> None:
        """Write exactly `size` bytes, replacing what is there. The file appears whole or not at all."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file if there is none of this name. Return whether it was written."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file. Does nothing if there is none."""
        ...

    def locked_until(self, name: str) -> datetime | None:
        """Return until when nobody can delete the file, None if it is not locked."""
        ...

    def sweep(self, prefix: str) -> None:
        """Delete the temporary files that a killed upload of backups with this prefix left."""
        ...
