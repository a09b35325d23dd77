"""When a set is due, by everything that its keys say. Pure."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from sidecar.model import BackupSet
from sidecar.rules import blackout
from sidecar.rules.schedule import Cron, Every, Schedule, Shifted, Timetable, jitter


def timetable_of(one: BackupSet, zone: ZoneInfo) -> Timetable:
    """When a backup of the set is due."""
    timetable: Timetable = Every(timedelta(hours=one.interval_hours))
    if one.schedule is not None:
        timetable = Cron(Schedule.parse(one.schedule), zone)
    shifted = Shifted(timetable, jitter(one.name, one.jitter_seconds)) if one.jitter_seconds else timetable
    return darkened(shifted, one, zone)


def darkened(timetable: Timetable, one: BackupSet, zone: ZoneInfo) -> Timetable:
    """The same but for the set's blackout windows."""
    if not one.blackout:
        return timetable
    return blackout.Dark(timetable, blackout.parse(one.blackout), zone, jitter(one.name, one.jitter_seconds))
