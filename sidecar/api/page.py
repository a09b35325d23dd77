"""The admin page: a few files in memory, compressed once, which browsers keep and ask for again by their digest."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from aiohttp import web

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


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and compressed."""

    body: bytes
    content_type: str
    compressed: bytes = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compressed", gzip.compress(self.body, 9, mtime=0))
        object.__setattr__(self, "digest", hashlib.sha256(self.body).hexdigest()[:32])

    def answer(self, request: web.Request) -> web.Response:
        """The file, in the encoding that the browser takes; 304 where it has it already."""
        is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
        tag = f'"{self.digest}{"-gzip" if is_compressed else ""}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.content_type == TYPES[".html"]:
            headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        body = self.compressed if is_compressed else self.body
        return web.Response(body=body, headers=headers, content_type=self.content_type, charset="utf-8")


def add_to(app: web.Application) -> None:
    """Serve the page at `/` and what it is made of below `/web/`."""
    assets = dict(_assets(files("sidecar") / "web"))

    async def start(request: web.Request) -> web.Response:
        return assets[START].answer(request)

    async def part(request: web.Request) -> web.Response:
        asset = assets.get(request.match_info["file"])
        if asset is None:
            raise web.HTTPNotFound
        return asset.answer(request)

    app.router.add_get("/", start)
    app.router.add_get("/web/{file:.+}", part)


def _assets(folder: Traversable, below: str = "") -> Iterator[tuple[str, Asset]]:
    for one in folder.iterdir():
        name = f"{below}{one.name}"
        if one.is_dir():
            yield from _assets(one, f"{name}/")
        elif content_type := TYPES.get(PurePosixPath(name).suffix):
            yield name, Asset(one.read_bytes(), content_type)
