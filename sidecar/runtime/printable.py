"""Text that others chose, made fit for a terminal: what would move its cursor or turn its writing around is shown instead."""

import re

_WIDE_SPACE = (
    "\u3000"  # between words of Chinese and Japanese; Python takes every space but the common one for unprintable
)
_PLAIN = re.compile(r"[ -~]*")


def printable(text: str, keep: str = "") -> str:
    r"""`text` with `\x1b` and the like for every character that is not shown by itself, except those to `keep`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(one if one in keep or _is_shown(one) else _spelled(one) for one in text)


def _is_shown(letter: str) -> bool:
    return letter.isprintable() or letter == _WIDE_SPACE


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode()
