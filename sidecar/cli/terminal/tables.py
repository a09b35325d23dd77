"""Tables that cut nothing: if the terminal is too narrow, each row becomes a few lines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from sidecar.cli.terminal.console import out, shown
from sidecar.runtime.printable import printable

GAP = "  "
INDENT = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `is_lead`: it is in the first line of a row that becomes lines. `may_go`: it may be left out to save width."""

    heading: str
    is_number: bool = False
    is_lead: bool = False
    may_go: bool = False


def number(heading: str) -> Column:
    """Return a column of numbers, which are aligned to the right."""
    return Column(heading, is_number=True)


class Table:
    """A table of rows, each with remarks below it."""

    def __init__(self, title: str, *columns: Column | str) -> None:
        self._title = title
        self._columns = [Column(one) if isinstance(one, str) else one for one in columns]
        self._rows: list[tuple[Sequence[Text], Sequence[str]]] = []

    def row(self, *cells: str | Text, remarks: Iterable[str] = ()) -> None:
        """Add a row. Empty remarks are left out."""
        texts = [cell if isinstance(cell, Text) else Text(printable(cell)) for cell in cells]
        self._rows.append((texts, [remark for remark in remarks if remark]))

    def show(self) -> None:
        """Print the table on stdout."""
        if self._title:
            out.print(shown(self._title, "bold"), soft_wrap=True)
        chosen = self._fitting()
        lines = self._as_rows(chosen) if chosen else self._as_lines()
        for line in lines:
            out.print(line, soft_wrap=True)

    # -- side by side --------------------------------------------------------------------------------------------------

    def _fitting(self) -> list[int]:
        """Return the columns that fit side by side, dropping those that may go if needed; none if the rest does not fit."""
        kept = list(range(len(self._columns)))
        for dropped in [None, *[number for number in kept if self._columns[number].may_go]]:
            kept = [number for number in kept if number != dropped]
            if sum(map(self._width, kept)) + len(GAP) * (len(kept) - 1) <= out.width:
                return kept
        return []

    def _width(self, column: int) -> int:
        cells = (cells[column].cell_len for cells, _ in self._rows)
        return max(len(self._columns[column].heading), *cells) if self._rows else len(self._columns[column].heading)

    def _as_rows(self, chosen: Sequence[int]) -> Iterator[Text]:
        widths = {column: self._width(column) for column in chosen}
        headings = [Text(column.heading, "bold") for column in self._columns]
        for cells, remarks in [(headings, ()), *self._rows]:
            line = Text()
            for column in chosen:
                cell, blank = cells[column], " " * (widths[column] - cells[column].cell_len)
                parts = (blank, cell) if self._columns[column].is_number else (cell, blank)
                line = line.append(GAP if column != chosen[0] else "").append(parts[0]).append(parts[1])
            line.rstrip()
            yield line
            for remark in remarks:
                yield from _below([shown(remark)], GAP)

    # -- one below the other -------------------------------------------------------------------------------------------

    def _as_lines(self) -> Iterator[Text]:
        for cells, remarks in self._rows:
            leads = [cell for cell, column in zip(cells, self._columns, strict=True) if column.is_lead] or cells[:1]
            yield Text(GAP).join(leads)
            rest = [
                Text(f"{column.heading}: ").append(cell)
                for cell, column in zip(cells, self._columns, strict=True)
                if cell.plain and not any(cell is lead for lead in leads)
            ]
            yield from _below(rest, GAP)
            for remark in remarks:
                yield from _below([shown(remark)], GAP)


def _below(parts: Iterable[Text], separator: str) -> Iterator[Text]:
    """Yield indented lines with as many parts on each as fit."""
    line = Text()
    for part in parts:
        if line.plain and INDENT + line.cell_len + len(separator) + part.cell_len > out.width:
            yield from _indented(line)
            line = Text()
        line = (line.append(separator) if line.plain else line).append(part)
    if line.plain:
        yield from _indented(line)


def _indented(line: Text) -> Iterator[Text]:
    for one in line.wrap(out, max(out.width - INDENT, 1)):
        yield Text(" " * INDENT).append(one)
