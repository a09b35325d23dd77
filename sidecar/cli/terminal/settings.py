"""Print the configuration in force, and whether everything that it needs is there."""

from collections.abc import Iterable

from sidecar.cli.terminal.console import say
from sidecar.cli.terminal.tables import Column, Table
from sidecar.inspect.preflight import Check

_MARKS = {True: ("✔", "green"), False: ("✘", "red"), None: ("?", "yellow")}


def settings(rows: Iterable[tuple[str, str, str]]) -> None:
    table = Table("Configuration", Column("Setting", is_lead=True), "Value", "From")
    for row in rows:
        table.row(*row)
    table.show()


def findings(found: Iterable[Check]) -> None:
    for one in found:
        mark, style = _MARKS[one.is_good]
        say(f"{mark} {one.subject}: {one.message}", style)
        if one.cure:
            say(f"  {one.cure}")
