"""What lies in a backup directory and by which rules: all that can be told and changed without the database.

A command that only looks imports this and not the service, which costs it the driver and everything that restores.
"""

from datetime import UTC, datetime

from sidecar.config import Settings
from sidecar.config.policies import policies
from sidecar.errors import SetNotFound
from sidecar.model import BackupSet
from sidecar.store.catalog import Catalog
from sidecar.store.findings import Findings
from sidecar.store.keeping import Keeping
from sidecar.store.local import LocalStore

BUILT_IN = ("main", "attendance")
ALL, BOTH = "all", "both"


class Holdings:
    """The backups of one directory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stores = {
            name: LocalStore(settings.backup_dir, one, settings.keyring, settings.signing)
            for name, one in settings.sets.items()
        }
        self.catalog = Catalog(self.stores, Findings(settings.backup_dir))
        self.policies = policies(settings, datetime.now(UTC))
        self.keeping = Keeping(self.catalog, self.policies)

    def sets(self, asked: str) -> list[BackupSet]:
        """The sets that a name, `both` or `all` stands for. Raises SetNotFound."""
        known = self.settings.sets
        both = tuple(name for name in BUILT_IN if name in known) or BUILT_IN  # one that is not wanted is not asked for
        names = {ALL: tuple(known), BOTH: both}.get(asked, (asked,))
        if unknown := [name for name in names if name not in known]:
            raise SetNotFound(f"unknown backup set {unknown[0]!r}: expected {', '.join(known)}, both or all")
        return [known[name] for name in names]
