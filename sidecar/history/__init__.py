"""The durable record of runs, due times and notices, in SQLite; a run is recorded before it starts."""

from sidecar.history.outbox import Letter, Outbox
from sidecar.history.record import History
from sidecar.history.rows import Accounted, JobFilter, Pause, Retry, Total

DIRECTORY = ".history"  # below the backup directory

__all__ = ["DIRECTORY", "Accounted", "History", "JobFilter", "Letter", "Outbox", "Pause", "Retry", "Total"]
