"""The gate and the audit by themselves: every form of a credential, every origin, and what is remembered of clients."""

import ssl
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import assume, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sidecar.api import auth
from sidecar.api.auth import COOKIE, Gate, audit, cookie_header, principal_of
from sidecar.api.problems import Forbidden, Unauthorised
from sidecar.api.routing import Access
from sidecar.api.sessions import Principal, Role, Sessions, Tokens
from sidecar.config import Secret
from sidecar.errors import Busy, SidecarError

ADMIN, READER = "an-admin-token-of-the-tests", "a-reading-token-of-the-tests"
OWNER = Principal("admin token", Role.ADMIN)
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=100)  # lone surrogates too: bytes that are no UTF-8
NO_FAILURES = {"missing": 0, "wrong_token": 0, "held_off": 0, "session_over": 0, "read_only": 0, "cross_site": 0}


class Desk:
    """A gate with both tokens, and the delays it imposed."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.sessions = Sessions()
        self.gate = Gate(Tokens(Secret(ADMIN), Secret(READER)), self.sessions, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)

    def failures(self) -> dict[str, int]:
        return {reason: count for reason, count in self.gate.failures.items() if count}

    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.sessions.open(OWNER)[0]}"}

    async def guess(self, client: str) -> float:
        """The delay of one more wrong token from there."""
        request = make_mocked_request("GET", "/", {"Authorization": "Bearer wrong"}).clone(remote=client)
        with pytest.raises(Unauthorised):
            await self.gate.authorise(request, Access.READ)
        return self.delays[-1]


@pytest.fixture
def desk() -> Desk:
    return Desk()


# -- tokens ------------------------------------------------------------------------------------------------------------


@given(ANYTHING)
def test_no_other_text_is_a_token(text: str) -> None:
    assume(text not in {ADMIN, READER})
    assert Tokens(Secret(ADMIN), Secret(READER)).owner_of(text) is None


def test_each_token_is_its_owner_s() -> None:
    tokens = Tokens(Secret(ADMIN), Secret(READER))
    assert tokens.owner_of(ADMIN) == Principal("admin token", Role.ADMIN)
    assert tokens.owner_of(READER) == Principal("reader token", Role.READER)
    assert Tokens(Secret(ADMIN)).owner_of(READER) is None


def test_bytes_that_are_no_text_stand_for_nothing_else() -> None:
    assert Tokens(Secret("what-is-the-token?")).owner_of("what-is-the-token\udcff") is None


@given(ANYTHING)
def test_no_other_text_is_a_session(text: str) -> None:
    sessions = Sessions()
    cookie, principal = sessions.open(OWNER)
    assume(text != cookie)
    assert (sessions.find(text), sessions.find(cookie)) == (None, principal)


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [f"Bearer {ADMIN}", f"bearer {ADMIN}", f"BEARER  {ADMIN} "])
async def test_a_right_token_passes_at_once(header: str, desk: Desk) -> None:
    request = make_mocked_request("POST", "/", {"Authorization": header})
    await desk.gate.authorise(request, Access.WRITE)
    assert (principal_of(request), desk.delays, desk.failures()) == (OWNER, [], {})


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", f"Basic {ADMIN}", ADMIN, f"Bearer\t{ADMIN}"])
async def test_what_is_no_bearer_token_is_refused_but_no_guess(header: str, desk: Desk) -> None:
    request = make_mocked_request("GET", "/", {"Authorization": header})
    with pytest.raises(Unauthorised, match="expected a header"):
        await desk.gate.authorise(request, Access.READ)
    assert (desk.delays, desk.failures()) == ([], {"missing": 1})


@pytest.mark.parametrize("token", ["wrong", f"{ADMIN} {ADMIN}", f"{ADMIN},{READER}", ADMIN.upper(), "é" * 2000])
async def test_a_wrong_token_is_refused_even_beside_a_good_session(token: str, desk: Desk) -> None:
    request = make_mocked_request("GET", "/", desk.cookie() | {"Authorization": f"Bearer {token}"})
    with pytest.raises(Unauthorised, match=r"^the token is wrong$"):
        await desk.gate.authorise(request, Access.READ)
    assert (desk.delays, desk.failures()) == ([auth.FIRST_DELAY], {"wrong_token": 1})


async def test_a_session_that_is_over_is_no_guess(desk: Desk) -> None:
    request = make_mocked_request("GET", "/", {"Cookie": f"{COOKIE}=unknown"})
    with pytest.raises(Unauthorised, match="sign in again"):
        await desk.gate.authorise(request, Access.READ)
    assert (desk.delays, desk.failures()) == ([], {"session_over": 1})


async def test_an_open_route_asks_for_nothing(desk: Desk) -> None:
    await desk.gate.authorise(make_mocked_request("GET", "/", {"Authorization": "Bearer wrong"}), Access.OPEN)
    assert (desk.delays, desk.gate.failures) == ([], NO_FAILURES)


# -- clients -----------------------------------------------------------------------------------------------------------


async def test_one_client_s_guesses_slow_down_nobody_else(desk: Desk) -> None:
    assert [await desk.guess(client) for client in "aabab"] == [0.25, 0.5, 0.25, 1.0, 0.5]


async def test_only_so_many_clients_are_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MOST_CLIENTS", 2)
    assert [await desk.guess(client) for client in "abcacc"] == [0.25, 0.25, 0.25, 0.25, 0.5, 1.0]


# -- origins -----------------------------------------------------------------------------------------------------------

OURS = {"Host": "backup.example:8001"}


@pytest.mark.parametrize(
    ("headers", "is_tls", "passes"),
    [
        ({}, False, True),
        (OURS, True, True),
        (OURS | {"Origin": "http://backup.example:8001"}, False, True),
        (OURS | {"Origin": "https://backup.example:8001"}, False, True),  # a proxy speaks TLS for us
        (OURS | {"Origin": "https://BACKUP.example:8001"}, True, True),
        (OURS | {"Origin": "http://backup.example:8001"}, True, False),  # somebody answers in our name without TLS
        (OURS | {"Origin": "http://backup.example:8002"}, False, False),
        (OURS | {"Origin": "ftp://backup.example:8001"}, False, False),
        (OURS | {"Origin": "chrome-extension://backup.example:8001"}, False, False),
        (OURS | {"Origin": "://backup.example:8001"}, False, False),
        (OURS | {"Origin": "http://backup.example"}, False, False),
        (OURS | {"Origin": "http://backup.example:8001@evil.example"}, False, False),
        (OURS | {"Origin": "http://["}, False, False),
        (OURS | {"Origin": ""}, False, False),
        (OURS | {"Origin": "null"}, False, False),
        ({"Host": "", "Origin": "null"}, False, False),
        ({"Host": "", "Origin": "http://"}, False, False),
        ({"Origin": "http://backup.example:8001"}, False, False),
        (OURS | {"Sec-Fetch-Site": "none"}, False, True),
        (OURS | {"Sec-Fetch-Site": "Same-Origin"}, False, False),
        (OURS | {"Sec-Fetch-Site": "cross-site", "Origin": "http://backup.example:8001"}, False, False),
    ],
)
async def test_a_session_writes_from_our_own_pages_only(
    headers: dict[str, str],
    is_tls: bool,  # noqa: FBT001 - a parameter of the test
    passes: bool,  # noqa: FBT001 - a parameter of the test
    desk: Desk,
) -> None:
    context = ssl.create_default_context() if is_tls else None
    request = make_mocked_request("POST", "/", desk.cookie() | headers, sslcontext=context)
    if passes:
        await desk.gate.authorise(request, Access.WRITE)
    else:
        with pytest.raises(Forbidden):
            await desk.gate.authorise(request, Access.WRITE)
    assert desk.failures() == ({} if passes else {"cross_site": 1})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_is_allowed_from_everywhere(method: str, desk: Desk) -> None:
    request = make_mocked_request(method, "/", desk.cookie() | {"Sec-Fetch-Site": "cross-site"})
    await desk.gate.authorise(request, Access.READ)
    assert principal_of(request).role is Role.ADMIN


# -- signing in --------------------------------------------------------------------------------------------------------


async def test_another_site_cannot_sign_in_not_even_to_guess(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        await desk.gate.sign_in(make_mocked_request("POST", "/", OURS | {"Origin": "http://evil.example"}), "wrong")
    assert (desk.delays, desk.failures()) == ([], {"cross_site": 1})


async def test_a_session_may_do_what_its_token_may(desk: Desk) -> None:
    cookie, principal = await desk.gate.sign_in(make_mocked_request("POST", "/"), READER)
    assert (principal.name, principal.role, principal.has_session) == ("session of the reader token", Role.READER, True)
    with pytest.raises(Forbidden):
        await desk.gate.authorise(make_mocked_request("POST", "/", {"Cookie": f"{COOKIE}={cookie}"}), Access.WRITE)
    assert desk.failures() == {"read_only": 1}


async def test_signing_in_is_slowed_down_like_everything_else(desk: Desk) -> None:
    for _ in range(3):
        with pytest.raises(Unauthorised):
            await desk.gate.sign_in(make_mocked_request("POST", "/"), "wrong")
    assert (desk.delays, desk.failures()) == ([0.25, 0.5, 1.0], {"wrong_token": 3})


def test_no_two_sessions_have_the_same_cookie() -> None:
    sessions = Sessions()
    cookies = {sessions.open(OWNER)[0] for _ in range(100)}
    assert (len(cookies), {len(cookie) for cookie in cookies}) == (100, {43})  # 256 bits in base64


@pytest.mark.parametrize(("value", "age"), [("abc", "43200"), ("", "0")])
@pytest.mark.parametrize("is_secure", [True, False])
def test_a_cookie_is_for_our_pages_alone(value: str, age: str, is_secure: bool) -> None:  # noqa: FBT001 - a parameter of the test
    (cookie,) = SimpleCookie(cookie_header(value, is_secure=is_secure)).values()
    assert (cookie.key, cookie.value) == ("session_token", value)
    assert {name: given for name, given in cookie.items() if given} == {
        "httponly": True,
        "samesite": "Strict",
        "path": "/",
        "max-age": age,
    } | ({"secure": True} if is_secure else {})


# -- the audit ---------------------------------------------------------------------------------------------------------


def answering(outcome: web.Response | Exception) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return answer


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (web.Response(status=202), 202),
        (Busy("somebody else is at it"), 409),
        (SidecarError("whatever"), 500),
        (web.HTTPNotFound(), 404),
        (RuntimeError("a mistake"), 500),
    ],
)
async def test_a_write_is_written_down_however_it_ends(outcome: web.Response | Exception, status: int) -> None:
    request = make_mocked_request("DELETE", "/api/a%20b?force=true").clone(remote="192.0.2.7")
    with capture_logs() as lines:
        try:
            await audit(request, answering(outcome))
        except (SidecarError, web.HTTPException, RuntimeError) as raised:
            assert raised is outcome  # noqa: PT017 - it may also return
    (line,) = lines
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "audit",
        "log_level": "info",
        "who": "nobody",
        "method": "DELETE",
        "path": "/api/a b",
        "query": "force=true",
        "client": "192.0.2.7",
        "status": status,
    }


async def test_a_path_is_written_down_only_so_far() -> None:
    with capture_logs() as lines:
        await audit(make_mocked_request("PUT", f"/{'x' * 5000}?{'y' * 5000}"), answering(web.Response()))
    assert (len(lines[0]["path"]), len(lines[0]["query"])) == (200, 200)


async def test_reading_is_not_written_down() -> None:
    with capture_logs() as lines:
        for method in ("GET", "HEAD"):
            await audit(make_mocked_request(method, "/"), answering(web.Response()))
    assert lines == []
