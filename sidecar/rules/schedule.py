"""Which schedule expressions are accepted: the one place that knows croniter."""

from dataclasses import dataclass
from typing import Self

from croniter import CroniterBadDateError, CroniterError, croniter

ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_FIELDS = 5


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
        try:
            croniter.expand(expression, strict=True)
            croniter(expression).get_next()  # croniter accepts the 31st of February until it is asked for it
        except CroniterBadDateError:
            raise ValueError("expected a date that comes, this one never does") from None
        except (CroniterError, ValueError) as error:
            raise ValueError(f"expected a cron expression of five fields: {error}") from None
        return cls(expression)

    def __str__(self) -> str:
        return self.expression
