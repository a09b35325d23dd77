"""The models of all routes as JSON Schemas (2020-12) that share their definitions."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from sidecar.api.problems import Problem
from sidecar.api.routing import Model, Route

Json = dict[str, Any]

COMPONENTS = "#/components/schemas/"


class _WithoutTitles(GenerateJsonSchema):
    """A field's name in capitals says nothing new."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


class Schemas:
    """Asked for each model, and in the end for the definitions that are in use."""

    def __init__(self, routes: Iterable[Route]) -> None:
        models: set[tuple[Model, JsonSchemaMode]] = {(Problem, "serialization")}
        models.update(pair for route in routes for pair in _models(route))
        inputs = sorted(models, key=lambda pair: (pair[0].__module__, pair[0].__qualname__, pair[1]))
        self._schemas, defined = TypeAdapter.json_schemas(
            [(model, mode, TypeAdapter(model)) for model, mode in inputs],
            ref_template=f"{COMPONENTS}{{model}}",
            schema_generator=_WithoutTitles,
        )
        self._definitions: Json = defined.get("$defs", {})

    def of(self, model: Model, mode: JsonSchemaMode) -> Json:
        return dict(self._schemas[model, mode])

    def resolved(self, model: Model) -> Json:
        """The schema itself of a model that describes parameters."""
        schema = self.of(model, "validation")
        return dict(self._definitions[_name_in(schema["$ref"])]) if "$ref" in schema else schema

    def used_by(self, part: Any) -> Json:
        """The definitions that `part` refers to, and those that these refer to."""
        used: set[str] = set()
        waiting = list(_references(part))
        while waiting:
            name = waiting.pop()
            if name not in used:
                used.add(name)
                waiting.extend(_references(self._definitions[name]))
        return {name: self._definitions[name] for name in sorted(used)}


def _models(route: Route) -> Iterator[tuple[Model, JsonSchemaMode]]:
    for model in (route.path, route.query, route.body):
        if model:
            yield model, "validation"
    if route.response:
        yield route.response, "serialization"


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            yield _name_in(reference)
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _name_in(reference: str) -> str:
    return reference.removeprefix(COMPONENTS)
