"""Tokens and sessions: which role a request has. Nothing here knows HTTP."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sidecar.config import Secret

LONGEST = timedelta(hours=12)  # a session ends after this, however busy it is
IDLE = timedelta(hours=1)  # and after this without a request
MOST = 500  # sessions of a token at once; its oldest make room, and never those of the other token


class Role(StrEnum):
    """What a token allows."""

    ADMIN = "admin"
    READER = "reader"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request. `expires_at` is that of a session."""

    name: str
    role: Role
    expires_at: datetime | None = None

    @property
    def has_session(self) -> bool:
        return self.expires_at is not None


class Tokens:
    """The configured tokens. The time a comparison takes tells nothing about them."""

    def __init__(self, admin: Secret, reader: Secret | None = None) -> None:
        known = {Role.ADMIN: admin, Role.READER: reader}
        self._digests = {role: _digest(secret.reveal()) for role, secret in known.items() if secret is not None}

    def owner_of(self, token: str) -> Principal | None:
        shown = _digest(token)
        found = [role for role, digest in self._digests.items() if hmac.compare_digest(shown, digest)]
        return Principal(f"{found[0]} token", found[0]) if found else None


@dataclass(slots=True)
class _Session:
    principal: Principal
    ends_at: float
    used_at: float


class Sessions:
    """Sessions in memory, by the digest of their cookie: a restart or a sign-out ends them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}

    def open(self, owner: Principal) -> tuple[str, Principal]:
        """A new session: the cookie's value, and who it stands for."""
        self._sweep()
        same = [key for key, one in self._sessions.items() if one.principal.role is owner.role]
        for key in same[: max(len(same) + 1 - MOST, 0)]:
            del self._sessions[key]
        cookie, now = secrets.token_urlsafe(32), self._clock()
        principal = Principal(f"session of the {owner.name}", owner.role, datetime.now(UTC) + LONGEST)
        self._sessions[_digest(cookie)] = _Session(principal, now + LONGEST.total_seconds(), now)
        return cookie, principal

    def find(self, cookie: str) -> Principal | None:
        """Whose session this is; None for one that was never opened, is over or has not been used for long."""
        self._sweep()
        session = self._sessions.get(_digest(cookie))
        if session is None:
            return None
        session.used_at = self._clock()
        return session.principal

    def close(self, cookie: str) -> None:
        self._sessions.pop(_digest(cookie), None)

    def _sweep(self) -> None:
        now = self._clock()
        over = [
            key for key, one in self._sessions.items() if now >= min(one.ends_at, one.used_at + IDLE.total_seconds())
        ]
        for key in over:
            del self._sessions[key]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
