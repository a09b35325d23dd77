"""What runs by itself, and when, as the settings say."""

from datetime import datetime

from sidecar.config import Settings
from sidecar.model import BackupSet, Kind
from sidecar.rules.schedule import Cron, Schedule, Timetable, interval_seconds
from sidecar.rules.timetable import darkened, timetable_of
from sidecar.runs.scheduler import Routine


def routines(settings: Settings, now: datetime) -> list[Routine]:
    """Everything that runs by itself: a backup of each set, the verification of what is stored of it, and a drill.

    What cannot be read here, for want of a private key, is not rehearsed.
    """
    found = [
        _routine(Kind.BACKUP, one.name, timetable_of(one, settings.timezone), _described(one), now)
        for one in settings.sets.values()
    ]
    for kind, text in ((Kind.VERIFY, settings.verify_schedule), (Kind.DRILL, settings.drill_schedule)):
        if text is not None:
            timetable = Cron(Schedule.parse(text), settings.timezone)
            impossible = settings.unreadable_sets if kind is Kind.DRILL else []
            sets = [one for one in settings.sets.values() if one.name not in impossible]
            found += [
                _routine(kind, one.name, darkened(timetable, one, settings.timezone), _but(text, one), now)
                for one in sets
            ]
    return found


def _described(one: BackupSet) -> str:
    return _but(one.schedule or f"every {one.interval_hours:g} h", one)


def _but(schedule: str, one: BackupSet) -> str:
    return f"{schedule}, not {' or '.join(one.blackout)}" if one.blackout else schedule


def _routine(kind: Kind, name: str, timetable: Timetable, description: str, now: datetime) -> Routine:
    return Routine(kind, name, timetable, description, interval_seconds(timetable, now))
