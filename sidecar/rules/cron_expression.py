"""Which cron expressions are sound, and when they come due: the one place that knows croniter. Pure.

Day of month and day of week are read as crontab(5) of Debian reads them: where neither field begins with `*`, a day that fits
either is due; where one does, a day that fits both. `L` and `#` beside another restricted field are refused, for croniter drops
one of the two.
"""

import re
from datetime import datetime

from croniter import CroniterBadDateError, CroniterError, croniter

_FIELDS = 5
_ANY_MOMENT = 0.0  # whether a date ever comes does not depend on when one asks
_RANDOM = re.compile(r"(^| )r")  # croniter draws R afresh at each reading: no due time would stay the same
_RANGE = re.compile(r"(\w+)-(\w+)")
_NTH = re.compile(r"#|(^|,)l|l(,|$)")  # the second Sunday, the last Friday
_ANY_DAY = frozenset({"*", "?"})


def require_sound(expression: str) -> None:
    """That five fields in small letters come due. A ValueError says what was expected."""
    if _RANDOM.search(expression):
        raise ValueError("expected a cron expression of five fields without R, which is random")
    if _mixes_days(expression):
        raise ValueError("expected L or # in one of the two fields of days and * in the other")
    try:
        croniter.expand(expression, strict=True)
        due_times(expression, _ANY_MOMENT).get_next()  # dates such as a fifth Sunday the 7th are only found out so
    except CroniterBadDateError:
        raise ValueError("expected a date that comes, this one never does") from None
    except (CroniterError, ValueError) as error:
        raise ValueError(f"expected a cron expression of five fields: {error}") from None
    if any(_is_one_value(position, field) for position, field in enumerate(expression.split())):
        raise ValueError("expected ranges with two different ends, or a single value instead")


def due_times(expression: str, start: datetime | float) -> croniter:
    return croniter(expression, start, implement_cron_bug=True)  # what croniter calls the rule of crontab(5)


def _mixes_days(expression: str) -> bool:
    """Whether one of two restricted fields of days holds an L or a #."""
    _, _, day_of_month, _, day_of_week = expression.split()
    are_both_restricted = not (day_of_month in _ANY_DAY or day_of_week in _ANY_DAY)
    return are_both_restricted and ("l" in day_of_month or bool(_NTH.search(day_of_week)))


def _is_one_value(position: int, field: str) -> bool:
    """Whether the field holds a range such as 5-5 or mon-1, which croniter reads as every value there is."""
    ranges = [ends for ends in _RANGE.findall(field) if ends != ("0", "7")]  # all week, as in crontab(5)
    return any(_values(position, first) == _values(position, last) for first, last in ranges)


def _values(position: int, text: str) -> list[int | str]:
    fields = ["*"] * _FIELDS
    fields[position] = text
    return list(croniter.expand(" ".join(fields))[0][position])
