"""What carries the API, over real sockets: who may call, what is read of a request, how every answer looks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel

from sidecar.api.application import application
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.errors import SourceUnavailable, StorageError
from support.toy_api import ADMIN, BASE, READER, Until, about, authorise, routes

Client = TestClient[web.Request, web.Application]
Open = Callable[..., Awaitable[Client]]

breaking = RouteTable(tag="Breaking")


@breaking.get("/breaks", access=Access.OPEN)
async def breaks(_: web.Request) -> Reply:
    raise RuntimeError("mongodb://root:hunter2@db said no")


@breaking.get("/unavailable", access=Access.OPEN)
async def unavailable(_: web.Request) -> Reply:
    raise SourceUnavailable("no server answered")


@breaking.get("/unreadable", access=Access.OPEN)
async def unreadable(_: web.Request) -> Reply:
    raise StorageError("reading /srv/backups/a.json: Input/output error")


@breaking.get("/breaks-off", access=Access.OPEN)
async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 1000
    await response.prepare(request)
    await response.write(b"the first part")
    raise RuntimeError("in the middle")


@breaking.get("/numbers", access=Access.OPEN)
async def numbers(_: web.Request) -> Reply:
    return Reply({"not a number": float("nan"), "infinite": float("inf")})


@pytest.fixture
async def open_client() -> AsyncIterator[Open]:
    clients: list[Client] = []

    async def open_one(**options: Any) -> Client:
        app = application([*routes, *about, *breaking], authorise, **options)
        clients.append(TestClient(TestServer(app)))
        await clients[-1].start_server()
        return clients[-1]

    yield open_one
    for client in clients:
        await client.close()


@pytest.fixture
async def client(open_client: Open) -> Client:
    return await open_client()


async def raw(client: Client, *parts: bytes) -> bytes:
    """Send bytes as they are and read until the connection closes."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def request_of(method: str, path: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    lines = (method.encode() + b" " + path + b" HTTP/1.1", b"Host: here", b"Connection: close", *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


BEARER = b"Authorization: Bearer admin-token"
JSON = b"Content-Type: application/json"


# -- answers -----------------------------------------------------------------------------------------------------------


async def test_a_model_comes_back_as_json_with_the_headers_of_the_reply(client: Client) -> None:
    async with client.get(f"{BASE}/list?limit=5&open=true", headers=READER) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert response.headers["X-Total-Count"] == "1"
        assert await response.json() == {"drawers": [{"name": "socks", "depth": 30, "opened_at": None}]}


async def test_a_body_and_a_path_reach_the_handler(client: Client) -> None:
    async with client.post(BASE, headers=ADMIN, json={"name": "shirts", "note": "four"}) as response:
        assert (response.status, response.headers["Location"]) == (201, f"{BASE}/shirts")
        assert await response.json() == {"name": "shirts", "depth": 4, "opened_at": None}


async def test_an_answer_without_a_body_has_none(client: Client) -> None:
    async with client.delete(f"{BASE}/socks", headers=ADMIN) as response:
        assert (response.status, await response.read()) == (204, b"")
        assert "Content-Type" not in response.headers


async def test_a_handler_may_stream_something_other_than_json(client: Client) -> None:
    async with client.get(f"{BASE}/socks/label", headers=READER) as response:
        assert (response.status, response.content_type, await response.text()) == (200, "text/plain", "socks")


async def test_numbers_that_json_does_not_have_are_null(client: Client) -> None:
    async with client.get("/numbers") as response:
        assert await response.json() == {"not a number": None, "infinite": None}


async def test_head_answers_as_get_without_the_body(client: Client) -> None:
    async with client.head("/healthz") as response:
        assert (response.status, response.content_type, await response.read()) == (200, "application/json", b"")


async def test_every_answer_carries_the_security_headers(client: Client) -> None:
    for path in ("/healthz", "/nowhere", "/breaks", f"{BASE}/list", f"{BASE}/socks/label"):
        async with client.get(path, headers=READER) as response:
            expected = {
                "Server": "sidecar",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            }
            assert {name: response.headers.get(name) for name in expected} == expected, path
            assert response.headers.get("Cache-Control") == ("no-store" if "admin" in path else None)


# -- who may call ------------------------------------------------------------------------------------------------------


async def test_without_a_token_nothing_but_what_is_open_is_answered(client: Client) -> None:
    async with client.get(f"{BASE}/list") as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await response.json())["code"] == "unauthorised"
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_a_reader_may_not_write(client: Client) -> None:
    async with client.delete(f"{BASE}/socks", headers=READER) as response:
        assert (response.status, (await response.json())["code"]) == (403, "forbidden")


async def test_access_is_decided_before_anything_of_the_request_is_judged(client: Client) -> None:
    async with client.put(f"{BASE}/NO%00/lock?x=1", data=b"{", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 401


async def test_a_body_is_not_asked_for_before_access_is_granted(client: Client) -> None:
    head = (JSON, b"Content-Length: 17", b"Expect: 100-continue")
    body = b'{"name":"shirts"}'
    refused = await raw(client, request_of("POST", BASE.encode(), *head, body=body))
    assert refused.startswith(b"HTTP/1.1 401 ")
    granted = await raw(client, request_of("POST", BASE.encode(), BEARER, *head, body=body))
    assert granted.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


async def test_an_expectation_that_nobody_knows_is_passed_over(client: Client) -> None:
    assert (await raw(client, request_of("GET", b"/healthz", b"Expect: tea"))).startswith(b"HTTP/1.1 200 ")


# -- what is wrong with a request --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "loc", "kind"),
    [
        ("limt=5", ["query", "limt"], "unknown"),
        ("limit=5&limit=5", ["query", "limit"], "repeated"),
        ("limit=many", ["query", "limit"], "int_parsing"),
        ("limit=", ["query", "limit"], "int_parsing"),
        ("limit=101", ["query", "limit"], "less_than_equal"),
        ("limit=" + "9" * 5000, ["query", "limit"], "int_parsing_size"),
        ("colour=hunter2", ["query", "colour"], "literal_error"),
        ("open=perhaps", ["query", "open"], "bool_parsing"),
        ("colour=red%00", ["query", "colour"], "text"),
        ("%3Cscript%3E=1", ["query", "?"], "unknown"),
    ],
)
async def test_a_query_that_is_not_as_documented_is_refused(
    client: Client, query: str, loc: list[str], kind: str
) -> None:
    async with client.get(f"{BASE}/list?{query}", headers=READER) as response:
        problem = await response.json()
    assert (response.status, problem["code"]) == (422, "invalid_request")
    assert [(one["loc"], one["type"]) for one in problem["errors"]] == [(loc, kind)]
    assert "hunter2" not in str(problem)


async def test_a_route_without_parameters_takes_none(client: Client) -> None:
    async with client.get("/healthz?x=1") as response:
        assert (response.status, (await response.json())["errors"]) == (
            422,
            [{"loc": ["query", "x"], "msg": "Unknown parameter", "type": "unknown"}],
        )


@pytest.mark.parametrize(
    "name", ["UPPER", "a%00b", "%ED%A0%80", "%FF", "%7B%7D", "%2F", "%0A", "x" * 41, "..%2f..%2fetc"]
)
async def test_a_path_that_is_not_as_documented_is_refused(client: Client, name: str) -> None:
    answer = await raw(client, request_of("GET", f"{BASE}/{name}".encode(), BEARER))
    assert answer.startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize(
    "path", [b"/\xff", b"/healthz?\xed\xa0\x80=1", BASE.encode() + b"/\xff", BASE.encode() + b"/list?colour=\xff"]
)
async def test_bytes_that_are_no_text_are_refused(client: Client, path: bytes) -> None:
    answer = await raw(client, request_of("GET", path, BEARER))
    assert answer.splitlines()[0].endswith(b" 400 Bad Request")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "json_invalid"),
        (b'{"name": "\xff"}', "json_invalid"),
        (b'{"name": "\\ud800"}', "json_invalid"),
        (b"[" * 30_000, "json_invalid"),
        (b'{"name": ' + b"9" * 30_000 + b"}", "json_invalid"),
        (b"null", "model_type"),
        (b"{}", "missing"),
        (b"", "missing"),
        (b'{"name": 5}', "string_type"),
        (b'{"name": "shirts", "locked": "yes"}', "bool_type"),
        (b'{"name": "shirts", "note": "hunter2hunter2"}', "string_too_long"),
        (b'{"name": "shirts", "extra": "hunter2"}', "extra_forbidden"),
    ],
)
async def test_a_body_that_is_not_as_documented_is_refused(client: Client, body: bytes, kind: str) -> None:
    async with client.post(BASE, data=body, headers=ADMIN | {"Content-Type": "application/json"}) as response:
        problem = await response.json()
    assert (response.status, problem["code"], [one["type"] for one in problem["errors"]]) == (
        422,
        "invalid_request",
        [kind],
    )
    assert "hunter2" not in str(problem)


async def test_a_flood_of_mistakes_is_answered_with_the_first_few(client: Client) -> None:
    body = "{" + ",".join(f'"k{number}": 0' for number in range(5000)) + "}"
    async with client.post(BASE, data=body, headers=ADMIN | {"Content-Type": "application/json"}) as response:
        assert len((await response.json())["errors"]) == 20


async def test_a_body_must_say_that_it_is_json(client: Client) -> None:
    async with client.post(
        BASE, data=b'{"name": "shirts"}', headers=ADMIN | {"Content-Type": "text/plain"}
    ) as response:
        assert (response.status, (await response.json())["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "options", [{}, {"data": b""}, {"json": {}}, {"json": {"until": "noon"}}, {"json": {"until": None}}]
)
async def test_a_body_of_which_nothing_is_required_may_be_left_out(client: Client, options: dict[str, Any]) -> None:
    async with client.put(f"{BASE}/socks/lock", headers=ADMIN, **options) as response:
        assert response.status == 200


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_body_that_is_too_large_is_refused(open_client: Open, is_announced: bool) -> None:  # noqa: FBT001 - a case
    client = await open_client(max_body_bytes=100)
    body = b'{"name": "' + b"x" * 200 + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        yield body

    data = body if is_announced else in_pieces()
    async with client.post(BASE, data=data, headers=ADMIN | {"Content-Type": "application/json"}) as response:
        assert (response.status, (await response.json())["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("coding", ["deflate", "gzip"])
async def test_a_packed_body_is_refused_before_it_is_unpacked(coding: str, client: Client) -> None:
    headers = ADMIN | {"Content-Type": "application/json", "Content-Encoding": coding}
    async with client.post(BASE, data=b" " * 1_000_000, headers=headers) as response:
        assert response.status == 415
        assert (await response.json())["detail"] == "expected a body without Content-Encoding"


async def test_a_packed_body_that_does_not_unpack_is_refused_too(client: Client) -> None:
    headers = (BEARER, JSON, b"Content-Encoding: gzip", b"Content-Length: 4")
    answer = await raw(client, request_of("POST", BASE.encode(), *headers, body=b"none"))
    assert answer.startswith(b"HTTP/1.1 415 ")


async def test_a_body_that_trickles_is_given_up(open_client: Open) -> None:
    client = await open_client(body_seconds=0.05)
    head = request_of("POST", BASE.encode(), BEARER, JSON, b"Content-Length: 100", body=b"{")
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head)
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()


async def test_what_does_not_exist_is_a_problem_too(client: Client) -> None:
    async with client.get("/nowhere") as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
        assert (await response.json())["code"] == "unknown_path"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("OPTIONS", "/healthz", "GET,HEAD"),
        ("POST", "/healthz", "GET,HEAD"),
        ("DELETE", f"{BASE}/list", "GET,HEAD"),  # which is no drawer with the name list
        ("PATCH", f"{BASE}/socks", "DELETE,GET,HEAD"),
        ("PROPFIND", BASE, "POST"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_refused(
    client: Client, method: str, path: str, allow: str
) -> None:
    async with client.request(method, path, headers=ADMIN) as response:
        assert (response.status, response.headers["Allow"]) == (405, allow)
        assert (await response.json())["code"] == "method_not_allowed"


# -- what is wrong with the sidecar ------------------------------------------------------------------------------------


async def test_the_unexpected_is_logged_and_told_without_its_text(client: Client) -> None:
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logged:
        async with client.get("/breaks") as response:
            problem = await response.json()
    request_id = response.headers["X-Request-Id"]
    assert (response.status, problem["code"], problem["request_id"]) == (500, "internal", request_id)
    assert "hunter2" not in str(problem)
    (event,) = logged
    assert (event["event"], event["request_id"], str(event["exc_info"])) == (
        "http.unexpected",
        request_id,
        "mongodb://root:hunter2@db said no",
    )


async def test_a_failure_of_ours_is_logged_with_its_code(client: Client) -> None:
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logged:
        async with client.get("/unavailable") as response:
            assert (response.status, (await response.json())["code"]) == (503, "mongodb_unavailable")
    assert logged == [
        {
            "event": "http.failed",
            "log_level": "warning",
            "code": "mongodb_unavailable",
            "message": "no server answered",
            "request_id": response.headers["X-Request-Id"],
        }
    ]


async def test_what_is_to_be_hidden_is_taken_out_of_messages(open_client: Open) -> None:
    client = await open_client(hide=lambda text: text.replace("/srv/backups/", ""))
    async with client.get("/unreadable") as response:
        assert (await response.json())["detail"] == "reading a.json: Input/output error"


async def test_an_answer_that_breaks_off_looks_broken_to_the_client(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    received = b""
    with structlog.testing.capture_logs() as logged, contextlib.suppress(ConnectionResetError):
        writer.write(request_of("GET", b"/breaks-off"))
        while part := await reader.read(1000):
            received += part
    writer.close()
    assert received.partition(b"\r\n\r\n")[2] in {b"", b"the first part"}  # nothing is put after what was already sent
    assert [one["event"] for one in logged] == ["http.aborted"]


async def test_a_client_that_goes_away_while_it_sends_is_no_failure(open_client: Open) -> None:
    seen: asyncio.Queue[int] = asyncio.Queue()
    client = await open_client(observe=lambda _method, _route, status, _seconds: seen.put_nowait(status))
    with structlog.testing.capture_logs() as logged:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        headers = (BEARER, JSON, b"Content-Length: 100", b"Expect: 100-continue")
        writer.write(request_of("POST", BASE.encode(), *headers))
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"  # it is being read from now on
        writer.close()
        assert await seen.get() == 499
    assert logged == []


async def test_every_answer_is_counted_under_its_template(open_client: Open) -> None:
    seen = []
    client = await open_client(
        observe=lambda method, route, status, seconds: seen.append((method, route, status, seconds < 5))
    )
    for method, path in (("GET", f"{BASE}/socks"), ("GET", "/x/y"), ("PROPFIND", "/healthz"), ("GET", "/breaks")):
        async with client.request(method, path, headers=READER):
            pass
    assert seen == [
        ("GET", f"{BASE}/{{name}}", 200, True),
        ("GET", "unmatched", 404, True),
        ("other", "/healthz", 405, True),
        ("GET", "/breaks", 500, True),
    ]


# -- declaring ---------------------------------------------------------------------------------------------------------


async def _nothing(_: web.Request) -> Reply:
    return Reply(None, status=204)


def test_the_parameters_of_a_path_must_be_declared() -> None:
    with pytest.raises(ValueError, match=r"/a/\{b\}: its parameters are \['b'\] but \[\] are declared"):
        RouteTable(tag="A").get("/a/{b}", access=Access.OPEN)(_nothing)


def test_a_query_must_refuse_unknown_names() -> None:
    class Lenient(BaseModel):
        a: int = 1

    with pytest.raises(ValueError, match="Lenient lets unknown names pass"):
        RouteTable(tag="A").get("/a", access=Access.OPEN, query=Lenient)(_nothing)


def test_a_table_is_the_list_of_what_was_added_to_it() -> None:
    table = RouteTable(tag="A")
    table.put("/a", access=Access.WRITE, body=Until)(_nothing)
    (route,) = table
    assert (route.method, route.template, route.access, route.tag, route.body, route.handler) == (
        "PUT",
        "/a",
        Access.WRITE,
        "A",
        Until,
        _nothing,
    )
