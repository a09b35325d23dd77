"""The fingerprint of a collection."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive.fingerprint import MODULUS, fingerprint, fingerprint_hex

documents = st.lists(st.binary(max_size=30), max_size=8)


def test_of_nothing_is_zero() -> None:
    assert fingerprint_hex(fingerprint([])) == "0" * 64


def test_of_one_document_is_its_sha_256() -> None:
    assert fingerprint_hex(fingerprint([b"abc"])) == hashlib.sha256(b"abc").hexdigest()


def test_counts_duplicates() -> None:
    assert len({fingerprint([b"abc"] * times) for times in range(5)}) == 5


@given(documents.flatmap(lambda given_ones: st.tuples(st.just(given_ones), st.permutations(given_ones))))
def test_does_not_depend_on_the_order(orders: tuple[list[bytes], list[bytes]]) -> None:
    assert fingerprint(orders[0]) == fingerprint(orders[1])


@given(st.binary(min_size=1, max_size=60), st.data())
def test_differs_when_any_bit_differs(document: bytes, data: st.DataObject) -> None:
    bit = 1 << data.draw(st.integers(0, 8 * len(document) - 1))
    changed = (int.from_bytes(document) ^ bit).to_bytes(len(document))

    assert fingerprint([b"other", changed]) != fingerprint([b"other", document])


@given(documents, documents)
def test_of_two_parts_add_up_to_that_of_the_whole(one: list[bytes], other: list[bytes]) -> None:
    assert fingerprint(one + other) == (fingerprint(one) + fingerprint(other)) % MODULUS


@given(documents)
def test_is_always_written_with_64_digits(some: list[bytes]) -> None:
    assert len(fingerprint_hex(fingerprint(some))) == 64
