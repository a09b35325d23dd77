"""Ed25519 signatures of metadata and of the ledger: 64 raw bytes, as openssl makes and checks them.

The `cryptography` library is imported only together with keys, which most installations do not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

SIGNATURE_BYTES: Final = 64


class PublicKey(Protocol):
    """A public key. Its `verify` raises InvalidSignature of `cryptography`."""

    def verify(self, signature: bytes, data: bytes, /) -> None: ...


class PrivateKey(Protocol):
    """A private key, which signs."""

    def sign(self, data: bytes, /) -> bytes: ...

    def public_key(self) -> PublicKey: ...


@dataclass(frozen=True, slots=True)
class Signing:
    """The key that signs here, the public keys whose signatures are accepted, and whether a signature is required."""

    key: PrivateKey | None = None
    trusted: Sequence[PublicKey] = ()
    is_required: bool = False

    @property
    def is_on(self) -> bool:
        """Whether there is any key, so that signatures can be checked."""
        return bool(self._keys)

    @property
    def _keys(self) -> list[PublicKey]:
        return [*([self.key.public_key()] if self.key else []), *self.trusted]

    def sign(self, content: bytes) -> bytes | None:
        """The signature of the content; None if there is no private key."""
        return self.key.sign(content) if self.key else None

    def is_signed(self, content: bytes, signature: bytes) -> bool:
        """Whether one of the accepted keys made this signature."""
        return any(_fits(key, content, signature) for key in self._keys)

    def objection(self, content: bytes, signature: bytes | None) -> str | None:
        """What is wrong with the signature of metadata, in words; None if nothing is. `signature` is None if there is none."""
        if not self.is_on:
            return None
        if signature is None:
            return "metadata: not signed, and a signature is required" if self.is_required else None
        if not self.is_signed(content, signature):
            return "metadata: its signature is not valid: it was changed, or signed with a key that is not trusted here"
        return None


UNSIGNED: Final = Signing()


def _fits(key: PublicKey, content: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loaded only if there is a key

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
