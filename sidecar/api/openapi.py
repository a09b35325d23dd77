"""The OpenAPI 3.1 document of a set of routes, made from the same models that validate requests."""

from collections.abc import Iterable
from http import HTTPStatus

from sidecar import __version__
from sidecar.api.definitions import Json, Schemas
from sidecar.api.problems import (
    CONTENT_TYPE,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    Forbidden,
    HttpError,
    InvalidRequest,
    Problem,
    TooManyRequests,
    Unauthorised,
    Unexpected,
    UnsupportedMediaType,
    meaning,
    status_of,
    with_kinds,
)
from sidecar.api.routing import Access, Route
from sidecar.errors import SidecarError

_WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
_OF_ACCESS = {
    Access.OPEN: (),
    Access.READ: (Unauthorised, TooManyRequests),
    Access.WRITE: (Unauthorised, Forbidden, TooManyRequests),
}
_OF_BODIES = (BadRequest, BodyTooSlow, BodyTooLarge, UnsupportedMediaType)
_SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The admin token, or the read token."},
    "session": {"type": "apiKey", "in": "cookie", "name": "session_token", "description": "What signing in gives."},
}


def document(routes: Iterable[Route], base_path: str = "") -> Json:
    """The document, the same for the same routes in any order. Raises ValueError if two handlers have one name."""
    routes = sorted(routes, key=lambda route: (route.template, route.method))
    _check_names(routes)
    schemas = Schemas(routes)
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, schemas)
    components: Json = {"schemas": schemas.used_by(paths)}
    if any(route.access is not Access.OPEN for route in routes):
        components["securitySchemes"] = _SECURITY_SCHEMES
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MongoDB backup sidecar",
            "version": __version__,
            "description": "Errors are RFC 9457 problems with a stable `code`. `X-Request-Id` is what the log names a request.",
        },
        **({"servers": [{"url": base_path}]} if base_path else {}),
        "tags": [{"name": name} for name in sorted({route.tag for route in routes})],
        "paths": paths,
        "components": components,
    }


def _check_names(routes: Iterable[Route]) -> None:
    seen: dict[str, str] = {}
    for route in routes:
        if route.name in seen:
            raise ValueError(f"{route.template}: {seen[route.name]} has a handler with the name {route.name} too")
        seen[route.name] = route.template


def _operation(route: Route, schemas: Schemas) -> Json:
    summary, description = _in_words(route)
    operation: Json = {"operationId": route.name, "tags": [route.tag], "summary": summary}
    if description:
        operation["description"] = description
    if parameters := _parameters(route, schemas):
        operation["parameters"] = parameters
    if route.body:
        content = {"application/json": {"schema": schemas.of(route.body, "validation")}}
        operation["requestBody"] = {"required": not route.body_is_optional, "content": content}
    operation["responses"] = _responses(route, schemas)
    is_open = route.access is Access.OPEN
    operation["security"] = [] if is_open else [{scheme: [str(route.access)]} for scheme in _SECURITY_SCHEMES]
    return operation


def _in_words(route: Route) -> tuple[str, str]:
    """The first sentence of the handler's docstring, and the rest."""
    words = " ".join((route.handler.__doc__ or route.name).split())
    summary, _, description = words.partition(". ")
    return summary.removesuffix("."), description


def _parameters(route: Route, schemas: Schemas) -> list[Json]:
    found = []
    for where, model in (("path", route.path), ("query", route.query)):
        schema = schemas.resolved(model) if model else {}
        for name, value in schema.get("properties", {}).items():
            described = _never_null(value)
            text = {"description": described.pop("description")} if "description" in described else {}
            is_required = name in schema.get("required", ())
            found.append({"name": name, "in": where, "required": is_required, **text, "schema": described})
    for name, words in route.request_headers.items():
        found.append(
            {"name": name, "in": "header", "required": False, "description": words, "schema": {"type": "string"}}
        )
    return found


def _never_null(schema: Json) -> Json:
    """The schema of a parameter: there is no null in a URL, only leaving it out."""
    kept = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    if "anyOf" in kept:
        kinds = [kind for kind in kept.pop("anyOf") if kind != {"type": "null"}]
        return kept | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
    return kept


# -- answers -----------------------------------------------------------------------------------------------------------


def _responses(route: Route, schemas: Schemas) -> Json:
    responses: dict[int, Json] = {}
    for status, words in {route.status: _success_in_words(route), **route.also}.items():
        responses[status] = _good(route, status, words, schemas)
    for status, kinds in _problems(route).items():
        bad = _bad(kinds, schemas)
        if status in responses:  # the same status with the route's own body or with a problem's
            responses[status]["content"] = responses[status].get("content", {}) | bad["content"]
            responses[status]["description"] += f"\n\n{bad['description']}"
        else:
            responses[status] = bad
    return {str(status): responses[status] for status in sorted(responses)}


def _success_in_words(route: Route) -> str:
    words = (route.response.__doc__ or "") if route.response else ""
    return " ".join(words.split()) or "Done."


def _good(route: Route, status: int, words: str, schemas: Schemas) -> Json:
    answer: Json = {"description": words}
    if route.headers:
        answer["headers"] = _headers(route.headers.items())
    if status in _WITHOUT_BODY:
        return answer
    if route.response:
        answer["content"] = {"application/json": {"schema": schemas.of(route.response, "serialization")}}
    elif route.content_type:
        answer["content"] = {one: {} for one in route.content_type.split(", ")}
    return answer


def _bad(kinds: Iterable[type[SidecarError]], schemas: Schemas) -> Json:
    by_code = {kind.code: kind for kind in sorted(kinds, key=lambda kind: kind.code)}
    answer: Json = {
        "description": "\n\n".join(f"`{code}`: {meaning(kind)}" for code, kind in by_code.items()),
        "content": {CONTENT_TYPE: {"schema": schemas.of(Problem, "serialization")}},
    }
    named = [
        pair for kind in by_code.values() if issubclass(kind, HttpError) for pair in kind.documented_headers.items()
    ]
    return answer | {"headers": _headers(named)} if named else answer


def _problems(route: Route) -> dict[int, set[type[SidecarError]]]:
    """Every error that the route can end in, by status."""
    declared = (kind for error in route.errors for kind in with_kinds(error))
    found: dict[int, set[type[SidecarError]]] = {}
    for kind in (
        InvalidRequest,
        Unexpected,
        *_OF_ACCESS[route.access],
        *(_OF_BODIES if route.body else ()),
        *declared,
    ):
        found.setdefault(status_of(kind), set()).add(kind)
    return found


def _headers(named: Iterable[tuple[str, str]]) -> Json:
    return {name: {"description": words, "schema": {"type": "string"}} for name, words in named}
