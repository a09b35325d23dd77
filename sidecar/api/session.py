"""Signing in and out: a token in, a cookie out."""

from aiohttp import web

from sidecar.api import parameters, schemas
from sidecar.api.auth import cookie_header, principal_of
from sidecar.api.context import sidecar_of
from sidecar.api.problems import Forbidden, TooManyRequests, Unauthorised
from sidecar.api.routing import Access, Reply, RouteTable

routes = RouteTable(tag="Session")
BASE = "/api/admin/session"
COOKIE = {"Set-Cookie": "`session_token`: HttpOnly, SameSite=Strict, and Secure behind TLS."}


@routes.get(BASE, access=Access.READ, response=schemas.SessionBody)
async def session(request: web.Request) -> Reply:
    """Say who is signed in, and what they may do."""
    principal = principal_of(request)
    return Reply(schemas.SessionBody(name=principal.name, role=principal.role, expires_at=principal.expires_at))


@routes.post(
    BASE,
    access=Access.OPEN,
    body=parameters.Credentials,
    response=schemas.SessionBody,
    headers=COOKIE,
    errors=(Unauthorised, Forbidden, TooManyRequests),
)
async def sign_in(request: web.Request, body: parameters.Credentials) -> Reply:
    """Open a session with a token. Wrong ones are answered ever more slowly."""
    cookie, principal = await sidecar_of(request).gate.sign_in(request, body.token)
    opened = schemas.SessionBody(name=principal.name, role=principal.role, expires_at=principal.expires_at)
    return Reply(opened, headers={"Set-Cookie": _cookie(request, cookie)})


@routes.delete(BASE, access=Access.READ, status=204, headers=COOKIE)
async def sign_out(request: web.Request) -> Reply:
    """Close the session."""
    sidecar_of(request).gate.sign_out(request)
    return Reply(None, status=204, headers={"Set-Cookie": _cookie(request, "")})


def _cookie(request: web.Request, value: str) -> str:
    return cookie_header(value, is_secure=request.secure, base_path=sidecar_of(request).settings.base_path)
