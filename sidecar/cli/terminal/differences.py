"""What differs between two backups."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from sidecar.cli.terminal.console import out
from sidecar.inspect.compare import Difference


def differences(found: Mapping[str, Difference]) -> None:
    table = Table(title="Differences", title_justify="left")
    table.add_column("Collection")
    for heading in ("Documents", "Added", "Removed", "Changed"):
        table.add_column(heading, justify="right")
    table.add_column("Definition")
    table.add_column("Some ids", overflow="fold")
    for name, one in found.items():
        ids = "; ".join(f"{kind}: {', '.join(some)}" for kind, some in one.ids.items())
        definition = "changed" if one.definition_changed else "same"
        documents = f"{one.left_documents:,} → {one.right_documents:,}"
        table.add_row(name, documents, f"{one.added:,}", f"{one.removed:,}", f"{one.changed:,}", definition, Text(ids))
    out.print(table)
