"""Routes put together: who may call is asked first, then the request is read; every error is told in one way."""

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from http import HTTPMethod
from importlib.resources import files
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic_core import to_json
from structlog.contextvars import bound_contextvars

from sidecar.api import docs_page, problems
from sidecar.api.openapi import document
from sidecar.api.problems import Hide
from sidecar.api.routing import Access, Reply, Route
from sidecar.api.validation import arguments
from sidecar.errors import SidecarError
from sidecar.logger import Logger

Authorise = Callable[[web.Request, Access], Awaitable[None]]
Observe = Callable[[str, str, int, float], None]

WORTH_COMPRESSING_BYTES = 16384
UNMATCHED = "unmatched"
OTHER_METHOD = "other"
_CLIENT_GONE = 499  # nginx's: nobody reads this answer, but it is counted
_KNOWN_METHODS = frozenset(HTTPMethod)

_BASE_PATH = web.AppKey("BASE_PATH", str)
_REQUEST_ID = web.RequestKey("REQUEST_ID", str)
_BEGUN = web.RequestKey("BEGUN", bool)

log = Logger(__name__)


def _unobserved(_method: str, _route: str, _status: int, _seconds: float) -> None:
    """Used where requests are not counted."""


def application(  # noqa: PLR0913 - one place where all that a deployment can choose is given
    routes: Iterable[Route],
    authorise: Authorise,
    *,
    observe: Observe = _unobserved,
    hide: Hide = str,
    base_path: str = "",
    max_body_bytes: int = 65536,
    body_seconds: float = 10.0,
) -> web.Application:
    """The routes as an application that also serves `/openapi.json` and `/docs`.

    `authorise` is asked for every route, open ones too, before anything else of the request is looked at; it raises
    HttpError to refuse. `observe` is told method, route, status and seconds of every answer. `hide` masks what
    error messages must not show. Every path is there as it is and below `base_path`; what we say of ourselves has it.
    """
    routes = sorted(routes, key=lambda route: route.template)  # aiohttp joins the methods of a path only side by side
    app = web.Application(middlewares=[_tell(observe, hide)], client_max_size=max_body_bytes)
    app[_BASE_PATH] = base_path
    app.on_response_prepare.append(_add_headers)
    for prefix in prefixes(base_path):
        for route in routes:
            answer = partial(_answer, route, authorise, body_seconds)
            add = app.router.add_get if route.method == "GET" else partial(app.router.add_route, route.method)
            add(prefix + re.sub(r"{(\w+)}", r"{\1:[^/]+}", route.template), answer, expect_handler=_wait)
    _add_documentation(app, routes)
    _refuse_other_methods(app)
    return app


def prefixes(base_path: str) -> Iterable[str]:
    """What stands before our paths: nothing, as probes ask and a proxy that takes its own path off, or the base path."""
    return ("", base_path) if base_path else ("",)


async def _answer(route: Route, authorise: Authorise, body_seconds: float, request: web.Request) -> web.StreamResponse:
    await authorise(request, route.access)
    reply = await route.handler(request, **await arguments(request, route, body_seconds))
    if not isinstance(reply, Reply):
        return reply
    base_path = request.app[_BASE_PATH]
    headers = {name: base_path + value if name == "Location" else value for name, value in reply.headers.items()}
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    text = to_json(reply.body, inf_nan_mode="null")
    response = web.Response(status=reply.status, headers=headers, body=text, content_type="application/json")
    if len(text) >= WORTH_COMPRESSING_BYTES:
        response.enable_compression()  # where the client takes it
    return response


async def _wait(_: web.Request) -> None:
    """Answers no `Expect: 100-continue`: the body is asked for when it is wanted, after the authorisation."""


# -- every answer ------------------------------------------------------------------------------------------------------


def _tell(observe: Observe, hide: Hide) -> Middleware:
    @web.middleware
    async def tell(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = time.monotonic(), _CLIENT_GONE  # unless something comes of it
        request[_REQUEST_ID] = uuid4().hex
        try:
            with bound_contextvars(request_id=request[_REQUEST_ID]):
                response = await _answered(request, handler, hide)
            status = response.status
            return response
        finally:
            method = request.method if request.method in _KNOWN_METHODS else OTHER_METHOD
            observe(method, _route_of(request), status, time.monotonic() - began)

    return tell


async def _answered(request: web.Request, handler: Handler, hide: Hide) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, a problem is told and nothing else
        return _failed(request, error, hide)


def _failed(request: web.Request, error: Exception, hide: Hide) -> web.StreamResponse:
    if request.transport is None or request.transport.is_closing():
        return web.Response(status=_CLIENT_GONE)
    if request.get(_BEGUN):  # it is too late to say so: a connection that breaks is what no client takes for success
        log.error("http.aborted", exc_info=error)
        request.transport.abort()
        return web.Response(status=500)
    return problems.response(_as_ours(request, error), hide, request.app[_BASE_PATH])


def _as_ours(request: web.Request, error: Exception) -> SidecarError:
    match error:
        case SidecarError():
            if problems.status_of(type(error)) >= 500:  # noqa: PLR2004 - the class of statuses that blame the server
                log.warning("http.failed", code=error.code, message=str(error))
            return error
        case web.HTTPException():
            return problems.of_http(error, request[_REQUEST_ID])
        case _:
            log.error("http.unexpected", exc_info=error)
            return problems.Unexpected(request[_REQUEST_ID])


def _route_of(request: web.Request) -> str:
    """The path with names in place of its parameters, so that metrics keep few of them."""
    resource = request.match_info.route.resource
    return resource.canonical.removeprefix(request.app[_BASE_PATH]) if resource else UNMATCHED


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    request[_BEGUN] = True
    headers = response.headers
    headers["Server"] = "sidecar"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    if request.path.removeprefix(request.app[_BASE_PATH]).startswith("/api/admin/"):
        headers["Cache-Control"] = "no-store"
    if _REQUEST_ID in request:  # not where aiohttp itself refused an Expect header
        headers["X-Request-Id"] = request[_REQUEST_ID]


# -- what comes with the routes ----------------------------------------------------------------------------------------


def _add_documentation(app: web.Application, routes: Iterable[Route]) -> None:
    base_path = app[_BASE_PATH]
    described = document(routes, base_path)
    static = files(__package__) / "static"
    policy = {"Content-Security-Policy": docs_page.CONTENT_SECURITY_POLICY}
    for path, body, content_type, headers in (
        ("/openapi.json", to_json(described), "application/json", {}),
        ("/docs", docs_page.render(described).encode(), "text/html", policy),
        (docs_page.STYLESHEET, (static / "docs.css").read_bytes(), "text/css", {}),
        (docs_page.SCRIPT, (static / "docs.js").read_bytes(), "text/javascript", {}),
    ):
        for prefix in prefixes(base_path):
            app.router.add_get(prefix + path, partial(_send, body, content_type, headers))


async def _send(body: bytes, content_type: str, headers: Mapping[str, str], _: web.Request) -> web.Response:
    charset = "utf-8" if content_type.startswith("text/") else None
    return web.Response(body=body, content_type=content_type, charset=charset, headers=headers)


def _refuse_other_methods(app: web.Application) -> None:
    """A path takes the methods it has, even where the same words would also fit another path's parameter."""
    for resource in app.router.resources():
        assert isinstance(resource, web.Resource)  # noqa: S101 - all that this module adds are
        resource.add_route("*", partial(_refuse, sorted(route.method for route in resource)))


async def _refuse(allowed: Iterable[str], request: web.Request) -> web.StreamResponse:
    raise web.HTTPMethodNotAllowed(request.method, allowed)
