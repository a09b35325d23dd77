"""The runbooks of the alerts, for an operator who was just woken: no token, no scripts, nothing from elsewhere."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from aiohttp import web

from sidecar.api.parameters import RunbookPath
from sidecar.api.problems import UnknownPath
from sidecar.api.routing import Access, RouteTable

BESIDE = ("restore-in-an-emergency", "problems")  # pages that runbooks lead to

_LINK = re.compile(r"\]\((?:\.\./)?([\w-]+)\.md(#[\w-]+)?\)")

routes = RouteTable(tag="Process")


@routes.get("/runbooks", access=Access.OPEN, content_type="text/plain")
async def runbooks(request: web.Request) -> web.StreamResponse:
    """Show the names of all runbooks, which follow this address and a slash."""
    del request
    return web.Response(text="".join(f"{name}\n" for name in _pages()), content_type="text/plain", charset="utf-8")


@routes.get("/runbooks/{alert}", access=Access.OPEN, path=RunbookPath, content_type="text/plain", errors=(UnknownPath,))
async def runbook(request: web.Request, path: RunbookPath) -> web.StreamResponse:
    """Show what to do when an alert fires, as text that can be printed."""
    del request
    text = _pages().get(path.alert)
    if text is None:
        raise UnknownPath(f"no runbook has this name; one of them is {next(iter(_pages()))}")
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


@cache
def _pages() -> Mapping[str, str]:
    """Every page by its name, read once."""
    found = {page.name.removesuffix(".md"): page.read_text(encoding="utf-8") for page in _sources()}
    return {name: _leading_to(found, text) for name, text in sorted(found.items())}


def _sources() -> list[Traversable]:
    """In a wheel they lie in the package; in a checkout they are the documents themselves."""
    packaged = files("sidecar") / "runbooks"
    if packaged.is_dir():
        return [page for page in packaged.iterdir() if page.name.endswith(".md")]
    documents = Path(__file__).parents[2] / "docs"
    return [*(documents / "runbooks").glob("*.md"), *(documents / f"{name}.md" for name in BESIDE)]


def _leading_to(served: Mapping[str, str], text: str) -> str:
    """With links to what is served here, and the names of files for the rest."""
    return _LINK.sub(lambda found: f"]({found[1]})" if found[1] in served else f"](docs/{found[1]}.md)", text)
