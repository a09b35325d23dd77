"""The configuration that is in force."""

from collections.abc import Iterable

from sidecar.cli.terminal.tables import Column, Table


def settings(rows: Iterable[tuple[str, str, str]]) -> None:
    table = Table("Configuration", Column("Setting", is_lead=True), "Value", "From")
    for row in rows:
        table.row(*row)
    table.show()
