"""The fingerprint of a collection: Σ SHA-256(BSON of each document) mod 2²⁵⁶.

The same for the same documents in any order, and it counts duplicates; an accidental match has a chance of about 2⁻²⁵⁶.
It is not collision-resistant against someone who may choose many documents: tamper evidence is the file's own SHA-256.
"""

import hashlib
from collections.abc import Iterable

MODULUS = 1 << 256


def fingerprint(documents: Iterable[bytes]) -> int:
    """The sum for these documents; sums of parts are added modulo `MODULUS`."""
    sha256 = hashlib.sha256
    return sum(int.from_bytes(sha256(document).digest()) for document in documents) % MODULUS


def fingerprint_hex(value: int) -> str:
    """64 hexadecimal digits, as metadata shows it."""
    return f"{value:064x}"
