"""What is wrong now, and which of it is new or over. Pure: `now` is passed in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is wrong. `subject` is the same for as long as it is, whatever `words` say of it by now."""

    subject: str
    set_name: str = ""  # empty if it is about the whole sidecar
    severity: Severity
    words: str

    @property
    def key(self) -> str:
        return f"{self.set_name} {self.subject}".strip()


@dataclass(frozen=True, slots=True)
class News:
    """A condition that was not known, or as another severity; or one that is over."""

    condition: Condition
    is_over: bool = False


def changes(known: Mapping[str, Condition], found: Iterable[Condition]) -> list[News]:
    """The news, what is over first. Other words for the same thing are none."""
    now = {one.key: one for one in found}
    over = [News(one, is_over=True) for key, one in known.items() if key not in now]
    return over + [News(one) for key, one in now.items() if key not in known or known[key].severity != one.severity]
