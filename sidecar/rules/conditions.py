"""Conditions that people are told of, and which of them are new or over. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is wrong. `subject` identifies it and does not change, while `words` may."""

    subject: str
    set_name: str = ""  # empty if it concerns the whole sidecar
    severity: Severity
    words: str

    @property
    def key(self) -> str:
        """What identifies the condition among all others."""
        return f"{self.set_name} {self.subject}".strip()


@dataclass(frozen=True, slots=True)
class News:
    """A condition that is new or has another severity; or one that is over."""

    condition: Condition
    is_over: bool = False


def changes(known: Mapping[str, Condition], found: Iterable[Condition]) -> list[News]:
    """Return the news, with those that are over first. A condition of which only the words changed is not news."""
    now = {one.key: one for one in found}
    over = [News(one, is_over=True) for key, one in known.items() if key not in now]
    return over + [News(one) for key, one in now.items() if key not in known or known[key].severity != one.severity]
