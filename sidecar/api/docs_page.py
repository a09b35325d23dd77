"""The OpenAPI document as a page for people: made here, and everything in it escaped. A script of ours adds forms to try it."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from sidecar.api.problems import catalogue, meaning, status_of

STYLESHEET = "/docs.css"
SCRIPT = "/docs.js"
_POLICY = ("default-src 'none'", "style-src 'self'", "script-src 'self'", "connect-src 'self'", "img-src data:")
CONTENT_SECURITY_POLICY = "; ".join((*_POLICY, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))

Json = dict[str, Any]

_CALLERS = {"read": "read token or session", "write": "admin token or session"}


def render(document: Json) -> str:
    """The whole page, one section per tag and one for the codes of problems."""
    info = document["info"]
    tags = [tag["name"] for tag in document["tags"]]
    links = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in [*tags, "Problems"])
    sections = "".join(_section(tag, document) for tag in tags)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])}: API</title>
<link rel="stylesheet" href="{STYLESHEET[1:]}">
<link rel="icon" href="data:,">
<script type="module" src="{SCRIPT[1:]}"></script>
</head>
<body>
<header>
<h1>{escape(info["title"])} <small>{escape(info["version"])}</small></h1>
<p>{_prose(info.get("description", ""))} <a href="openapi.json">OpenAPI document</a></p>
<nav>{links}</nav>
</header>
<main>
{sections}{_problems()}
</main>
</body>
</html>
"""


def _section(tag: str, document: Json) -> str:
    articles = "".join(
        _article(method, path, operation, document)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if tag in operation["tags"]
    )
    return f'<section id="{_anchor(tag)}"><h2>{escape(tag)}</h2>{articles}</section>\n'


def _article(method: str, path: str, operation: Json, document: Json) -> str:
    parameters = operation.get("parameters", ())
    body = _body_schema(operation, document)
    security = operation["security"]
    caller = _CALLERS[next(iter(security[0].values()))[0]] if security else "anybody"
    return f"""
<article id="{escape(operation["operationId"])}">
<h3><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code></h3>
<p><strong>{_prose(operation["summary"])}.</strong> {_prose(operation.get("description", ""))}</p>
<p class="caller">Who: {caller}</p>
{_fields("Parameters", ((one["name"], one["in"], one["required"], one, one["schema"]) for one in parameters))}
{_fields("Body", _properties(body))}
{_responses(operation["responses"])}
<pre><code>{escape(_curl(method, path, operation, body))}</code></pre>
</article>"""


def _properties(schema: Json) -> Iterator[tuple[str, str, bool, Json, Json]]:
    for name, value in schema.get("properties", {}).items():
        yield name, "body", name in schema.get("required", ()), value, value


def _fields(title: str, fields: Iterable[tuple[str, str, bool, Json, Json]]) -> str:
    rows = "".join(
        f"<tr><th><code>{escape(name)}</code> <small>{escape(where)}{', required' if is_required else ''}</small></th>"
        f"<td><code>{escape(_kind(schema))}</code> {_prose(said.get('description', ''))}</td></tr>"
        for name, where, is_required, said, schema in fields
    )
    return f"<h4>{title}</h4><table>{rows}</table>" if rows else ""


def _responses(responses: Json) -> str:
    rows = "".join(
        f"<tr><th>{escape(status)}</th><td>{_prose(answer['description'])}{_header_names(answer)}</td></tr>"
        for status, answer in responses.items()
    )
    return f"<details><summary>Answers</summary><table>{rows}</table></details>"


def _header_names(answer: Json) -> str:
    return "".join(
        f"<br><small>Header <code>{escape(name)}</code>: {_prose(header['description'])}</small>"
        for name, header in answer.get("headers", {}).items()
    )


def _problems() -> str:
    entries = "".join(
        f'<dt id="{code}"><code>{code}</code> <small>{status_of(kind)}</small></dt>'
        f"<dd>{_prose(meaning(kind))}{f'<br>{_prose(kind.cure)}' if kind.cure else ''}</dd>"
        for code, kind in catalogue().items()
    )
    return f'<section id="{_anchor("Problems")}"><h2>Problems</h2><dl>{entries}</dl></section>'


# -- words -------------------------------------------------------------------------------------------------------------


def _prose(text: str) -> str:
    """Text with `code` in backticks; the code of a problem links to where it is explained."""
    codes = catalogue()

    def marked(found: re.Match[str]) -> str:
        code = f"<code>{found[1]}</code>"
        return f'<a href="#{found[1]}">{code}</a>' if found[1] in codes else code

    return re.sub(r"`([^`]+)`", marked, escape(text)).replace("\n\n", "<br>")


def _kind(schema: Json) -> str:
    """A schema in a few words: `integer, 1 to 100, default 50`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    words = [
        " | ".join(map(str, schema["enum"]))
        if "enum" in schema
        else str(schema.get("format") or schema.get("type", "any"))
    ]
    bounds = {
        "minimum": "at least",
        "maximum": "at most",
        "minLength": "length from",
        "maxLength": "length to",
        "pattern": "like",
    }
    words += [f"{said} {schema[key]}" for key, said in bounds.items() if key in schema]
    if schema.get("default") is not None:
        words.append(f"default {json.dumps(schema['default'])}")
    return ", ".join(words)


def _anchor(tag: str) -> str:
    """Tags and the codes of problems share a page: no code begins like this."""
    return "tag-" + re.sub(r"[^a-z0-9]+", "-", tag.lower())


# -- examples ----------------------------------------------------------------------------------------------------------


def _curl(method: str, path: str, operation: Json, body: Json) -> str:
    parameters = operation.get("parameters", ())
    for one in parameters:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", str(_example(one["name"], one["schema"])))
    query = "&".join(
        f"{p['name']}={_example(p['name'], p['schema'])}" for p in parameters if p["in"] == "query" and p["required"]
    )
    parts = ["curl" if method == "get" else f"curl -X {method.upper()}"]
    parts.append(f'"$SIDECAR{path}{"?" if query else ""}{query}"')
    if operation["security"]:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        needed = {name: _example(name, value) for name, _, required, value, _ in _properties(body) if required}
        parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(needed))}"]
    return " \\\n  ".join(parts)


def _example(name: str, schema: Json) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    return {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": True, "array": []}.get(
        schema.get("type", ""), name.upper()
    )


def _body_schema(operation: Json, document: Json) -> Json:
    if "requestBody" not in operation:
        return {}
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(document["components"]["schemas"][name]) if name else dict(schema)
