"""A webhook's body: JSON with places in its texts for what a notice says. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sidecar.model import Notice, NoticeState, Severity

DEFAULT: Final = '{"text": "{title}\\n{text}"}'  # what Slack, Mattermost and many others take
_KINDS: Final = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
}  # as Apprise has them
_PRIORITIES: Final = {Severity.INFO: 3, Severity.WARNING: 4, Severity.CRITICAL: 5}  # as ntfy has them
PLACES: Final[Mapping[str, Callable[[Notice], str | int]]] = {
    "title": lambda one: one.title,
    "text": lambda one: one.text,
    "state": lambda one: one.state.value,
    "severity": lambda one: one.severity.value,
    "set": lambda one: one.set_name,
    "type": lambda one: "success" if one.state is NoticeState.RESOLVED else _KINDS[one.severity],
    "priority": lambda one: 3 if one.state is NoticeState.RESOLVED else _PRIORITIES[one.severity],
}
_PLACE: Final = re.compile(r"\{([a-z]+)\}")


def parse(text: str) -> str:
    """A template that can be filled. Raises ValueError with what was expected."""
    try:
        template = json.loads(text)
    except (ValueError, RecursionError):
        template = None
    if type(template) not in (dict, list):
        places = ", ".join(f"{{{name}}}" for name in PLACES)
        raise ValueError(f"a JSON object with places such as {places} in its texts")
    if unknown := sorted({name for name in _PLACE.findall(text) if name not in PLACES}):
        raise ValueError(f"none but the places {', '.join(PLACES)}, not {unknown[0]}")
    return text


def filled(template: str, notice: Notice) -> Any:
    """The body. A text that is one place and nothing else becomes its value: a number where that is one."""
    return _filled(json.loads(template), notice)


def _filled(value: Any, notice: Notice) -> Any:
    match value:
        case dict():
            return {key: _filled(one, notice) for key, one in value.items()}
        case list():
            return [_filled(one, notice) for one in value]
        case str() if (found := _PLACE.fullmatch(value)) is not None:
            return PLACES[found[1]](notice)
        case str():
            return _PLACE.sub(lambda found: str(PLACES[found[1]](notice)), value)
    return value
