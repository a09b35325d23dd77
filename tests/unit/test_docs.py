"""Tables in the documentation that are generated from code."""

from pathlib import Path

from sidecar.config import reference_table

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    assert reference_table() in (DOCS / "configuration.md").read_text()
