"""Signatures of metadata and of the ledger: Ed25519, 64 raw bytes, as openssl makes and checks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

SIGNATURE_BYTES: Final = 64
_END: Final = b"-----END PUBLIC KEY-----"


class SigningKeyError(ValueError):
    """What is no key of Ed25519; says what was expected and never repeats the key."""


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """As `openssl genpkey -algorithm ed25519` writes it. Raises SigningKeyError."""
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
    """One or several, as `openssl pkey -pubout` writes them. Raises SigningKeyError."""
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
    """From 64 hexadecimal digits."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(raw))


@dataclass(frozen=True, slots=True)
class Signing:
    """What is signed with here, whose signatures count, and whether there has to be one."""

    key: Ed25519PrivateKey | None = None
    trusted: Sequence[Ed25519PublicKey] = ()
    is_required: bool = False

    @property
    def is_on(self) -> bool:
        """Whether signatures mean anything here."""
        return bool(self._keys)

    @property
    def _keys(self) -> list[Ed25519PublicKey]:
        return [*([self.key.public_key()] if self.key else []), *self.trusted]

    def sign(self, content: bytes) -> bytes | None:
        """None where there is no key to sign with."""
        return self.key.sign(content) if self.key else None

    def is_signed(self, content: bytes, signature: bytes) -> bool:
        """Whether one of the keys that count made this signature."""
        return any(_fits(key, content, signature) for key in self._keys)

    def objection(self, content: bytes, signature: bytes | None) -> str | None:
        """What is wrong with metadata that has this signature, or none; None where nothing is."""
        if not self.is_on:
            return None
        if signature is None:
            return "metadata: not signed, and a signature is required" if self.is_required else None
        if not self.is_signed(content, signature):
            return "metadata: its signature does not fit: it was changed, or signed with a key that does not count here"
        return None


UNSIGNED: Final = Signing()


def _fits(key: Ed25519PublicKey, content: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
