"""Commands as the documents print them, so that tests can run what people will type."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def blocks(page: str, heading: str) -> list[str]:
    """The indented blocks of a section of a page in docs/, without their indentation."""
    text = (ROOT / "docs" / page).read_text()
    _, _, rest = text.partition(f"\n## {heading}\n")
    assert rest, f"{page} has no section {heading!r}"
    found: list[list[str]] = [[]]
    for line in rest.partition("\n## ")[0].splitlines():
        if line.startswith("    "):
            found[-1].append(line.removeprefix("    "))
        elif found[-1]:
            found.append([])
    return ["\n".join(lines) for lines in found if lines]
