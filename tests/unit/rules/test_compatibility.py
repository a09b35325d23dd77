from typing import Any

import pytest

from sidecar.rules.compatibility import is_older, lacks


@pytest.mark.parametrize(
    ("target", "source", "older"),
    [
        ("6.0.5", "7.0.1", True),
        ("7.0.1", "7.0.12", False),
        ("8.0.0", "7.0.1", False),
        ("7.0", None, False),
        ("?", "7.0", False),
    ],
)
def test_only_the_release_series_counts(target: str, source: str | None, older: bool) -> None:  # noqa: FBT001 - a table
    assert is_older(target, source) is older


@pytest.mark.parametrize(
    ("options", "index", "target", "said"),
    [
        (
            {"timeseries": {}},
            {"name": "a"},
            "4.4.0",
            ["x: the option timeseries is known since 5.0, the server is 4.4.0"],
        ),
        (
            {},
            {"name": "a", "hidden": True},
            "4.2.1",
            ["x: hidden of the index a is known since 4.4, the server is 4.2.1"],
        ),
        ({}, {"name": "a", "hidden": False}, "4.2.1", []),
        (
            {},
            {"name": "w", "key": {"$**": 1}},
            "4.0.3",
            ["x: the wildcard of the index w is known since 4.2, the server is 4.0.3"],
        ),
        (
            {},
            {"name": "w", "key": {"b": 1, "a.$**": 1}},
            "6.0.3",
            ["x: the wildcard of the index w is known since 7.0, the server is 6.0.3"],
        ),
        ({"capped": True}, {"name": "a", "key": {"b": 1}}, "4.0.3", []),
        ({"timeseries": {}}, {"name": "a"}, "of our own", []),
    ],
)
def test_what_a_server_does_not_know_is_named(
    options: dict[str, Any], index: dict[str, Any], target: str, said: list[str]
) -> None:
    assert lacks("x", options, [index], target) == said
