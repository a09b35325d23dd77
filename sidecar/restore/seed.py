"""The first content of a new database, from a file of plain Extended JSON with one array of documents per collection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sidecar.archive.codec import Codec
from sidecar.archive.content import Content, plain
from sidecar.archive.tally import Tally
from sidecar.errors import BackupInvalid, StorageError
from sidecar.logger import Logger
from sidecar.model import FORMAT, CollectionDetails
from sidecar.restore import restore
from sidecar.restore.safety import Kept, Safeguard
from sidecar.restore.staging import Source
from sidecar.restore.target import Target
from sidecar.runtime.threads import in_thread

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed file: `{"users": […], …}` or `{"collections": {"users": […], …}}`."""

    path: Path
    codec: Codec

    @contextmanager
    def open(self) -> Iterator[Content]:
        """Open the file's documents. Raises StorageError, BackupInvalid."""
        try:
            with self.path.open("rb") as file:
                if FORMAT in file.readline(1000).decode(errors="replace"):
                    raise BackupInvalid(
                        f"{self.path.name} is a backup: put it with its metadata file into the backup directory instead"
                    )
                file.seek(0)
                yield plain(file, self.codec)
        except OSError as error:
            raise StorageError.of(error, f"reading {self.path.name}") from error
        except (ValueError, TypeError) as error:
            raise BackupInvalid(f"{self.path.name} cannot be decoded: {error}") from error

    def measure(self) -> dict[str, CollectionDetails]:
        """Count and fingerprint the documents of each collection. Raises StorageError, BackupInvalid."""
        tallies: dict[str, Tally] = {}
        with self.open() as content:
            for batch in content.batches:
                tally = tallies.setdefault(batch.collection, Tally())
                tally.add(batch.documents, len(batch.bson), batch.fingerprint)
        return {name: tally.details() for name, tally in tallies.items()}


async def sow(target: Target, seed: Seed, safeguard: Safeguard) -> Mapping[str, CollectionDetails]:
    """Load the file into the target by a restore. Raises its errors, and StorageError or BackupInvalid for an unusable file."""
    details = await in_thread(seed.measure)
    items = await restore.as_there(target.database, target.target_db, details)
    documents = {name: detail.documents for name, detail in details.items()}
    loaded = await safeguard.put_in_place(target, items, Source(documents, details, seed.open), Kept())
    log.warning("seed.loaded", file=seed.path.name, documents=documents)
    return loaded.restored
