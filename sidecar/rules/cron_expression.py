"""Check cron expressions and compute their due times. Only this module uses croniter. Pure.

Day of month and day of week are combined as in crontab(5) of Debian: if neither field begins with `*`, a day that matches
either is due; if one does, a day must match both. `L` and `#` beside another restricted field are refused, because croniter
ignores one of the two fields.
"""

import re
from datetime import datetime

from croniter import CroniterBadDateError, CroniterError, croniter

_FIELDS = 5
_ANY_MOMENT = 0.0  # a start time; whether a date ever comes does not depend on it
_RANDOM = re.compile(r"(^| )r")  # croniter draws a new number for R each time, so that due times would change
_RANGE = re.compile(r"(\w+)-(\w+)")
_NTH = re.compile(r"#|(^|,)l|l(,|$)")  # the second Sunday, the last Friday
_ANY_DAY = frozenset({"*", "?"})


def require_sound(expression: str) -> None:
    """Raise ValueError if an expression of five fields in lower case is wrong or never due. It says what was expected."""
    if _RANDOM.search(expression):
        raise ValueError("expected a cron expression of five fields without R, which is random")
    if _mixes_days(expression):
        raise ValueError("expected L or # in one of the two fields of days and * in the other")
    try:
        croniter.expand(expression, strict=True)
        due_times(expression, _ANY_MOMENT).get_next()  # the only way to find out that a date never comes
    except CroniterBadDateError:
        raise ValueError("expected a date that exists: this one never comes") from None
    except (CroniterError, ValueError) as error:
        raise ValueError(f"expected a cron expression of five fields: {error}") from None
    if any(_is_one_value(position, field) for position, field in enumerate(expression.split())):
        raise ValueError("expected ranges with two different ends, or a single value instead")


def due_times(expression: str, start: datetime | float) -> croniter:
    """An iterator over the due times before and after `start`, in local time if `start` is."""
    return croniter(expression, start, implement_cron_bug=True)  # croniter's name for the rule of crontab(5)


def _mixes_days(expression: str) -> bool:
    """Whether both fields of days are restricted and one of them contains L or #."""
    _, _, day_of_month, _, day_of_week = expression.split()
    are_both_restricted = not (day_of_month in _ANY_DAY or day_of_week in _ANY_DAY)
    return are_both_restricted and ("l" in day_of_month or bool(_NTH.search(day_of_week)))


def _is_one_value(position: int, field: str) -> bool:
    """Whether the field contains a range of one value, such as 5-5 or mon-1, which croniter takes for all values."""
    ranges = [ends for ends in _RANGE.findall(field) if ends != ("0", "7")]  # 0-7 is the whole week in crontab(5)
    return any(_values(position, first) == _values(position, last) for first, last in ranges)


def _values(position: int, text: str) -> list[int | str]:
    fields = ["*"] * _FIELDS
    fields[position] = text
    return list(croniter.expand(" ".join(fields))[0][position])
