"""The due times of a set by its configuration: schedule or interval, jitter and blackout windows. Pure."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from sidecar.model import BackupSet
from sidecar.rules import blackout
from sidecar.rules.schedule import Cron, Every, Schedule, Shifted, Timetable, jitter


def timetable_of(one: BackupSet, zone: ZoneInfo) -> Timetable:
    """The timetable of the set's backups."""
    timetable: Timetable = Every(timedelta(hours=one.interval_hours))
    if one.schedule is not None:
        timetable = Cron(Schedule.parse(one.schedule), zone)
    shifted = Shifted(timetable, jitter(one.name, one.jitter_seconds)) if one.jitter_seconds else timetable
    return darkened(shifted, one, zone)


def darkened(timetable: Timetable, one: BackupSet, zone: ZoneInfo) -> Timetable:
    """Return the timetable without due times in the set's blackout windows."""
    if not one.blackout:
        return timetable
    return blackout.Dark(timetable, blackout.parse(one.blackout), zone, jitter(one.name, one.jitter_seconds))
