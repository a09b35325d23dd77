"""Tables in the documentation that are generated from code."""

from pathlib import Path

from sidecar import config, metrics

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    assert config.reference_table() in (DOCS / "configuration.md").read_text()


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    assert metrics.reference_table() in (DOCS / "metrics.md").read_text()


def test_the_table_of_metrics_in_the_readme_is_that_of_the_code() -> None:
    _, _, rest = (DOCS.parent / "README.md").read_text().partition("<!-- metrics -->\n")
    assert rest.startswith(metrics.reference_table(metrics.HEADLINES))
