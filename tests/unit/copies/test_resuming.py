"""Reading over a line that breaks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sidecar.copies.directory import Directory
from sidecar.copies.resuming import ATTEMPTS, whole
from sidecar.errors import CopyRefused, CopyUnreachable

CONTENT = bytes(range(256)) * 4


@dataclass
class Line(Directory):
    """A directory behind a line that breaks after so many bytes, once for each of `breaks`."""

    root: Path
    breaks: list[int]
    where: str = "the copy offsite"
    asked: list[int] = field(default_factory=list)

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        self.asked.append(offset)
        content = b"".join(super().read(name, offset))
        if self.breaks:
            yield content[: self.breaks.pop(0)]
            raise CopyUnreachable("the line broke")
        yield content


def line(directory: Path, *breaks: int) -> Line:
    (directory / "x").write_bytes(CONTENT)
    return Line(directory, list(breaks))


def test_what_is_read_goes_on_where_the_line_broke(tmp_path: Path) -> None:
    place, pauses = line(tmp_path, 100, 0, 300), list[float]()
    assert b"".join(whole(place, "x", len(CONTENT), pauses.append)) == CONTENT
    assert place.asked == [0, 100, 100, 400]
    assert [0.25 <= pauses[0] <= 0.5, 0.5 <= pauses[1] <= 1, 0.25 <= pauses[2] <= 0.5] == [True] * 3


def test_a_line_that_gives_nothing_six_times_in_a_row_is_given_up(tmp_path: Path) -> None:
    place = line(tmp_path, 100, *[0] * ATTEMPTS)
    with pytest.raises(CopyUnreachable, match="the line broke"):
        list(whole(place, "x", len(CONTENT), lambda _: None))
    assert place.asked == [0, *[100] * (ATTEMPTS - 1)]


def test_what_is_shorter_than_expected_ends_where_it_ends(tmp_path: Path) -> None:
    assert b"".join(whole(line(tmp_path), "x", len(CONTENT) + 1, lambda _: None)) == CONTENT


def test_who_is_refused_does_not_ask_again(tmp_path: Path) -> None:
    class Closed(Line):
        def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
            del name
            self.asked.append(offset)
            raise CopyRefused("no")

    place = Closed(tmp_path, [])
    with pytest.raises(CopyRefused):
        list(whole(place, "x", 1, lambda _: None))
    assert place.asked == [0]
