r"""Make foreign text safe for a terminal: control characters and changes of direction are shown as escapes like `\x1b`."""

import re

_WIDE_SPACE = "\u3000"  # the space of Chinese and Japanese; Python calls every space but U+0020 unprintable
_PLAIN = re.compile(r"[ -~]*")


def printable(text: str, keep: str = "") -> str:
    r"""Return `text` with every unprintable character as an escape like `\x1b`, except the characters in `keep`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(one if one in keep or _is_shown(one) else _spelled(one) for one in text)


def _is_shown(letter: str) -> bool:
    return letter.isprintable() or letter == _WIDE_SPACE


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode()
