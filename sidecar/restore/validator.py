"""Ask the server how many documents of a backup violate the validator of their collection, without writing any."""

from typing import Any

from bson.raw_bson import RawBSONDocument

from sidecar.archive.bson import split
from sidecar.archive.definition import DOCUMENT, EMPTY, fields, operators, text
from sidecar.errors import SourceError
from sidecar.model import Collection, documents_in_words
from sidecar.mongodb.database import Database
from sidecar.mongodb.replies import understood

TRIED_BYTES = 8 << 20  # the size of the documents of one command

_CODE = frozenset({"$where", "$function", "$accumulator", "$expr"})  # a hostile file could make the server run its code


class Validator:
    """Tries the documents of a collection against its validator by `$match`. A validator that contains code is not tried."""

    def __init__(self, database: Database, target_db: str, item: Collection) -> None:
        self._database = database
        self._target_db = target_db
        self._refused = 0
        options = fields(item.options)
        found = options.get("validator")
        is_tried = found is not None and found.kind == DOCUMENT and text(options.get("validationLevel")) != "off"
        stored = found.value if found is not None and is_tried else EMPTY
        code = sorted(operators(stored) & _CODE)
        self._untried = f"validator with server-side code ({', '.join(code)}): not tried" if code else None
        self._validator = None if code or stored == EMPTY else RawBSONDocument(stored)

    async def attempt(self, documents: bytes) -> None:
        """Try these concatenated BSON documents. If the server cannot, `findings` says so."""
        if self._validator is None or self._untried or not documents:
            return
        message: list[RawBSONDocument] = []
        size = 0
        for document in split(documents):
            if message and size + len(document) > TRIED_BYTES:
                await self._ask(message)
                message, size = [], 0
            message.append(RawBSONDocument(document))
            size += len(document)
        await self._ask(message)

    async def _ask(self, message: list[RawBSONDocument]) -> None:
        pipeline: list[dict[str, Any]] = [
            {"$documents": {"$literal": message}},
            {"$match": {"$nor": [self._validator]}},
            {"$count": "refused"},
        ]
        try:
            reply = await self._database.command(
                {"aggregate": 1, "pipeline": pipeline, "cursor": {}}, database=self._target_db
            )
        except SourceError as error:
            self._untried = f"its validator could not be tried ({error})"
            return
        with understood("trying the validator"):
            self._refused += sum(int(row["refused"]) for row in reply.documents("cursor.firstBatch"))

    def findings(self) -> list[str]:
        """The warnings in words; an empty list if there are none."""
        if self._untried:
            return [self._untried]
        if self._refused:
            return [f"the validator rejects {documents_in_words(self._refused)}: a restore inserts them all the same"]
        return []
