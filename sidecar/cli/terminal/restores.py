"""Print the plan and the result of a restore, and the results of drills."""

from collections.abc import Mapping
from typing import Any

from sidecar.cli.terminal.console import remark, say, shown
from sidecar.cli.terminal.tables import Column, Table, number
from sidecar.model import documents_in_words
from sidecar.restore.plan import Plan
from sidecar.restore.restore import Restored


def plan(planned: Plan, target_db: str, estimated_seconds: float | None) -> None:
    """Print what a restore would replace, with warnings and obstacles."""
    figures = map(number, ("New", "Changed", "Unchanged", "Removed"))
    table = Table(
        f"Restore into {target_db}",
        Column("Collection", is_lead=True),
        "Kind",
        number("In the backup"),
        number("Replaces"),
        *figures,
    )
    for one in planned.collections:
        there = one.replaces_documents
        replaces = "nothing" if there is None else documents_in_words(there)
        compared = (one.inserted, one.replaced, one.unchanged, one.removed)
        counts = ["" if count is None else f"{count:,}" for count in compared]
        table.row(one.collection, one.kind.value, f"{one.documents:,}", replaces, *counts)
    table.show()
    for one in planned.collections:
        for warning in one.warnings:
            remark(f"{one.collection}: {warning}", "yellow")
    for obstacle in planned.obstacles:
        remark(f"refused without --force: {obstacle}", "red")
    if indexes := sum(one.indexes for one in planned.collections):
        noun = "index" if indexes == 1 else "indexes"
        say(f"{indexes} {noun} to build. If the server refuses one, the restore fails; --force skips it.")
    if estimated_seconds is not None:
        say(f"It will take about {estimated_seconds:g} s, going by the last drill.")


def restored(result: Restored) -> None:
    """Print what a restore has written and compared."""
    if result.documents is not None:
        counts = ", ".join(f"{number} {what}" for what, number in result.documents.items())
        say(f"Documents of {result.backup_id} are in {result.target_db}: {counts}; read back and equal byte for byte.")
        return
    say(f"Restored {result.backup_id} into {result.target_db}: counts and fingerprints are equal.")
    table = Table("", Column("Collection", is_lead=True), number("Documents"), "Fingerprint")
    for name, detail in result.collections.items():
        table.row(name, f"{detail.documents:,}", f"{detail.fingerprint or '':.16}…")
    for name in result.views:
        table.row(name, "view", "")
    table.show()
    for words in result.remarks:
        remark(words, "yellow")


def drills(bodies: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a table of drills, a row for each set."""
    table = Table(
        "Restore drill",
        Column("Set", is_lead=True),
        Column("Result", is_lead=True),
        number("Documents"),
        number("Seconds"),
        "Backup",
    )
    for name, body in bodies.items():
        if body["success"]:
            table.row(name, shown("✔ proven", "green"), f"{body['documents']:,}", f"{body['seconds']}", body["message"])
        else:
            table.row(name, shown("✘ failed", "red"), "", "", "", remarks=[body["message"]])
    table.show()
