"""A page of the documentation as a list of steps: what a reader types, what they then see, and what happens in between.

The page itself is the test. Its fenced blocks are read by their language:

    ```console                              commands behind `$ `, each followed by lines that its output has, in this order;
    $ sidecar list main                     `…` stands for anything, and how wide the gaps are does not matter
    │ seed_backup_20261124_021837 │ … │
    $ sidecar verify ID    # exits with 3   the exit code is 0 unless a comment says another
    ```
    ```sh                                   a command per line
    export DB_NAME=bus_tracker
    ```

Either may go on in the next line after a `\\` at the end. Blocks of other languages are not commands. What leaves it open whether
it should work is refused: a block without a language or of another shell's, one that is only indented, `console` without `$ `.
Comments, which readers do not see:

    <!-- meanwhile: the newest backup is damaged -->    the test that runs the page brings this about
    <!-- not run: it is the test command itself -->     the block below is left out, for this reason
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_COMMENT = re.compile(r"<!-- (meanwhile|not run): (.+) -->")
_FENCE = re.compile(r"\s*(?P<ticks>`{3,})(?P<language>\S*)")
_ENDS_WITH = re.compile(r"#.*\bexits with (\d+)")
_LIST_ITEM = re.compile(r"([-*+]|\d+\.|!!!|\?\?\?|===) ")
_INDENT = "    "
_OTHER_NAMES = {"", "bash", "shell", "shell-session", "zsh"}


@dataclass(frozen=True)
class Command:
    """`shown` are lines of the output, standard error included."""

    line: int
    text: str
    shown: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        found = _ENDS_WITH.search(self.text)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Meanwhile:
    """Something that happens to the reader."""

    line: int
    what: str


@dataclass(frozen=True)
class NotRun:
    """A block that is left out, and why."""

    line: int
    text: str
    reason: str


Step = Command | Meanwhile | NotRun


@dataclass(frozen=True)
class _Block:
    line: int  # of its first line of text
    language: str
    lines: tuple[str, ...]


def steps(page: Path) -> list[Step]:
    """Everything that happens on a page, in its order. Raises ValueError for a block that could be a command or not."""
    found: list[Step] = []
    reason: str | None = None
    for part in _parts(page):
        if isinstance(part, _Block):
            _require_clear(page, part)
            if reason is not None:
                found.append(NotRun(part.line, "\n".join(part.lines), reason))
            elif part.language == "console":
                found.extend(_console(part))
            elif part.language == "sh":
                found.extend(Command(line, text) for line, text in _joined(part.line, part.lines))
            reason = None
        elif part[1] == "not run":
            reason = part[2]
        else:
            found.append(Meanwhile(part[0], part[2]))
    return found


def lacking(shown: tuple[str, ...], output: str) -> str | None:
    """The first of the lines that the output should have, in this order, and has not."""
    lines = iter([" ".join(line.split()) for line in output.splitlines()])
    for expected in shown:
        pattern = re.compile(".*".join(re.escape(" ".join(piece.split())) for piece in expected.split("…")))
        if not any(pattern.search(line) for line in lines):
            return expected
    return None


def _parts(page: Path) -> Iterator[_Block | tuple[int, str, str]]:
    lines = page.read_text(encoding="utf-8").splitlines()
    number, in_list, before = 0, False, ""
    while number < len(lines):
        line = lines[number]
        if fence := _FENCE.match(line):
            after = range(number + 1, len(lines))
            end = next((n for n in after if lines[n].strip() == fence["ticks"]), len(lines))
            yield _Block(number + 2, fence["language"], tuple(_unindented(line, lines[number + 1 : end])))
            number, before = end + 1, line
            continue
        if comment := _COMMENT.search(line):
            yield number + 1, comment[1], comment[2]
        if line.startswith(_INDENT) and not before and not in_list:
            raise ValueError(f"{page.name}:{number + 1}: an indented block: give it a fence and a language")
        if line and not line.startswith(" "):
            in_list = _LIST_ITEM.match(line) is not None
        number, before = number + 1, line


def _unindented(fence: str, lines: list[str]) -> Iterator[str]:
    indent = fence[: len(fence) - len(fence.lstrip())]
    return (line.removeprefix(indent) for line in lines)


def _require_clear(page: Path, block: _Block) -> None:
    where = f"{page.name}:{block.line}"
    if block.language in _OTHER_NAMES:
        raise ValueError(f"{where}: say the block's language: console, sh, or text for no command")
    if block.language == "console" and not (block.lines and block.lines[0].startswith("$ ")):
        raise ValueError(f"{where}: a console block begins with `$ ` and a command")


def _console(block: _Block) -> Iterator[Command]:
    lines = list(_joined(block.line, block.lines))
    starts = [n for n, (_, line) in enumerate(lines) if line.startswith("$ ")]
    for start, end in pairwise([*starts, len(lines)]):
        number, line = lines[start]
        shown = tuple(text for _, text in lines[start + 1 : end] if text.strip())
        yield Command(number, line.removeprefix("$ "), shown)


def _joined(number: int, lines: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """With lines that go on put together; empty ones and comments are left out."""
    text, first = "", number
    for at, line in enumerate(lines, number):
        first = first if text else at
        text += line
        if text.endswith("\\"):
            text = text[:-1]
            continue
        if text.strip() and not text.lstrip().startswith("#"):
            yield first, text
        text = ""
