"""From a request to a handler's arguments. What is wrong is said by name, and what was sent is never repeated."""

import asyncio
import re
from collections.abc import Mapping

from aiohttp import web
from pydantic import BaseModel, ValidationError

from sidecar.api.problems import BadRequest, BodyTooLarge, BodyTooSlow, Complaint, InvalidRequest, UnsupportedMediaType
from sidecar.api.routing import Model, Route

MOST_COMPLAINTS = 20
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")  # NUL, and bytes that were no UTF-8
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


async def arguments(request: web.Request, route: Route, body_seconds: float) -> dict[str, BaseModel]:
    """What the route declares of path, query and body. Raises HttpError; the body is read last, for `body_seconds` at most."""
    found: dict[str, BaseModel] = {}
    broken = [name for name in route.request_headers if _NO_TEXT.search(request.headers.get(name, ""))]
    _raise_any([_complaint("header", name, "Expected UTF-8 without NUL", "text") for name in broken])
    if route.path:
        found["path"] = _from_text("path", route.path, request.match_info)
    query = _query(request, route)
    if route.query:
        found["query"] = _from_text("query", route.query, query)
    if route.body:
        found["body"] = _from_json(route, route.body, await _read(request, body_seconds))
    return found


def _query(request: web.Request, route: Route) -> Mapping[str, str]:
    known = route.query.model_fields if route.query else {}
    names = dict.fromkeys(request.query)  # keys() repeats what is repeated, or not, with the version of multidict
    complaints = [_complaint("query", name, "Unknown parameter", "unknown") for name in names if name not in known]
    repeated = [name for name in names if name in known and len(request.query.getall(name)) > 1]
    complaints += [_complaint("query", name, "Expected once", "repeated") for name in repeated]
    _raise_any(complaints)
    return dict(request.query)


def _from_text(where: str, model: Model, values: Mapping[str, str]) -> BaseModel:
    broken = [name for name, value in values.items() if _NO_TEXT.search(value)]
    _raise_any([_complaint(where, name, "Expected UTF-8 without NUL", "text") for name in broken])
    try:
        return model.model_validate_strings(dict(values))
    except ValidationError as error:
        raise _invalid(where, error) from None


async def _read(request: web.Request, seconds: float) -> bytes:
    if not request.can_read_body:
        return b""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("expected application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("expected a body without Content-Encoding")
    if (request.content_length or 0) > request.client_max_size:
        raise BodyTooLarge(f"expected {request.client_max_size} bytes at most")
    try:
        async with asyncio.timeout(seconds):
            await _invite(request)
            return await request.read()
    except TimeoutError:
        raise BodyTooSlow(f"it took more than {seconds:g} s") from None
    except web.RequestPayloadError:
        raise BadRequest("the body broke off, or is not framed as its headers say") from None


async def _invite(request: web.Request) -> None:
    """Ask for the body where the client waits to be asked (RFC 9110 section 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await request.writer.drain()


def _from_json(route: Route, model: Model, raw: bytes) -> BaseModel:
    if not raw and not route.body_is_optional:
        raise InvalidRequest([Complaint(loc=("body",), msg="Expected a JSON body", type="missing")])
    try:
        return model.model_validate_json(raw or b"{}", strict=True)
    except ValidationError as error:
        raise _invalid("body", error) from None


def _invalid(where: str, error: ValidationError) -> InvalidRequest:
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_COMPLAINTS]
    return InvalidRequest(
        [Complaint(loc=(where, *map(_shown, one["loc"])), msg=one["msg"], type=one["type"]) for one in found]
    )


def _complaint(where: str, name: str, msg: str, kind: str) -> Complaint:
    return Complaint(loc=(where, _shown(name)), msg=msg, type=kind)


def _raise_any(complaints: list[Complaint]) -> None:
    if complaints:
        raise InvalidRequest(complaints[:MOST_COMPLAINTS])


def _shown(part: int | str) -> int | str:
    """A step of the way to a value; a name that the client made up only where it looks like a name."""
    return part if isinstance(part, int) or _NAME.fullmatch(part) else "?"
