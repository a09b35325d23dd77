"""Write the dashboards: `python -m grafana.build`. Grafana reads the JSON; people change the program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.backup_set import backup_set
from grafana.overview import overview

HERE: Final = Path(__file__).parent


def dashboards() -> Mapping[str, str]:
    """The text of each file by its name."""
    built = {"overview.json": overview().build(), "set.json": backup_set().build()}
    return {name: JSONEncoder(sort_keys=True, indent=2).encode(one) + "\n" for name, one in built.items()}


if __name__ == "__main__":
    for name, text in dashboards().items():
        (HERE / name).write_text(text, encoding="utf-8")
