"""Who may do what over HTTP: bearer tokens, session cookies, failures that are slowed down, and an audit line per write."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sidecar.api.local_socket import PRINCIPAL, is_local
from sidecar.api.problems import Forbidden, TooManyRequests, Unauthorised, status_of
from sidecar.api.room import client_of
from sidecar.api.routing import Access
from sidecar.api.sessions import LONGEST, Principal, Role, Sessions, Tokens
from sidecar.errors import SidecarError
from sidecar.logger import Logger

COOKIE = "session_token"
FIRST_DELAY, LONGEST_DELAY = 0.25, 4.0  # seconds before a wrong token is answered; doubles with each of a client
FORGET_SECONDS = 600.0  # a client's failures
MOST_GUESSES = 4  # of a client that are held back at once; above that, it is refused before its token is compared
MOST_WAITING = 256  # answers held back at once; above that, whoever has guessed before is refused so too
MOST_CLIENTS = 10_000
DOWNLOAD = "/download"  # the one way to read that takes all the data out
_REASONS = ("missing", "wrong_token", "held_off", "session_over", "read_only", "cross_site")
_SAFE = frozenset({"GET", "HEAD"})
_PRINCIPAL = web.RequestKey("PRINCIPAL", Principal)

log = Logger(__name__)


def principal_of(request: web.Request) -> Principal:
    """Who sent a request to a route that is not open."""
    return request[_PRINCIPAL]


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float
    waiting: int = 0


class Gate:
    """Lets through who may pass. A session is never held up; a token only where its address is guessing at this moment."""

    def __init__(
        self,
        tokens: Tokens,
        sessions: Sessions | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.failures = dict.fromkeys(_REASONS, 0)
        self._tokens = tokens
        self._sessions = sessions or Sessions(clock)
        self._clock = clock
        self._sleep = sleep
        self._clients: dict[str, _Failures] = {}
        self._waiting = 0

    # -- every request -------------------------------------------------------------------------------------------------

    async def authorise(self, request: web.Request, access: Access) -> None:
        """Raises Unauthorised, Forbidden or TooManyRequests; remembers who it is for `principal_of`."""
        if access is Access.OPEN:
            return
        principal = request[_PRINCIPAL] = await self._identify(request)
        if access is Access.WRITE and principal.role is not Role.ADMIN:
            self.failures["read_only"] += 1
            raise Forbidden("this token may only read")
        if principal.has_session and request.method not in _SAFE:
            self._require_same_site(request)

    async def _identify(self, request: web.Request) -> Principal:
        if is_local(request):
            return PRINCIPAL
        if "Authorization" in request.headers:
            return await self._by_token(request, self._bearer(request.headers["Authorization"]))
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            self.failures["missing"] += 1
            raise Unauthorised("expected a token or a session")
        principal = self._sessions.find(cookie)
        if principal is None:
            self.failures["session_over"] += 1
            raise Unauthorised("the session is over: sign in again")
        return principal

    def _bearer(self, header: str) -> str:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():  # nobody's guess
            self.failures["missing"] += 1
            raise Unauthorised("expected a header `Authorization: Bearer TOKEN`")
        return token.strip()

    async def _by_token(self, request: web.Request, token: str) -> Principal:
        client = client_of(request.remote or "")
        self._require_patience(client)
        principal = self._tokens.owner_of(token)
        if principal is not None:
            if (known := self._clients.get(client)) and not known.waiting:
                del self._clients[client]
            return principal
        self.failures["wrong_token"] += 1
        await self._hold_up(client)
        raise Unauthorised("the token is wrong")

    async def _hold_up(self, client: str) -> None:
        known = self._failed_again(client)
        delay = min(FIRST_DELAY * 2 ** (known.count - 1), LONGEST_DELAY)
        log.warning("auth.wrong_token", client=client, answered_after_seconds=delay)
        known.waiting += 1
        self._waiting += 1
        try:
            await self._sleep(delay)
        finally:
            known.waiting -= 1
            self._waiting -= 1

    def _require_patience(self, client: str) -> None:
        """Asked before a token is compared: guesses sent side by side would else cost no more than one."""
        known = self._clients.get(client)
        if known and (known.waiting >= MOST_GUESSES or self._waiting >= MOST_WAITING):
            self.failures["held_off"] += 1  # else who guesses side by side is hardly counted
            raise TooManyRequests("too many wrong tokens", retry_after_seconds=int(LONGEST_DELAY))

    def _failed_again(self, client: str) -> _Failures:
        now = self._clock()
        idle = [name for name, one in self._clients.items() if not one.waiting]
        for name in [name for name in idle if now - self._clients[name].last_at > FORGET_SECONDS]:
            del self._clients[name]
        if client not in self._clients and len(self._clients) >= MOST_CLIENTS:
            self._clients.pop(next((name for name in self._clients if not self._clients[name].waiting), ""), None)
        known = self._clients.setdefault(client, _Failures(0, now))
        known.count, known.last_at = min(known.count + 1, 10), now
        return known

    def _require_same_site(self, request: web.Request) -> None:
        """What only a cookie vouches for must come from a page of ours, or from no page at all (curl)."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:  # the browser's own word, which also holds behind a proxy that changes Host
            is_ours = site in {"same-origin", "none"}
        elif origin is not None:
            is_ours = _is_same_origin(request, origin)
        else:
            is_ours = True
        if not is_ours:
            self.failures["cross_site"] += 1
            raise Forbidden("a cookie is only taken from pages of the sidecar itself")

    # -- signing in and out --------------------------------------------------------------------------------------------

    async def sign_in(self, request: web.Request, token: str) -> tuple[str, Principal]:
        """A new session for a right token: the value of its cookie, and its identity."""
        self._require_same_site(request)
        owner = await self._by_token(request, token)
        cookie, principal = self._sessions.open(owner)
        request[_PRINCIPAL] = principal
        return cookie, principal

    def sign_out(self, request: web.Request) -> None:
        self._sessions.close(request.cookies.get(COOKIE, ""))


def cookie_header(value: str, *, is_secure: bool, base_path: str = "") -> str:
    """`Set-Cookie` for a session; an empty value takes the cookie back (RFC 6265)."""
    age = int(LONGEST.total_seconds()) if value else 0
    parts = [f"{COOKIE}={value}", "HttpOnly", "SameSite=Strict", f"Path={base_path}/", f"Max-Age={age}"]
    return "; ".join([*parts, "Secure"] if is_secure else parts)


def _is_same_origin(request: web.Request, origin: str) -> bool:
    """Behind a proxy that speaks TLS for us, we do not know the scheme; where we speak it ourselves, it counts too."""
    scheme, _, host = origin.partition("://")
    is_our_host = bool(host) and host.lower() == request.headers.get("Host", "").lower()
    return is_our_host and (scheme == "https" or (scheme == "http" and not request.secure))


# -- the audit ---------------------------------------------------------------------------------------------------------


@web.middleware
async def audit(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """One line in the log for what changes something and for every download: who, what, from where and how it ended."""
    if request.method in _SAFE and not request.path.endswith(DOWNLOAD):
        return await handler(request)
    began, status = time.monotonic(), 500
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as error:
        status = error.status
        raise
    except SidecarError as error:
        status = status_of(type(error))
        raise
    else:
        return response
    finally:
        who = request.get(_PRINCIPAL)
        log.info(
            "audit",
            who=who.name if who else "nobody",
            method=request.method,
            path=request.path[:200],
            query=request.query_string[:200],
            client=request.remote,
            status=status,
            seconds=round(time.monotonic() - began, 3),
        )
