"""Draw a progress bar for each collection."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from sidecar.cli.terminal.console import err
from sidecar.events import Listener, Progressed, nobody
from sidecar.model import size
from sidecar.runtime.printable import printable

_DOCUMENTS = "{task.fields[documents]:,} documents"


class _Speed(ProgressColumn):
    """The speed in our units; rich's own column uses powers of 1000."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{size(int(speed))}/s" if speed else "")


@contextmanager
def progress() -> Iterator[Listener]:
    """Yield a listener that draws a bar for each collection, or nothing if stderr is no terminal."""
    if not err.is_terminal:
        yield nobody
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn(_DOCUMENTS, markup=False))
    with Progress(*columns, DownloadColumn(binary_units=True), _Speed(), TimeElapsedColumn(), console=err) as bars:
        tasks: dict[tuple[str, str], TaskID] = {}

        def draw(event: Progressed) -> None:
            key = (event.action, event.collection)
            if key not in tasks:
                tasks[key] = bars.add_task(printable(f"{event.action} {event.collection}"), documents=0)
            share = event.documents / event.expected_documents if event.expected_documents else 1.0
            total = event.bson_bytes / share if share else None
            bars.update(tasks[key], completed=event.bson_bytes, total=total, documents=event.documents)

        yield draw
