"""Names of databases and collections that MongoDB takes, and those that it refuses."""

import pytest

from sidecar.rules.names import collection_expected, database_expected


@pytest.mark.parametrize("name", ["school", "bus_tracker-2", "é", "x" * 63, "数" * 21])
def test_a_name_that_mongodb_takes_is_a_database_s(name: str) -> None:
    assert database_expected(name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "not an empty one"),
        ("  ", "not an empty one"),
        ("admin", "is MongoDB's own"),
        ("local", "is MongoDB's own"),
        ("config", "is MongoDB's own"),
        *[(f"a{letter}b", "without any of") for letter in '/\\. "$*<>:|?\0'],
        ("x" * 64, "63 bytes"),
        ("数" * 22, "63 bytes"),
        ("\udcff", "of UTF-8"),
    ],
)
def test_a_name_that_mongodb_refuses_is_refused_in_words(name: str, expected: str) -> None:
    assert expected in str(database_expected(name))


@pytest.mark.parametrize("name", ["", " ", "a$b", "a\0b", "\udcff"])
def test_a_collection_s_name_is_neither_empty_nor_one_that_mongodb_refuses(name: str) -> None:
    assert collection_expected(name) is not None
    assert collection_expected("log[/old].x") is None
