"""The plan of a restore, what became of it, and drills."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from sidecar.cli.terminal.console import err, out, say
from sidecar.restore.plan import Plan
from sidecar.restore.restore import Restored


def plan(planned: Plan, target_db: str, estimated_seconds: float | None) -> None:
    table = Table(title=f"Restore into {target_db}", title_justify="left")
    table.add_column("Collection")
    table.add_column("Kind")
    for heading in ("Documents in the backup", "Replaces", "New", "Changed", "Unchanged", "Removed"):
        table.add_column(heading, justify="right")
    for one in planned.collections:
        replaces = "nothing" if one.replaces_documents is None else f"{one.replaces_documents:,} documents"
        compared = (one.inserted, one.replaced, one.unchanged, one.removed)
        figures = ["" if number is None else f"{number:,}" for number in compared]
        table.add_row(one.collection, one.kind.value, f"{one.documents:,}", replaces, *figures)
    out.print(table)
    for one in planned.collections:
        for warning in one.warnings:
            err.print(f"{one.collection}: {warning}", style="yellow", markup=False)
    for obstacle in planned.obstacles:
        err.print(f"refused without --force: {obstacle}", style="red", markup=False)
    if estimated_seconds is not None:
        say(f"It will take about {estimated_seconds:g} s, by the measure of the last drill.")


def restored(result: Restored) -> None:
    say(f"Restored {result.backup_id} into {result.target_db}: counts and fingerprints are equal.")
    table = Table()
    table.add_column("Collection")
    table.add_column("Documents", justify="right")
    table.add_column("Fingerprint")
    for name, detail in result.collections.items():
        table.add_row(name, f"{detail.documents:,}", f"{detail.fingerprint[:16]}…")
    for name in result.views:
        table.add_row(name, "view", "")
    out.print(table)
    for remark in result.remarks:
        err.print(remark, style="yellow", markup=False)


def drills(bodies: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title="Restore drill", title_justify="left")
    table.add_column("Set")
    table.add_column("Result")
    table.add_column("Documents", justify="right")
    table.add_column("Seconds", justify="right")
    table.add_column("Backup, or what failed", overflow="fold")
    for name, body in bodies.items():
        result = "[green]✔ proven[/]" if body["success"] else "[red]✘ failed[/]"
        figures = (f"{body['documents']:,}", f"{body['seconds']}") if body["success"] else ("", "")
        table.add_row(name, result, *figures, Text(body["message"]))
    out.print(table)
