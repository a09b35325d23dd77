"""Signatures of metadata and of the ledger: Ed25519, 64 raw bytes, as openssl makes and checks them.

The library that makes them is imported with the keys, which most have none of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

SIGNATURE_BYTES: Final = 64


class PublicKey(Protocol):
    """Raises InvalidSignature of `cryptography` for what does not fit."""

    def verify(self, signature: bytes, data: bytes, /) -> None: ...


class PrivateKey(Protocol):
    """What signs."""

    def sign(self, data: bytes, /) -> bytes: ...

    def public_key(self) -> PublicKey: ...


@dataclass(frozen=True, slots=True)
class Signing:
    """What is signed with here, whose signatures count, and whether there has to be one."""

    key: PrivateKey | None = None
    trusted: Sequence[PublicKey] = ()
    is_required: bool = False

    @property
    def is_on(self) -> bool:
        """Whether signatures mean anything here."""
        return bool(self._keys)

    @property
    def _keys(self) -> list[PublicKey]:
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


def _fits(key: PublicKey, content: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - it is there where a key is

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
