"""The fingerprint of a collection: Σ SHA-256(BSON of each document) mod 2²⁵⁶.

It does not depend on the order of the documents, and duplicates count. Two different collections match by accident with a
chance of about 2⁻²⁵⁶. Somebody who may choose many documents can construct a match: the SHA-256 of the file shows tampering.
"""

import hashlib
from collections.abc import Iterable

MODULUS = 1 << 256


def fingerprint(documents: Iterable[bytes]) -> int:
    """Return the fingerprint of these documents. Fingerprints of parts are added modulo `MODULUS`."""
    sha256 = hashlib.sha256
    return sum(int.from_bytes(sha256(document).digest()) for document in documents) % MODULUS


def fingerprint_hex(value: int) -> str:
    """The fingerprint as 64 hexadecimal digits, as the metadata holds it."""
    return f"{value:064x}"
