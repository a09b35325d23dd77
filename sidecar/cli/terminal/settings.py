"""The configuration that is in force."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from sidecar.cli.terminal.console import out


def settings(rows: Iterable[tuple[str, str, str]]) -> None:
    table = Table(title="Configuration", title_justify="left")
    for heading in ("Setting", "Value", "From"):
        table.add_column(heading, overflow="fold")
    for name, value, source in rows:
        table.add_row(name, Text(value), source)
    out.print(table)
