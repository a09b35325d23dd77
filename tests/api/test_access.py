"""Who may do what, over a real socket."""

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sidecar.api import auth
from sidecar.api.auth import Gate
from sidecar.api.problems import Forbidden, TooManyRequests, Unauthorised
from sidecar.api.routing import Access
from sidecar.api.sessions import IDLE, LONGEST, MOST, Principal, Role, Sessions, Tokens
from sidecar.bootstrap.server import ROUTES
from sidecar.config import Secret
from support.served import ADMIN, READER, Answer, Served

SESSION = "/api/admin/session"
PAUSE = "/api/admin/schedule/pause"
READING = ["/api/admin/backups/status", "/api/admin/jobs", "/api/admin/schedule", "/api/admin/retention", SESSION]


def sign_in(served: Served, token: str) -> dict[str, str]:
    answer = served.post(SESSION, {"token": token}, token=None)
    assert answer.status == 200, answer.body
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


def with_cookie(served: Served, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Answer:
    return served.call(method, path, body, token=None, headers=headers)


@pytest.mark.parametrize("path", READING)
def test_nothing_is_shown_without_a_token(path: str, served: Served) -> None:
    answer = served.get(path, token=None)
    assert (answer.status, answer.json["code"], answer.headers["WWW-Authenticate"]) == (401, "unauthorised", "Bearer")
    assert served.get(path).status == served.get(path, token=READER).status == 200
    assert served.get(path).headers["Cache-Control"] == "no-store"


def test_the_reading_token_writes_nothing(served: Served) -> None:
    for method, path in (("POST", "/api/admin/backups/trigger"), ("POST", PAUSE), ("DELETE", "/api/admin/backups/x")):
        answer = served.call(method, path, token=READER)
        assert (answer.status, answer.json["code"]) == (403, "forbidden")


def test_every_route_asks_for_its_token(served: Served) -> None:
    tried = [
        (route.method, re.sub(r"{\w+}", "x", route.template), route.access)
        for module in ROUTES
        for route in module.routes
        if route.access is not Access.OPEN
    ]
    for method, path, access in tried:
        answer = served.call(method, path, token=None)
        assert (answer.status, answer.json["code"]) == (401, "unauthorised"), path
        answer = served.call(method, path, token=READER)
        assert (answer.status == 403) is (access is Access.WRITE), path


def test_a_session_lasts_until_it_is_closed(served: Served) -> None:
    answer = served.post(SESSION, {"token": ADMIN}, token=None)
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (cookie.key, cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (
        "session_token",
        True,
        "Strict",
        "/",
        "",
    )
    assert ADMIN not in cookie.value
    session = {"Cookie": f"session_token={cookie.value}"}
    who = with_cookie(served, "GET", SESSION, session).json
    assert (who["role"], who["name"]) == ("admin", "session of the admin token")
    assert with_cookie(served, "POST", PAUSE, session).status == 200
    closed = with_cookie(served, "DELETE", SESSION, session)
    assert (closed.status, "Max-Age=0" in closed.headers["Set-Cookie"]) == (204, True)
    assert with_cookie(served, "GET", SESSION, session).status == 401


def test_a_session_of_the_reading_token_only_reads(served: Served) -> None:
    session = sign_in(served, READER)
    assert with_cookie(served, "GET", READING[0], session).status == 200
    assert with_cookie(served, "POST", PAUSE, session).status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # curl
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:{port}.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        (
            {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
            200,
        ),  # a proxy in between; browsers own this header
    ],
)
def test_a_cookie_alone_writes_nothing_from_another_site(headers: dict[str, str], status: int, served: Served) -> None:
    sent = {name: value.format(port=served.port) for name, value in headers.items()}
    assert with_cookie(served, "POST", PAUSE, sign_in(served, ADMIN) | sent).status == status
    assert served.post(PAUSE, **sent).status == 200  # a token is proof enough


def test_a_wrong_token_is_refused_and_counted(served: Served) -> None:
    for token in ("wrong", ADMIN + "x", ADMIN[:-1], "ä" * 20):
        answer = served.call(
            "GET", READING[0], token=None, headers={"Authorization": f"Bearer {token}".encode().decode("latin-1")}
        )
        assert (answer.status, answer.json["detail"]) == (401, "the token is wrong")
    assert served.get(READING[0]).status == 200
    assert served.metrics()['login_failures_total{reason="wrong_token"}'] == 4


def test_every_write_and_every_download_leaves_a_line_that_says_who_and_what(served: Served) -> None:
    served.post(PAUSE)
    served.call("DELETE", "/api/admin/backups/seed_backup_20200101_000000?force=true")
    served.post(PAUSE, token=READER)
    served.post(PAUSE, token=None)
    served.post(SESSION, {"token": ADMIN}, token=None)
    served.get("/api/admin/backups/seed_backup_20200101_000000/download", token=READER)
    served.get("/api/admin/backups/list")
    lines = [line for line in served.log() if line["event"] == "audit"]
    assert [(line["who"], line["method"], line["path"], line["query"], line["status"]) for line in lines] == [
        ("admin token", "POST", PAUSE, "", 200),
        ("admin token", "DELETE", "/api/admin/backups/seed_backup_20200101_000000", "force=true", 404),
        ("reader token", "POST", PAUSE, "", 403),
        ("nobody", "POST", PAUSE, "", 401),
        ("session of the admin token", "POST", SESSION, "", 200),
        ("reader token", "GET", "/api/admin/backups/seed_backup_20200101_000000/download", "", 404),
    ]


def test_no_token_is_ever_written_anywhere(served: Served) -> None:
    served.post(SESSION, {"token": ADMIN}, token=None)
    served.post(SESSION, {"token": ADMIN, "more": READER}, token=None)
    served.get(f"/api/admin/backups/{ADMIN}")
    served.get(f"/api/admin/jobs?kind={READER}")
    served.back_up()
    everything = served.log_path.read_text() + "".join(map(str, served.metrics()))
    everything += "".join(path.read_text() for path in served.directory.glob("*.meta.json"))
    assert ADMIN not in everything
    assert READER not in everything


# -- what takes too long to wait for, with clocks that are sent ahead ---------------------------------------------------


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def gate(time: Time) -> Gate:
    return Gate(Tokens(Secret(ADMIN), Secret(READER)), clock=time, sleep=time.sleep)


def request(token: str) -> web.Request:
    return make_mocked_request("GET", "/", {"Authorization": f"Bearer {token}"})


async def test_each_wrong_token_is_answered_later_and_a_right_one_at_once(gate: Gate, time: Time) -> None:
    for _ in range(7):
        with pytest.raises(Unauthorised):
            await gate.authorise(request("wrong"), Access.READ)
    assert time.slept == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    await gate.authorise(request(ADMIN), Access.WRITE)
    assert len(time.slept) == 7
    with pytest.raises(Unauthorised):
        await gate.authorise(request("wrong"), Access.READ)
    assert time.slept[-1] == 0.25  # the right one has made it forget


async def test_failures_are_forgotten_after_a_while(gate: Gate, time: Time) -> None:
    for _ in range(3):
        with pytest.raises(Unauthorised):
            await gate.authorise(request("wrong"), Access.READ)
        time.now += auth.FORGET_SECONDS + 1
    assert time.slept == [0.25, 0.25, 0.25]


async def test_only_so_many_wrong_tokens_are_held_back_at_once() -> None:
    release = asyncio.Event()

    async def sleep(_: float) -> None:
        await release.wait()

    gate = Gate(Tokens(Secret(ADMIN)), sleep=sleep)
    waiting = [asyncio.ensure_future(gate.authorise(request("wrong"), Access.READ)) for _ in range(auth.MOST_GUESSES)]
    await asyncio.sleep(0)
    for token in ("wrong", ADMIN):  # a guess beside the others learns nothing, not even that it is right
        with pytest.raises(TooManyRequests):
            await gate.authorise(request(token), Access.WRITE)
    assert (gate.failures["wrong_token"], gate.failures["held_off"]) == (auth.MOST_GUESSES, 2)
    await gate.authorise(request(ADMIN).clone(remote="192.0.2.9"), Access.WRITE)
    release.set()
    assert {type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)} == {Unauthorised}


async def test_a_reader_is_forbidden_to_write(gate: Gate) -> None:
    with pytest.raises(Forbidden):
        await gate.authorise(request(READER), Access.WRITE)


OWNER = Principal("admin token", Role.ADMIN)


@pytest.mark.parametrize(("pause", "is_over"), [(IDLE - timedelta(seconds=1), False), (IDLE, True)])
def test_a_session_that_is_not_used_ends(pause: timedelta, is_over: bool, time: Time) -> None:  # noqa: FBT001 - a parameter of the test
    sessions = Sessions(time)
    cookie, _ = sessions.open(OWNER)
    time.now += pause.total_seconds()
    assert (sessions.find(cookie) is None) == is_over


def test_a_session_ends_however_busy_it_is(time: Time) -> None:
    sessions = Sessions(time)
    cookie, principal = sessions.open(OWNER)
    for _ in range(int(LONGEST / IDLE * 2) - 1):
        time.now += IDLE.total_seconds() / 2
        assert sessions.find(cookie) == principal
    time.now += IDLE.total_seconds() / 2
    assert sessions.find(cookie) is None


def test_the_oldest_session_of_a_token_makes_room_and_none_of_another(time: Time) -> None:
    sessions = Sessions(time)
    reader, principal = sessions.open(Principal("reader token", Role.READER))
    cookies = [sessions.open(OWNER)[0] for _ in range(MOST + 1)]
    assert [sessions.find(cookies[0]), sessions.find(cookies[1]) is None] == [None, False]
    assert sessions.find(reader) == principal
