"""What is kept of each set, as the rules take it."""

from datetime import datetime

from sidecar.config.settings import Settings
from sidecar.rules.policy import Policy
from sidecar.rules.schedule import average_distance
from sidecar.rules.timetable import timetable_of


def policies(settings: Settings, now: datetime) -> dict[str, Policy]:
    """By the names of the sets."""
    zone = settings.timezone
    return {
        name: Policy.of(one, zone, average_distance(timetable_of(one, zone), now))
        for name, one in settings.sets.items()
    }
