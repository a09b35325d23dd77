"""Which schedule expressions are accepted: the one place that knows croniter."""

import re
from dataclasses import dataclass
from typing import Self

from croniter import CroniterBadDateError, CroniterError, croniter

ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_FIELDS = 5
_ANY_MOMENT = 0.0  # whether a date ever comes does not depend on when one asks
_RANDOM = re.compile(r"(^| )r")  # croniter draws R afresh at each reading: no due time would stay the same
_RANGE = re.compile(r"(\w+)-(\w+)")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression that is known to come due."""

    expression: str  # five fields with one blank between them, or an alias

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read five cron fields or an alias such as `@daily`. A ValueError says what was expected."""
        expression = " ".join(text.split()).lower()
        if expression not in ALIASES and len(expression.split()) != _FIELDS:
            raise ValueError(f"expected a cron expression of five fields or one of {', '.join(ALIASES)}")
        if _RANDOM.search(expression):
            raise ValueError("expected a cron expression of five fields without R, which is random")
        try:
            croniter.expand(expression, strict=True)
            croniter(expression, _ANY_MOMENT).get_next()  # dates such as a fifth Sunday the 7th are only found out so
        except CroniterBadDateError:
            raise ValueError("expected a date that comes, this one never does") from None
        except (CroniterError, ValueError) as error:
            raise ValueError(f"expected a cron expression of five fields: {error}") from None
        if any(_is_one_value(position, field) for position, field in enumerate(expression.split())):
            raise ValueError("expected ranges with two different ends, or a single value instead")
        return cls(expression)

    def __str__(self) -> str:
        return self.expression


def _is_one_value(position: int, field: str) -> bool:
    """Whether the field holds a range such as 5-5 or mon-1, which croniter reads as every value there is."""
    ranges = [ends for ends in _RANGE.findall(field) if ends != ("0", "7")]  # all week, as in crontab(5)
    return any(_values(position, first) == _values(position, last) for first, last in ranges)


def _values(position: int, text: str) -> list[int | str]:
    fields = ["*"] * _FIELDS
    fields[position] = text
    return list(croniter.expand(" ".join(fields))[0][position])
