"""Which schedule expressions are accepted: the one place that knows croniter."""

from dataclasses import dataclass
from itertools import starmap
from typing import Self

from croniter import croniter
from croniter.croniter import CroniterError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31 or L"),
    ("month", "1-12 or jan-dec"),
    ("day of week", "0-7 or sun-sat"),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression that is known to come due. Two spellings of the same expression are equal."""

    expression: str  # five fields, lower case, one blank between them

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read five cron fields or an alias such as `@daily`. A ValueError says what was expected."""
        alias = text.strip().lower()
        fields = ALIASES.get(alias, alias).split()
        if alias.startswith("@") and alias not in ALIASES:
            raise ValueError(f"expected one of {', '.join(ALIASES)} or five cron fields")
        if len(fields) != len(_FIELDS):
            raise ValueError(f"expected five cron fields (minute hour day month weekday) or an alias such as {_ALIAS}")
        for position, field in enumerate(fields):
            _check_field(position, field)
        expression = " ".join(fields)
        _check_date(expression)
        return cls(expression)

    def __str__(self) -> str:
        return self.expression


_ALIAS = "@hourly"


def _check_field(position: int, field: str) -> None:
    name, allowed = _FIELDS[position]
    # croniter draws `R` afresh each time it is read, so a due time would never be the same twice.
    if field.startswith("r") or not all(starmap(_is_range, _ranges(field))) or _values(position, field) is None:
        raise ValueError(f"expected {allowed}, *, lists, ranges or steps of them in the {name} field")


def _values(position: int, field: str) -> list[object] | None:
    """What croniter makes of one field alone, None where it refuses it."""
    fields = ["*"] * len(_FIELDS)
    fields[position] = field
    try:
        return list(croniter.expand(" ".join(fields))[0][position])
    except CroniterError:
        return None
