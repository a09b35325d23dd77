"""The body of a webhook: JSON with placeholders in its strings for the values of a notice. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sidecar.model import Notice, NoticeState, Severity

DEFAULT: Final = '{"text": "{title}\\n{text}"}'  # the format of Slack, Mattermost and many others
# the types of Apprise and the priorities of ntfy
_KINDS: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
_PRIORITIES: Final = {Severity.INFO: 3, Severity.WARNING: 4, Severity.CRITICAL: 5}
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
    """Return the template if it can be filled. Raises ValueError with what was expected."""
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
    """Return the template filled with the values of a notice. A string that is only a placeholder becomes the value itself."""
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
