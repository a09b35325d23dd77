"""Print the differences between two backups."""

import json
from collections.abc import Mapping

from sidecar.cli.terminal.tables import Column, Table, number
from sidecar.inspect.compare import Difference

_SIDES = {"left": "first", "right": "second"}


def _shown(identity: object) -> str:
    return json.dumps(identity, ensure_ascii=False)


def differences(found: Mapping[str, Difference]) -> None:
    figures = map(number, ("Documents", "Added", "Removed", "Changed"))
    table = Table("Differences", Column("Collection", is_lead=True), *figures, "Definition")
    for name, one in found.items():
        ids = [f"{kind}: {', '.join(map(_shown, some))}" for kind, some in one.ids.items()]
        if one.not_in:
            ids.append(f"not in the {_SIDES[one.not_in]} backup: nothing was compared")
        definition = "changed" if one.definition_changed else "same"
        documents = f"{one.left_documents:,} → {one.right_documents:,}"
        table.row(name, documents, f"{one.added:,}", f"{one.removed:,}", f"{one.changed:,}", definition, remarks=ids)
    table.show()
