"""What the running server tells, as a terminal shows it."""

import pytest

from sidecar.cli.terminal import serving

UP = {"is_up": True, "asked_at": "2026-11-29T01:05:00Z", "last_up_at": "2026-11-29T01:05:00Z", "error": None}
DOWN = UP | {"is_up": False, "error": "running ping: no answer within 3 s"}


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (UP, ""),
        (UP | {"is_up": False, "asked_at": None}, ""),
        (DOWN, "MongoDB: UNREACHABLE, it last answered 2026-11-29 01:05 UTC: running ping: no answer within 3 s\n"),
        (DOWN | {"last_up_at": None}, "MongoDB: UNREACHABLE, it never answered: running ping: no answer within 3 s\n"),
    ],
)
def test_mongodb_is_spoken_of_where_it_does_not_answer(
    seen: serving.Body, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.mongodb(seen)
    assert capsys.readouterr().out == said
