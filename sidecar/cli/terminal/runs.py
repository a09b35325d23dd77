"""Print runs and their outcomes."""

from collections.abc import Iterable

from rich.text import Text

from sidecar.cli.terminal.console import shown
from sidecar.cli.terminal.tables import Column, Table
from sidecar.model import Outcome, Run

_STYLE = {Outcome.SUCCEEDED: "green", Outcome.FAILED: "red", Outcome.ABORTED: "red", Outcome.MISSED: "red"}


def runs(found: Iterable[Run]) -> None:
    table = Table(
        "Runs", Column("Begun (UTC)", is_lead=True), "What", "Set", Column("Outcome", is_lead=True), "Took", "Backup"
    )
    for one in found:
        took = f"{(one.ended_at - one.started_at).total_seconds():,.1f} s" if one.ended_at else "–"
        reason = one.message if one.outcome is not Outcome.SUCCEEDED else ""
        begun = f"{one.started_at:%Y-%m-%d %H:%M:%S}"
        table.row(begun, one.kind, one.set_name, _outcome(one), took, one.backup_id or "–", remarks=[reason])
    table.show()


def _outcome(one: Run) -> Text:
    return shown(one.outcome, _STYLE.get(one.outcome, "yellow")) if one.outcome else shown("running", "cyan")
