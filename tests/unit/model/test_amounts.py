"""Amounts as people read them."""

import pytest

from sidecar.model import documents_in_words, size


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (100 * 2**20, "100.0 MiB"),
        (24_873_000, "23.7 MiB"),
        (2**40, "1.00 TiB"),
        (2**60, "1,048,576.0 TiB"),
    ],
)
def test_a_size_is_of_powers_of_1024_and_says_so(number: int, text: str) -> None:
    assert size(number) == text


def test_one_document_is_not_called_documents() -> None:
    assert [documents_in_words(count) for count in (0, 1, 2_000)] == ["0 documents", "1 document", "2,000 documents"]
