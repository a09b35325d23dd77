"""How often and for how long the delivery of a notice is tried. Pure."""

from datetime import timedelta
from typing import Final

from sidecar.model import Channel

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=15)
_DOUBLINGS: Final = 10  # until the longest pause is reached for certain
# A heartbeat says "now": one that comes late would hide that the next is overdue.
_WORTH: Final = {
    Channel.HEARTBEAT: timedelta(hours=1),
    Channel.WEBHOOK: timedelta(days=1),
    Channel.MAIL: timedelta(days=1),
}
START_WORTH: Final = timedelta(minutes=1)  # of the word that a run has begun


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts in vain."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, _DOUBLINGS)), LONGEST_PAUSE)


def is_worth_sending(channel: Channel, age: timedelta, *, is_start: bool = False) -> bool:
    """Whether a notice of this age still tells what the one who gets it will believe."""
    return age <= (START_WORTH if is_start else _WORTH[channel])
