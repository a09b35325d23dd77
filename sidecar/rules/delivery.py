"""How often and for how long the sidecar tries to deliver a notice. Pure."""

from datetime import timedelta
from typing import Final

from sidecar.model import Channel

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=15)
_DOUBLINGS: Final = 10  # enough to reach the longest pause
# A heartbeat says that all is well now: a late one would hide that the next is overdue.
_WORTH: Final = {
    Channel.HEARTBEAT: timedelta(hours=1),
    Channel.WEBHOOK: timedelta(days=1),
    Channel.MAIL: timedelta(days=1),
}
START_WORTH: Final = timedelta(minutes=1)  # for the message that a run has begun


def pause_after(attempts: int) -> timedelta:
    """How long to wait after this number of failed attempts."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, _DOUBLINGS)), LONGEST_PAUSE)


def is_worth_sending(channel: Channel, age: timedelta, *, is_start: bool = False) -> bool:
    """Whether a notice of this age is still worth sending: a receiver would take an older one for current."""
    return age <= (START_WORTH if is_start else _WORTH[channel])
