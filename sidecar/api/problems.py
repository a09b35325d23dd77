"""Errors as HTTP answers: the status of each, and how it is told (RFC 9457). HTTP's own errors live here too."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sidecar import errors
from sidecar.errors import SidecarError

CONTENT_TYPE = "application/problem+json"
PAGE = "/docs"  # explains each code under its name as an anchor

Hide = Callable[[str], str]


class Complaint(BaseModel):
    """One thing that is wrong with a request. The value that was sent is not repeated."""

    model_config = ConfigDict(frozen=True)

    loc: tuple[str | int, ...] = Field(description="`path`, `query` or `body`, then the path to the value.")
    msg: str = Field(description="What was expected.")
    type: str = Field(description="The kind of mistake, for programs.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Where the code is explained.")
    title: str = Field(description="What the code means.")
    status: int = Field(description="The HTTP status, repeated.")
    code: str = Field(description="A stable code, for programs.")
    detail: str = Field(description="What was wrong this time.")
    cure: str = Field("", description="What to do.")
    errors: tuple[Complaint, ...] = Field((), description="Everything that is wrong with the request.")
    request_id: str = Field("", description="The id of this request in the log.")


class HttpError(SidecarError):
    """What is wrong with a request, whatever it asks for."""

    documented_headers: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer carries besides its body."""
        return {}


class Unauthorised(HttpError):
    """The request carries no valid token and no valid session."""

    code = "unauthorised"
    cure = "Send the header `Authorization: Bearer TOKEN`, or sign in and send the cookie."
    documented_headers = MappingProxyType({"WWW-Authenticate": "`Bearer`."})

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(HttpError):
    """The token or session is valid but does not allow this."""

    code = "forbidden"
    cure = "Use the admin token; a cookie is only taken from pages of the sidecar itself."


class TooManyRequests(HttpError):
    """There were too many failed attempts to sign in."""

    code = "too_many_requests"
    cure = "Wait for as many seconds as the header `Retry-After` says."
    documented_headers = MappingProxyType({"Retry-After": "Seconds to wait."})

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class InvalidRequest(HttpError):
    """The path, the query or the body is not as documented; `errors` lists everything that is wrong."""

    code = "invalid_request"
    cure = "Correct what `errors` lists; `/docs` shows what each route takes."

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, one.loc))}: {one.msg}" for one in complaints))
        self.complaints = tuple(complaints)


class BadRequest(HttpError):
    """The request breaks the rules of HTTP."""

    code = "bad_request"
    cure = "Look at the client, or at a proxy between it and the sidecar."


class UnknownPath(HttpError):
    """There is nothing at this path."""

    code = "unknown_path"
    cure = "`/docs` lists the paths that there are."


class MethodNotAllowed(HttpError):
    """The path exists but does not take this method."""

    code = "method_not_allowed"
    cure = "Use one of the methods in the header `Allow`."

    def __init__(self, allow: str) -> None:
        super().__init__(f"expected {allow}")
        self.allow = allow

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Allow": self.allow}


class BodyTooSlow(HttpError):
    """The body did not arrive in time."""

    code = "body_too_slow"
    cure = "Send the whole body at once."


class BodyTooLarge(HttpError):
    """The request body is too large."""

    code = "body_too_large"
    cure = "Send only what the route documents."


class UnsupportedMediaType(HttpError):
    """The body is said to be something other than JSON."""

    code = "unsupported_media_type"
    cure = "Send the header `Content-Type: application/json`."


class Unexpected(SidecarError):
    """An unexpected error occurred."""

    code = "internal"
    cure = "Find the `request_id` in the sidecar's log, and report that entry."

    def __init__(self, request_id: str) -> None:
        super().__init__("the log has the details under this request's id", request_id=request_id)
        self.request_id = request_id


STATUS: Mapping[type[SidecarError], int] = {  # that of an error which is not listed is its nearest parent's
    SidecarError: 500,
    errors.UsageError: 422,
    errors.SetNotFound: 404,
    errors.AlreadyOver: 409,
    errors.NotSuspect: 409,
    errors.SourceError: 502,
    errors.SourceUnavailable: 503,
    errors.AccessRefused: 503,
    errors.SourceStalled: 503,
    errors.NothingToBackUp: 409,
    errors.LeaseLost: 409,
    errors.TargetInUse: 409,
    errors.DocumentChanged: 409,
    errors.TargetUnsuitable: 409,
    errors.StorageFull: 507,
    errors.CopyNotFound: 404,
    errors.CopyError: 502,
    errors.CopyUnreachable: 503,
    errors.CopyForeign: 409,
    errors.Busy: 409,
    errors.Cancelled: 409,
    errors.JobNotFound: 404,
    errors.BackupNotFound: 404,
    errors.BackupInvalid: 409,  # the request is right; it is the backup's state that forbids it
    errors.BackupProtected: 409,
    errors.IdentityRequired: 409,
    Unauthorised: 401,
    Forbidden: 403,
    TooManyRequests: 429,
    InvalidRequest: 422,
    BadRequest: 400,
    UnknownPath: 404,
    MethodNotAllowed: 405,
    BodyTooSlow: 408,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
}


def status_of(kind: type[SidecarError]) -> int:
    return next(STATUS[parent] for parent in kind.__mro__ if parent in STATUS)


def status_of_code(code: str) -> int:
    """The status of an error of which only the code is on record; 500 for one that is not known."""
    kind = catalogue().get(code)
    return status_of(kind) if kind else STATUS[SidecarError]


def with_kinds(kind: type[SidecarError]) -> tuple[type[SidecarError], ...]:
    """An error and all that are kinds of it, as far as they are ours."""
    ours = (one for one in kind.__subclasses__() if one.__module__ in {errors.__name__, __name__})
    return (kind, *(below for one in ours for below in with_kinds(one)))


def catalogue() -> dict[str, type[SidecarError]]:
    """Every error that can be told, by its code and in the order of the codes."""
    kinds = {kind.code: kind for kind in with_kinds(SidecarError) if "code" in vars(kind)}
    return dict(sorted(kinds.items()))


def meaning(kind: type[SidecarError]) -> str:
    """What an error says wherever it occurs: the first line of its docstring."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def body(error: SidecarError, hide: Hide = str, base_path: str = "") -> Problem:
    """An error as an answer's body. `hide` masks what its message must not show, such as paths."""
    kind = catalogue().get(error.code, type(error))
    return Problem(
        type=f"{base_path}{PAGE}#{error.code}",
        title=meaning(kind).rstrip("."),
        status=status_of(type(error)),
        code=error.code,
        detail=hide(str(error)),
        cure=kind.cure,
        errors=error.complaints if isinstance(error, InvalidRequest) else (),
        request_id=error.request_id if isinstance(error, Unexpected) else "",
    )


def response(error: SidecarError, hide: Hide = str, base_path: str = "") -> web.Response:
    problem = body(error, hide, base_path)
    return web.Response(
        status=problem.status,
        text=problem.model_dump_json(exclude_defaults=True),
        headers=error.headers if isinstance(error, HttpError) else None,
        content_type=CONTENT_TYPE,
    )


def of_http(error: web.HTTPException, request_id: str) -> SidecarError:
    """What aiohttp raises of itself, as ours."""
    match error.status:
        case web.HTTPNotFound.status_code:
            return UnknownPath("the path is not one of the API's")
        case web.HTTPMethodNotAllowed.status_code:
            return MethodNotAllowed(error.headers["Allow"])
        case web.HTTPRequestEntityTooLarge.status_code:
            return BodyTooLarge("the body is too large")
        case status if 400 <= status < 500:  # noqa: PLR2004 - the class of statuses that blame the client
            return BadRequest("the request cannot be understood")
        case _:
            return Unexpected(request_id)


def reference_table() -> str:
    """Every code as a Markdown table, for the documentation."""
    lines = ["| code | status | meaning | cure |", "|---|---|---|---|"]
    for code, kind in catalogue().items():
        lines.append(f"| `{code}` | {status_of(kind)} | {meaning(kind)} | {kind.cure or '–'} |")
    return "\n".join(lines) + "\n"
