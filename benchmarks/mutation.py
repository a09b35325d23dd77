"""Does a test notice when the code is wrong? Change one place at a time, run the tests that belong to it, name what survives.

    python benchmarks/mutation.py sidecar/rules tests/unit/rules --sample 100 --seed 1

The tests that import the changed module are run first, and the others only where those notice nothing. Each job works in a copy
of the tree, so the tree itself stays as it is. A mutant that is never tried counts for nothing: the figure is killed / tried. A
survivor is either a missing test or a change that nobody could see; say which.
"""

import argparse
import ast
import itertools
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".demo", "site", "images", "__pycache__", ".*_cache", ".hypothesis")
OTHER: dict[type[ast.AST], Any] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
REMOVABLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Delete, ast.Continue, ast.Break)


@dataclass(frozen=True)
class Mutant:
    file: Path  # below ROOT
    line: int
    before: str
    after: str
    text: bytes  # the whole file

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' '.join(self.before.split())}  →  {self.after}"


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """The node with one thing about it changed, for each thing that can be."""
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                comparison = deepcopy(node)
                comparison.ops[place] = OTHER[type(operator)]()
                yield comparison
        case ast.BoolOp() | ast.BinOp() if type(node.op) in OTHER:
            operation = deepcopy(node)
            operation.op = OTHER[type(node.op)]()
            yield operation
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Name() | ast.Attribute() | ast.Call() if getattr(node, "is_test", False):
            yield ast.UnaryOp(ast.Not(), node)
        case _ if isinstance(node, REMOVABLE) and not (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            yield ast.Pass()  # a docstring stays


def nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What runs, top down: no annotations, and no f-strings, whose parts do not know where they stand before Python 3.12."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list"} or isinstance(value, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                child.is_test = field in {"test", "ifs"}  # type: ignore[attr-defined] # a note of ours
                yield from nodes(child)


def mutants(file: Path) -> Iterator[Mutant]:
    text = (ROOT / file).read_bytes()
    starts = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    for node in nodes(ast.parse(text)):
        for other in changed(node):
            first = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined] # whatever `changed` changes has a place
            last = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined] # the same
            after = ast.unparse(ast.fix_missing_locations(other))
            written = after if isinstance(other, ast.stmt) else f"({after})"
            whole = text[:first] + written.encode() + text[last:]
            yield Mutant(file, node.lineno, text[first:last].decode(), after, whole)  # type: ignore[attr-defined] # the same


def passes(tree: Path, tests: list[str], limit_seconds: float | None) -> bool:
    """Whether the tests pass in this tree and in time: a mutant that hangs is noticed too."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "--no-header", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(tree), "HYPOTHESIS_PROFILE": "mutation", "CI": "1"}
    run = subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return run.wait(limit_seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def nearest(file: Path, tests: list[str]) -> list[str]:
    """The test files that import the module."""
    imports = re.compile(rf"^(from|import) {'.'.join(file.parent.parts)}\\b.*\\b{file.stem}\\b", re.MULTILINE)
    found = [
        path for name in tests for path in ([Path(name)] if Path(name).is_file() else Path(name).rglob("test_*.py"))
    ]
    return [str(path) for path in sorted(found) if imports.search(path.read_text())]


def survives(mutant: Mutant, trees: "queue.Queue[Path]", tests: list[str], limit_seconds: float) -> bool:
    tree = trees.get()
    file = tree / mutant.file
    original = file.read_bytes()
    try:
        file.write_bytes(mutant.text)
        os.utime(file, (0, hash(mutant) % 1_000_000_000))  # no compiled file of another mutant may pass for this one's
        near = nearest(mutant.file, tests)
        return (not near or passes(tree, near, limit_seconds)) and passes(tree, tests, limit_seconds)
    finally:
        file.write_bytes(original)
        trees.put(tree)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", type=Path, help="folder or file to change")
    parser.add_argument("tests", nargs="+", help="files, folders or tests that belong to it")
    parser.add_argument("--sample", type=int, help="try so many, drawn with --seed; all without")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    order = parser.parse_args()
    code = order.code.resolve()
    files = sorted(path.relative_to(ROOT) for path in ([code] if code.is_file() else code.rglob("*.py")))
    found = [mutant for file in files for mutant in mutants(file)]
    tried = random.Random(order.seed).sample(found, min(order.sample or len(found), len(found)))  # noqa: S311 - a sample, no secret
    say = Console(highlight=False, markup=False, soft_wrap=True).print
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(order.jobs) as pool:
        first = shutil.copytree(ROOT, Path(scratch, "0"), ignore=LEFT_OUT, symlinks=True)
        started = time.monotonic()
        assert passes(first, order.tests, None), "the tests fail without any change"
        limit_seconds = 60 + 10 * (time.monotonic() - started)
        say(f"{len(tried)} of {len(found)} mutants of {order.code}, at most {limit_seconds:.0f} s each")
        trees: queue.Queue[Path] = queue.Queue()
        trees.put(first)
        for job in range(1, order.jobs):  # with what Python compiled in the first
            trees.put(shutil.copytree(first, Path(scratch, str(job)), symlinks=True))
        fates = pool.map(lambda mutant: survives(mutant, trees, order.tests, limit_seconds), tried)
        survivors = []
        for mutant, survived in zip(tried, fates, strict=True):
            if survived:
                survivors.append(mutant)
                say(f"survived  {mutant}")
    say(f"{len(tried) - len(survivors)} of {len(tried)} killed")


if __name__ == "__main__":
    main()
