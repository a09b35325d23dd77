"""Text that others chose, on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runtime.printable import printable

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=100)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red]text[/red] :smile:", "plain [red]text[/red] :smile:"),
        ("größe 数 é 🚌", "größe 数 é 🚌"),
        ("\x1b]0;PWN\x07", r"\x1b]0;PWN\x07"),
        ("a\r\nb\tc\0", r"a\r\nb\tc\x00"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("turned \u202e round \u2066", r"turned \u202e round \u2066"),
        ("no text \udcff", r"no text \udcff"),
        ("line\u2028separator", r"line\u2028separator"),
        ("users\xa0", r"users\xa0"),  # looks like another name with a common space
        ("全角\u3000空白", "全角\u3000空白"),
    ],
)
def test_what_moves_a_cursor_or_turns_the_writing_is_spelled(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANYTHING)
def test_whatever_the_text_is_the_result_can_be_printed_as_it_is(text: str) -> None:
    assert all(letter.isprintable() or letter == "\n" for letter in printable(text, keep="\n") if letter != "\u3000")
