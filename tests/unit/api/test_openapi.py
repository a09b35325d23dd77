"""The OpenAPI document and its page: true of what the routes do, and safe to show."""

import asyncio
import os
import random
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sidecar.api import docs_page
from sidecar.api.application import application
from sidecar.api.openapi import document
from sidecar.api.problems import catalogue
from sidecar.api.routing import Access, Reply, Route, RouteTable
from sidecar.errors import Busy
from support.toy_api import BASE, Drawer, about, authorise, routes

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application([*routes, *about], authorise))) as client:
        yield client


@pytest.fixture
def described() -> dict[str, Any]:
    return document([*routes, *about])


# -- the document ------------------------------------------------------------------------------------------------------


async def test_generated_requests_find_nothing_that_is_not_documented(client: Client, tmp_path: Path) -> None:
    """Undocumented statuses, bodies and headers; valid requests refused, invalid ones taken; ways around the token."""
    repeatable = ["--generation-deterministic"] if "CI" in os.environ else ["--generation-database", "none"]
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        *("run", str(client.make_url("/openapi.json")), "--header", "Authorization: Bearer admin-token"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "10", *repeatable),
        *("--suppress-health-check", "all", "--no-color"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    assert "7 selected" in told.decode()


def test_an_operation_says_everything_that_it_takes_and_answers(described: dict[str, Any]) -> None:
    operation = described["paths"][f"{BASE}/list"]["get"]
    responses = operation.pop("responses")
    assert operation == {
        "operationId": "list_drawers",
        "tags": ["Drawers"],
        "summary": "List drawers",
        "description": "The lowest comes first.",
        "parameters": [
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "description": "How many at most.",
                "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            },
            {"name": "colour", "in": "query", "required": False, "schema": {"enum": ["red", "blue"], "type": "string"}},
            {"name": "open", "in": "query", "required": False, "schema": {"type": "boolean", "default": False}},
        ],
        "security": [{"bearer": ["read"]}, {"session": ["read"]}],
    }
    assert list(responses) == ["200", "401", "422", "429", "500"]
    assert responses["200"] == {
        "description": "What there is.",
        "headers": {"X-Total-Count": {"description": "How many there are.", "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Drawers"}}},
    }
    assert responses["401"]["headers"] == {
        "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}
    }


def test_every_status_that_can_occur_is_there(described: dict[str, Any]) -> None:
    statuses = {
        operation["operationId"]: " ".join(operation["responses"])
        for operations in described["paths"].values()
        for operation in operations.values()
    }
    assert statuses == {
        "add_drawer": "201 400 401 403 408 409 413 415 422 429 500 507",  # 507: a full storage is a kind of StorageError
        "drawer_label": "200 401 404 422 429 500",
        "healthz": "200 422 500",
        "list_drawers": "200 401 422 429 500",
        "lock_drawer": "200 400 401 403 404 408 413 415 422 429 500",
        "one_drawer": "200 401 404 422 429 500",
        "remove_drawer": "204 401 403 404 422 429 500",
    }


def test_what_is_open_needs_no_security_and_a_body_may_be_optional(described: dict[str, Any]) -> None:
    assert described["paths"]["/healthz"]["get"]["security"] == []
    assert described["paths"][BASE]["post"]["requestBody"]["required"] is True
    assert described["paths"][f"{BASE}/{{name}}/lock"]["put"]["requestBody"]["required"] is False


def test_a_status_may_have_the_routes_body_or_a_problem() -> None:
    table = RouteTable(tag="A")

    @table.post("/a", access=Access.OPEN, response=Drawer, also={409: "The drawer that is in use."}, errors=(Busy,))
    async def either(_: web.Request) -> Reply:
        return Reply(None)

    answer = document(table)["paths"]["/a"]["post"]["responses"]["409"]
    assert set(answer["content"]) == {"application/json", "application/problem+json"}
    one = {"$ref": "#/components/schemas/Problem"}  # else a generated client has a class for each answer of each route
    assert answer["content"]["application/problem+json"]["schema"] == one
    assert answer["description"].split("\n\n") == [
        "The drawer that is in use.",
        "`busy`: Another run is at work on the same set or backup.",
    ]


def test_statuses_that_never_have_a_body_document_none() -> None:
    table = RouteTable(tag="A")

    @table.get("/a", access=Access.OPEN, content_type="application/json", also={206: "A part.", 304: "The same."})
    async def download(_: web.Request) -> Reply:
        return Reply(None)

    responses = document(table)["paths"]["/a"]["get"]["responses"]
    assert {status: list(responses[status].get("content", {})) for status in ("200", "206", "304")} == {
        "200": ["application/json"],
        "206": ["application/json"],
        "304": [],
    }


def test_the_order_of_the_routes_does_not_matter(described: dict[str, Any]) -> None:
    mixed: list[Route] = [*routes, *about]
    random.Random(7).shuffle(mixed)
    again = document(mixed)
    assert str(again) == str(described)


def test_no_component_is_unused(described: dict[str, Any]) -> None:
    used = set(re.findall(r"#/components/schemas/(\w+)", str(described)))
    assert (
        set(described["components"]["schemas"])
        == used
        == {"Complaint", "Drawer", "Drawers", "NewDrawer", "Problem", "Until"}
    )
    assert set(described["components"]["securitySchemes"]) == {"bearer", "session"}
    assert "securitySchemes" not in document(about)["components"]


def test_two_handlers_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="/healthz: /healthz has a handler with the name healthz too"):
        document([*about, *about])


# -- the page ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of it: tags in balance, ids, links and what would be loaded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.ids += [named["id"]] if "id" in named else []
        self.links |= {named["href"]} if tag == "a" else set()
        self.loaded |= {named["href"]} if tag == "link" else set()
        self.loaded |= {named["src"]} if tag == "script" else set()
        assert not {"style", "onclick"} & set(named)
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_sound_and_its_links_lead_somewhere(described: dict[str, Any]) -> None:
    page = Page(docs_page.render(described))
    assert page.open == []
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert {link for link in page.links if link.startswith("#")} <= {f"#{name}" for name in page.ids}
    assert set(catalogue()) <= set(page.ids)
    assert page.loaded == {"docs.css", "docs.js", "data:,"}
    assert not page.tags & {"style", "img", "iframe"}


def test_the_page_shows_each_route_with_a_command_to_try(described: dict[str, Any]) -> None:
    html = docs_page.render(described)
    assert [
        operation for operation in ("add_drawer", "list_drawers", "healthz") if f'id="{operation}"' not in html
    ] == []
    assert "curl -X PUT \\\n  &quot;$SIDECAR/api/admin/drawers/socks/lock&quot;" in html
    assert "-d &#x27;{&quot;name&quot;: &quot;NAME&quot;}&#x27;" in html


def test_nothing_in_the_document_becomes_markup() -> None:
    table = RouteTable(tag="<b>bold</b>")

    @table.get("/a", access=Access.OPEN, response=Drawer, headers={"<i>": "`<u>`"}, request_headers={"<s>": "<s>"})
    async def sly(_: web.Request) -> Reply:
        """Do <script>alert(1)</script>. Then <img src=x>."""
        return Reply(None)

    page = Page(docs_page.render(document(table)))
    assert page.loaded == {"docs.css", "docs.js", "data:,"}  # its own script and no other
    assert not page.tags & {"img", "i", "u", "s"}


async def test_the_document_its_page_and_its_style_are_served(client: Client) -> None:
    policy = docs_page.CONTENT_SECURITY_POLICY
    for path, content_type, csp in (
        ("/openapi.json", "application/json", "default-src 'none'; frame-ancestors 'none'"),
        ("/docs", "text/html", policy),
        ("/docs.css", "text/css", "default-src 'none'; frame-ancestors 'none'"),
        ("/docs.js", "text/javascript", "default-src 'none'; frame-ancestors 'none'"),
    ):
        async with client.get(path) as response:
            assert (response.status, response.content_type) == (200, content_type)
            assert response.headers["Content-Security-Policy"] == csp
