"""The admin page: a few files in memory, compressed once, at addresses that change with their content and are kept for ever."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from aiohttp import web

from sidecar.api.application import prefixes

START = "index.html"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
TYPES = {  # by suffix; anything else in the folder is not served
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


ASK_AGAIN, KEEP = "no-cache", "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and compressed."""

    body: bytes
    content_type: str
    caching: str
    compressed: bytes = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compressed", gzip.compress(self.body, 9, mtime=0))
        object.__setattr__(self, "digest", hashlib.sha256(self.body).hexdigest()[:32])

    def answer(self, request: web.Request) -> web.Response:
        """The file, in the encoding that the browser takes; 304 where it has it already."""
        is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
        tag = f'"{self.digest}{"-gzip" if is_compressed else ""}"'
        headers = {"ETag": tag, "Cache-Control": self.caching, "Vary": "Accept-Encoding"}
        if self.content_type == TYPES[".html"]:
            headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        body = self.compressed if is_compressed else self.body
        return web.Response(body=body, headers=headers, content_type=self.content_type, charset="utf-8")


def add_to(app: web.Application, base_path: str = "") -> None:
    """Serve the page at `/` and what it is made of below `/web/VERSION/`, and all that below `base_path` as well.

    The page names everything relative to itself, so that it works below any path that a proxy gives it.
    """
    bodies = dict(_bodies(files("sidecar") / "web"))
    version = hashlib.sha256(repr(sorted(bodies.items())).encode()).hexdigest()[:16]
    page = Asset(bodies.pop(START).replace(b'"web/', f'"web/{version}/'.encode()), TYPES[".html"], ASK_AGAIN)
    parts = {name: Asset(body, TYPES[PurePosixPath(name).suffix], KEEP) for name, body in bodies.items()}

    async def start(request: web.Request) -> web.Response:
        return page.answer(request)

    async def part(request: web.Request) -> web.Response:
        found = parts.get(request.match_info["file"])
        if found is None or request.match_info["version"] != version:
            raise web.HTTPNotFound
        return found.answer(request)

    async def lead_there(_: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": f"{base_path}/"})

    for prefix in prefixes(base_path):
        app.router.add_get(f"{prefix}/", start)
        app.router.add_get(f"{prefix}/web/{{version}}/{{file:.+}}", part)
    if base_path:
        app.router.add_get(base_path, lead_there)


def _bodies(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    for one in folder.iterdir():
        name = f"{below}{one.name}"
        if one.is_dir():
            yield from _bodies(one, f"{name}/")
        elif PurePosixPath(name).suffix in TYPES:
            yield name, one.read_bytes()
