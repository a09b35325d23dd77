"""What the table of a set and that of a copy have in common: rows of keys, and what is said of keys that cannot be taken."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.config import near


@dataclass(frozen=True, slots=True)
class Key:
    """One row. `fault` is what was expected where a value cannot be taken, else None; `default` is as the docs say it."""

    name: str
    fault: Callable[[object], str | None]
    default: str
    meaning: str


def boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def integer(lowest: int, highest: int) -> Callable[[object], str | None]:
    def fault(value: object) -> str | None:
        is_good = isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest
        return None if is_good else f"a whole number from {lowest} to {highest}"

    return fault


def problems(where: str, table: Mapping[str, Any], keys: Sequence[Key]) -> Iterator[str]:
    """What is wrong with the keys of a table of the file, in words."""
    names = tuple(key.name for key in keys)
    for name in table:
        if name not in names:
            yield f"{where}.{name}: unknown{near.meant(name, names)}; expected one of {', '.join(names)}"
    for key in keys:
        if key.name in table and (expected := key.fault(table[key.name])):
            yield f"{where}.{key.name}: expected {expected}"
    if {"limit", "keep_last"} <= table.keys():
        yield f"{where}.keep_last: the same as limit: expected one of the two"


def reference_table(keys: Sequence[Key]) -> str:
    """The keys as a Markdown table."""
    rows = [f"| `{key.name}` | {key.default} | {key.meaning} |\n" for key in keys]
    return "".join(["| Key | Default | Meaning |\n|---|---|---|\n", *rows])
