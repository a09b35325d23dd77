"""What differs between two backups."""

from collections.abc import Mapping

from sidecar.cli.terminal.tables import Column, Table, number
from sidecar.inspect.compare import Difference


def differences(found: Mapping[str, Difference]) -> None:
    figures = map(number, ("Documents", "Added", "Removed", "Changed"))
    table = Table("Differences", Column("Collection", is_lead=True), *figures, "Definition")
    for name, one in found.items():
        ids = (f"{kind}: {', '.join(some)}" for kind, some in one.ids.items())
        definition = "changed" if one.definition_changed else "same"
        documents = f"{one.left_documents:,} → {one.right_documents:,}"
        table.row(name, documents, f"{one.added:,}", f"{one.removed:,}", f"{one.changed:,}", definition, remarks=ids)
    table.show()
