"""The durable record of what ran, what was due, and what was found: SQLite, written before the work starts."""

from sidecar.history.outbox import Letter, Outbox
from sidecar.history.record import History
from sidecar.history.rows import Accounted, JobFilter, Pause, Retry, Total

DIRECTORY = ".history"  # below the backup directory

__all__ = ["DIRECTORY", "Accounted", "History", "JobFilter", "Letter", "Outbox", "Pause", "Retry", "Total"]
