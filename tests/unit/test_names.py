"""Names over the whole program: one class per name, and each room stands in the architecture as it is."""

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ROOT = PROJECT / "sidecar"
ARCHITECTURE = (PROJECT / "docs" / "architecture.md").read_text()


def test_no_two_classes_have_the_same_name() -> None:
    where: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(str(path.relative_to(ROOT)))
    assert len(where) > 100
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def test_the_architecture_explains_every_room() -> None:
    table = ARCHITECTURE.partition("| room |")[2].partition("\n\n")[0]
    explained = {name for row in table.splitlines() for name in re.findall(r"`([\w.]+?)/?`", row.split("|")[1])}
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert explained == rooms - {"__init__.py", "__main__.py", "__pycache__", "demo", "py.typed"}


def test_the_picture_of_the_imports_is_the_one_that_is_checked() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (floors,) = (one["layers"] for one in contracts if one["type"] == "layers")
    drawn = ARCHITECTURE.partition("import-linter)\n")[2].partition("\n\n")[0]
    assert [" ".join(one.split()) for one in drawn.split("\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}")] == floors
