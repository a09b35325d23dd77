"""What a setting's text is taken for. Each of these raises ValueError with what was expected."""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sidecar.archive.choose import CHOICES, NATIVE_DISTRIBUTION, has_native
from sidecar.archive.keys import identities, recipient
from sidecar.config.settings import Secret, Share
from sidecar.rules import template
from sidecar.rules.names import database_expected
from sidecar.rules.schedule import Schedule

LONGEST_HOST = 253  # characters: RFC 1035 leaves a name so many
LARGEST = 1_000_000  # of any number: far above all use and far below where dates and timers overflow
OWN_PATHS = frozenset(
    {"api", "docs", "docs.css", "docs.js", "healthz", "metrics", "openapi.json", "readyz", "runbooks", "web"}
)
_URL = re.compile(  # no @ after the hosts: it would be the end of a password with a raw slash, and its start a "host"
    r"mongodb(?:\+srv://(?:[^\s/?@]*@)?[^\s/?@:,]+|://(?:[^\s/?@]*@)?[^\s/?@]+)(?:/[^\s?@]*)?(?:\?\S*)?"
)
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def text(value: str) -> str:
    if not value:
        raise ValueError("a value")
    return value


def integer(lowest: int, highest: int = LARGEST) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def at_least(lowest: float) -> Callable[[str], float]:
    return lambda value: number(
        value, f"a number from {lowest:g} to {LARGEST}", lambda number: lowest <= number <= LARGEST
    )


def number(value: str, expected: str, is_good: Callable[[float], bool]) -> float:
    if not re.fullmatch(r"[0-9]*\.?[0-9]+(e[+-]?[0-9]{1,3})?", value) or not is_good(float(value)):
        raise ValueError(expected)
    return float(value)


def boolean(value: str) -> bool:
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise ValueError("true or false") from None


def schedule(value: str) -> str | None:
    if not value:
        return None
    Schedule.parse(value)
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return parse


def names(value: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, value.split(","))))


def recipients(value: str) -> tuple[str, ...]:
    return recipients_of(value.split(",") if value.strip() else [])


def recipients_of(values: Iterable[str]) -> tuple[str, ...]:
    """Public keys. Raises ValueError with what was expected."""
    keys = tuple(value.strip() for value in values)
    for key in keys:
        recipient(key)
    if len(set(keys)) != len(keys):
        raise ValueError("public keys that differ")
    return keys


def identity_file(value: str) -> Secret:
    content = _file(value)
    identities(content.encode())
    return Secret(content)


def codec(value: str) -> str:
    choice = one_of(*CHOICES)(value)
    if choice == "native" and not has_native():
        raise ValueError(f"auto or python, because {NATIVE_DISTRIBUTION} is not installed")
    return choice


def timezone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the others: what is no name, "../etc", a directory of names
        raise ValueError("a name of the time zone database such as Europe/Berlin") from None


def db_name(value: str) -> str:
    if expected := database_expected(value):
        raise ValueError(expected)
    return value


def mongo_url(value: str) -> Secret:
    """Checked as far as possible without the driver; a command that connects lets the driver check the rest."""
    if not _URL.fullmatch(value):
        raise ValueError(
            "a connection string mongodb://… or mongodb+srv://host… without blanks, with user and password percent-encoded"
        )
    return Secret(value)


def signing_key(value: str) -> Secret:
    from sidecar.archive.signing_keys import private_key  # noqa: PLC0415 - a large library, and most have no such key

    content = _file(value)
    private_key(content.encode())
    return Secret(content)


def trusted_keys(value: str) -> tuple[str, ...]:
    """Public keys in hexadecimal."""
    from sidecar.archive.signing_keys import public_keys  # noqa: PLC0415 - as above

    return tuple(key.public_bytes_raw().hex() for key in public_keys(_file(value).encode()))


def _file(value: str) -> str:
    """Not the path in what is said: a key that was put into the variable itself would be shown."""
    try:
        return Path(text(value)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"a file that can be read: {getattr(error, 'strerror', 'not UTF-8')}") from None


def notice_url(value: str) -> Secret:
    """Where notices go. Who knows it may send them: it is a secret."""
    try:
        is_good = bool(re.fullmatch(r"https?://[\x21-\x7e]+", value)) and bool(urlsplit(value).hostname)
    except ValueError:
        is_good = False
    if not is_good or "#" in value:
        raise ValueError("an address https://… without blanks and without #")
    return Secret(value)


def webhook_template(value: str) -> str:
    return template.parse(value)


def addresses(value: str) -> tuple[str, ...]:
    """Mail addresses, separated by commas."""
    found = tuple(address(one.strip()) for one in value.split(","))
    if len(set(found)) != len(found):
        raise ValueError("mail addresses that differ")
    return found


def address(value: str) -> str:
    if not re.fullmatch(r"[^\s@,<>\"]+@[^\s@,<>\"]+", value):
        raise ValueError("a mail address such as backups@example.com")
    return value


def token(value: str) -> Secret:
    if not re.fullmatch(r"[\x21-\x7e]{16,}", value):
        raise ValueError("at least 16 printable characters without spaces")
    return Secret(value)


def host(value: str) -> str:
    is_name = len(value) <= LONGEST_HOST and all(map(_LABEL.fullmatch, value.removesuffix(".").split(".")))
    if not (is_name or value == "*" or _is_ip_address(value)):
        raise ValueError("the name of a host or an IP address, without brackets, port and path")
    return value


def _is_ip_address(value: str) -> bool:
    try:
        return bool(ip_address(value))
    except ValueError:
        return False


def base_path(value: str) -> str:
    path = "" if value == "/" else value.removesuffix("/")
    segments = path.split("/")[1:]
    if path and (
        not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or {".", ".."} & set(segments) or segments[0] in OWN_PATHS
    ):
        raise ValueError(
            f"a path such as /backups, not below one of the sidecar's own ({', '.join(sorted(OWN_PATHS))})"
        )
    return path


def group(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", value):
        raise ValueError("a name of letters, digits, dots, underscores and hyphens")
    return value


def share(value: str) -> Share:
    found = re.fullmatch(r"(\d{1,3})/(\d{1,3})", value)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError("a share such as 1/7")
    return Share(int(found[1]), int(found[2]))
