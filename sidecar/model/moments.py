"""Times as our SQLite files hold them."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def stored(moment: datetime) -> int:
    """Return a time as it is stored: in microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(stored: int) -> datetime:
    """Return the time of a stored number. Raises ValueError if there is no such time."""
    try:
        return _EPOCH + stored * _MICROSECOND
    except OverflowError as error:
        raise ValueError(f"{stored} is not a time") from error
