"""The Python codec writes nothing that it does not read back, even where the rule on escapes were wrong."""

import pytest

from sidecar.archive import checked_bsonjs
from sidecar.archive.checked_bsonjs import CheckedBsonjs
from support.hostile_documents import CARRIED, ESCAPED


def test_hostile_documents_come_back_without_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = ESCAPED | CARRIED
    monkeypatch.setattr(checked_bsonjs, "escape_reason", lambda _document: None)

    texts = {name: CheckedBsonjs().encode(raw).text for name, raw in hostile.items()}

    assert {name: CheckedBsonjs().decode(text).bson for name, text in texts.items()} == hostile
