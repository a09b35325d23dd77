"""A backup directory with backups made of bytes only, and a copy of it elsewhere."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sidecar.archive import manifest as metadata
from sidecar.config import Copy, Secret, Share
from sidecar.copies.copies import Copies
from sidecar.copies.mirror import Mirror
from sidecar.copies.report import Report
from sidecar.events import nobody
from sidecar.model import BackupId
from sidecar.rules.policy import Policy
from sidecar.store.catalog import Catalog
from sidecar.store.findings import Findings
from sidecar.store.local import LocalStore
from support import versitygw
from support.stores import manifest_of, store_in

NOW = datetime.now().astimezone()


def copy_of(url: str, **options: Any) -> Copy:
    facts: dict[str, Any] = {"name": "offsite", "sets": ("main",), "max_age_hours": 26.0, "verify_slice": Share(1, 1)}
    return Copy(url=url, **(facts | options))


def bucket_of(server: versitygw.Gateway, prefix: str = "school", **options: Any) -> Copy:
    ours = {"access_key_id": Secret(versitygw.ACCESS), "secret_access_key": Secret(versitygw.SECRET)}
    where = {"endpoint": server.endpoint, "region": versitygw.REGION, "path_style": True}
    return copy_of(f"s3://{versitygw.BUCKET}/{prefix}", **ours, **where, **options)


@dataclass
class Site:
    """One machine: its backup directory and its copy, opened anew where somebody asks for `copies`."""

    directory: Path
    copy: Copy
    store: LocalStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = store_in(self.directory)

    @property
    def catalog(self) -> Catalog:
        return Catalog({"main": self.store}, Findings(self.directory))

    @property
    def copies(self) -> Copies:
        return Copies({self.copy.name: self.copy}, self.catalog, {"main": Policy.of(self.store.set)}, 0)

    @property
    def mirror(self) -> Mirror:
        return self.copies.mirror(self.copy.name, "main")

    def sync(self) -> Report:
        """Raises what could not be done."""
        report = self.mirror.sync(nobody)
        report.require_success()
        return report

    def make(self, content: bytes = b"data", hours_ago: float = 0) -> BackupId:
        with self.store.locked("test") as lock, self.store.begin(lock, NOW - timedelta(hours=hours_ago)) as draft:
            draft.write(content)
            draft.commit_data()
            draft.commit(metadata.to_bytes(manifest_of(draft.id, content)))
            return draft.id

    def make_large(self, block: bytes, times: int) -> BackupId:
        """Of so many equal blocks."""
        digest = hashlib.sha256()
        with self.store.locked("test") as lock, self.store.begin(lock, NOW) as draft:
            for _ in range(times):
                draft.write(block)
                digest.update(block)
            draft.commit_data()
            facts = {"checksum": digest.hexdigest(), "file_size_bytes": len(block) * times}
            draft.commit(metadata.to_bytes(manifest_of(draft.id, b"").model_copy(update=facts)))
            return draft.id

    def here(self) -> dict[str, bool]:
        """Each backup here and whether it is valid, after a look at its bytes."""
        return {str(one.id): one.verdict.is_valid for one in Catalog({"main": self.store}).backups("main")}

    def proven(self) -> list[str]:
        """What lies there and was read back, newest first."""
        found = self.copies.of(self.copy.name, "main").look()
        return [str(one.backup.id) for one in found if one.is_proven]
