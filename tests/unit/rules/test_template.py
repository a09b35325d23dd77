import json

import pytest

from sidecar.model import Notice, NoticeState, Severity
from sidecar.rules.template import DEFAULT, filled, parse

NOTICE = Notice(
    state=NoticeState.FIRING,
    severity=Severity.CRITICAL,
    set_name="main",
    title="[critical] Backups of school, main",
    text='He said "no"\nand {left}',
)


def test_a_text_keeps_its_quotes_its_lines_and_its_braces() -> None:
    assert filled(DEFAULT, NOTICE) == {"text": '[critical] Backups of school, main\nHe said "no"\nand {left}'}


def test_a_place_that_is_a_whole_text_becomes_its_value_at_any_depth() -> None:
    template = json.dumps({"topic": "x", "priority": "{priority}", "tags": ["{severity}", {"is": "{state}"}], "n": 1})
    assert filled(parse(template), NOTICE) == {
        "topic": "x",
        "priority": 5,
        "tags": ["critical", {"is": "firing"}],
        "n": 1,
    }


@pytest.mark.parametrize(
    ("state", "severity", "expected"),
    [
        (NoticeState.FIRING, Severity.CRITICAL, {"type": "failure", "priority": 5}),
        (NoticeState.FIRING, Severity.WARNING, {"type": "warning", "priority": 4}),
        (NoticeState.TEST, Severity.INFO, {"type": "info", "priority": 3}),
        (NoticeState.RESOLVED, Severity.CRITICAL, {"type": "success", "priority": 3}),
    ],
)
def test_what_is_over_is_a_success_and_what_is_critical_a_failure(
    state: NoticeState, severity: Severity, expected: dict[str, object]
) -> None:
    notice = Notice(state=state, severity=severity, set_name="", title="", text="")
    assert filled('{"type": "{type}", "priority": "{priority}"}', notice) == expected


@pytest.mark.parametrize("text", ["", "{", '"{title}"', "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a JSON object with places such as"):
        parse(text)


def test_an_unknown_place_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match=r"none but the places title, .*, not heading"):
        parse('{"text": "{heading}"}')
