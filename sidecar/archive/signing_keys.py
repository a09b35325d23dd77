"""Ed25519 keys in the format that openssl writes."""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

_END: Final = b"-----END PUBLIC KEY-----"


class SigningKeyError(ValueError):
    """The bytes are not an Ed25519 key. The message says what was expected and never repeats the key."""


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """Parse a private key as `openssl genpkey -algorithm ed25519` writes it. Raises SigningKeyError."""
    expected = (
        "expected a private key of Ed25519 in PEM without a passphrase, as openssl genpkey -algorithm ed25519 makes it"
    )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningKeyError(expected) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(expected)
    return key


def public_keys(pem: bytes) -> tuple[Ed25519PublicKey, ...]:
    """Parse one or several public keys as `openssl pkey -pubout` writes them. Raises SigningKeyError."""
    expected = "expected public keys of Ed25519 in PEM, as openssl pkey -pubout makes them"
    parts = [part + _END for part in pem.split(_END)[:-1]]
    try:
        keys = [load_pem_public_key(part) for part in parts]
    except (ValueError, UnsupportedAlgorithm):
        raise SigningKeyError(expected) from None
    found = tuple(key for key in keys if isinstance(key, Ed25519PublicKey))
    if not found or len(found) != len(parts):
        raise SigningKeyError(expected)
    return found


def public_key(raw: str) -> Ed25519PublicKey:
    """Parse a public key of 64 hexadecimal digits. Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(raw))
