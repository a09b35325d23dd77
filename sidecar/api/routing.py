"""What a route is: method, path, models and everything it can answer, said once beside its handler."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Required, TypedDict, TypeVar, Unpack

from aiohttp import web
from pydantic import BaseModel

from sidecar.errors import SidecarError

_PARAMETER = re.compile(r"{(\w+)}")


class Access(StrEnum):
    """Who may call a route."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers. `body` is a model or anything JSON-able, None for no body at all."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[..., Awaitable[Reply | web.StreamResponse]]
Model = type[BaseModel]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One operation. The handler is called with the request and, by name, with what of `path`, `query`, `body` is declared."""

    method: str
    template: str  # the path, with its parameters as {name}
    handler: Handler
    access: Access
    tag: str
    path: Model | None = None
    query: Model | None = None
    body: Model | None = None  # may be left out of the request where none of its fields is required
    response: Model | None = None
    content_type: str | None = None  # of an answer that has no model; of several kinds, with ", " between them
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict)  # statuses with the same kind of body, and what they mean
    headers: Mapping[str, str] = field(default_factory=dict)  # of answers that are no problem, and what they mean
    request_headers: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[type[SidecarError]] = ()  # or any kinds of these

    def __post_init__(self) -> None:
        named = set(_PARAMETER.findall(self.template))
        declared = set(self.path.model_fields) if self.path else set()
        if named != declared:
            raise ValueError(f"{self.template}: its parameters are {sorted(named)} but {sorted(declared)} are declared")
        for model in (self.query, self.body):
            if model is not None and model.model_config.get("extra") != "forbid":
                raise ValueError(f"{model.__name__} lets unknown names pass: it needs extra='forbid'")

    @property
    def name(self) -> str:
        return str(getattr(self.handler, "__name__", self.handler))

    @property
    def body_is_optional(self) -> bool:
        return self.body is not None and not any(one.is_required() for one in self.body.model_fields.values())


class Options(TypedDict, total=False):
    """The keywords of a route, see Route."""

    access: Required[Access]
    path: Model
    query: Model
    body: Model
    response: Model
    content_type: str
    status: int
    also: Mapping[int, str]
    headers: Mapping[str, str]
    request_headers: Mapping[str, str]
    errors: Sequence[type[SidecarError]]


_H = TypeVar("_H", bound=Handler)


class RouteTable(list[Route]):
    """The routes of one resource, filled by decorating handlers: `@routes.get("/path/{id}", access=Access.READ, path=Id)`."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag = tag

    def get(self, template: str, /, **options: Unpack[Options]) -> Callable[[_H], _H]:
        """Also answers HEAD."""
        return self._adding("GET", template, options)

    def post(self, template: str, /, **options: Unpack[Options]) -> Callable[[_H], _H]:
        return self._adding("POST", template, options)

    def put(self, template: str, /, **options: Unpack[Options]) -> Callable[[_H], _H]:
        return self._adding("PUT", template, options)

    def delete(self, template: str, /, **options: Unpack[Options]) -> Callable[[_H], _H]:
        return self._adding("DELETE", template, options)

    def _adding(self, method: str, template: str, options: Options) -> Callable[[_H], _H]:
        def add(handler: _H) -> _H:
            self.append(Route(method=method, template=template, handler=handler, tag=self.tag, **options))
            return handler

        return add
