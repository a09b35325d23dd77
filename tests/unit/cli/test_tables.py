"""Tables for people: side by side where it fits, else one below the other, and never cut."""

import pytest
from rich.console import Console

from sidecar.cli.terminal import tables
from sidecar.cli.terminal.tables import Column, Table, number

ID = "attendance_backup_20261124_021838"


def drawn(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    console = Console(width=width, highlight=False)
    monkeypatch.setattr(tables, "out", console)
    table = Table(
        "Backups",
        Column("Backup", is_lead=True),
        Column("Set", may_go=True),
        number("Documents"),
        Column("State", is_lead=True),
        Column("Taken"),
    )
    table.row(ID, "attendance", "45,152", "✘ invalid", "2026-11-24 02:18:38", remarks=["the data is not what it was"])
    table.row("[red]esc\x1b[2J[/red]", "main", "1", "✔ valid", "2026-11-24 02:18:37")
    with console.capture() as captured:
        table.show()
    return captured.get().splitlines()


def test_a_wide_terminal_has_a_row_for_each_and_remarks_below(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(120, monkeypatch) == [
        "Backups",
        "Backup                             Set         Documents  State      Taken",
        f"{ID}  attendance     45,152  ✘ invalid  2026-11-24 02:18:38",
        "    the data is not what it was",
        r"[red]esc\x1b[2J[/red]              main                1  ✔ valid    2026-11-24 02:18:37",
    ]


def test_what_is_told_elsewhere_in_the_row_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(80, monkeypatch)[:3] == [
        "Backups",
        "Backup                             Documents  State      Taken",
        f"{ID}     45,152  ✘ invalid  2026-11-24 02:18:38",
    ]


def test_a_narrow_terminal_has_lines_and_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(46, monkeypatch) == [
        "Backups",
        f"{ID}  ✘ invalid",
        "    Set: attendance  Documents: 45,152",
        "    Taken: 2026-11-24 02:18:38",
        "    the data is not what it was",
        r"[red]esc\x1b[2J[/red]  ✔ valid",
        "    Set: main  Documents: 1",
        "    Taken: 2026-11-24 02:18:37",
    ]
