"""Keys of age (https://age-encryption.org/v1) and SSH: public ones to encrypt for, private ones to read with."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final, Protocol, cast

import pyrage


class Recipient(Protocol):
    """A public key."""


class Identity(Protocol):
    """A private key."""


class AgeIdentity(Identity, Protocol):
    """One of age's own, which knows its public key."""

    def to_public(self) -> Recipient: ...


NO_KEY_FITS: Final = "No matching keys found"  # the words of the library
_COMMENT = "#"
_NAME_LETTERS = 16


class KeyFormatError(ValueError):
    """A key that is neither age's nor SSH's; says what was expected and never repeats the key."""


def recipient(text: str) -> Recipient:
    """A public key: `age1…`, `ssh-ed25519 …` or `ssh-rsa …`. Raises KeyFormatError."""
    text = text.strip()
    try:
        if text.startswith("age1"):
            return cast("Recipient", pyrage.x25519.Recipient.from_str(text))
        if text.startswith("ssh-"):
            return cast("Recipient", pyrage.ssh.Recipient.from_str(text))
    except (pyrage.RecipientError, ValueError) as error:
        raise KeyFormatError(f"expected a valid public key: {error}") from None
    if text.upper().startswith("AGE-SECRET-KEY-"):
        raise KeyFormatError("expected a public key (age1…), not a private one")
    raise KeyFormatError("expected a public key of age (age1…) or SSH (ssh-ed25519 …, ssh-rsa …)")


def identities(content: bytes) -> list[Identity]:
    """The private keys of an identity file of age, or one unencrypted SSH private key. Raises KeyFormatError."""
    if content.lstrip().startswith(b"-----BEGIN"):
        try:
            return [pyrage.ssh.Identity.from_buffer(content)]
        except (pyrage.IdentityError, ValueError):
            raise KeyFormatError("expected an SSH private key that can be read without a passphrase") from None
    try:
        lines = [line.strip() for line in content.decode().splitlines()]
        found: list[Identity] = [
            pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith(_COMMENT)
        ]
    except (pyrage.IdentityError, ValueError):
        raise KeyFormatError("expected nothing but private keys of age (AGE-SECRET-KEY-1…) and comments") from None
    if not found:
        raise KeyFormatError("expected a private key of age (AGE-SECRET-KEY-1…) or SSH in it")
    return found


def new_identity() -> AgeIdentity:
    """A key pair that nobody has seen."""
    return cast("AgeIdentity", pyrage.x25519.Identity.generate())


def key_name(text: str) -> str:
    """A short name of a public key, by which people tell it from others: the beginning of age's, the hash of SSH's."""
    kind, _, rest = text.strip().partition(" ")
    if not kind.startswith("ssh-"):
        return kind[:_NAME_LETTERS]
    try:
        blob = base64.b64decode(rest.split()[0], validate=True)
    except (ValueError, IndexError):
        return kind
    return (
        "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode()[:_NAME_LETTERS]
    )  # as ssh-keygen -l begins


class Keyring:
    """The private keys that this process may read backups with, perhaps none."""

    def __init__(self, identities: Sequence[Identity] = ()) -> None:
        self._identities = list(identities)

    @property
    def identities(self) -> list[Identity]:
        return list(self._identities)

    def open(self, sealed: bytes) -> bytes | None:
        """What a small age file holds, None where no key fits. Raises ValueError for one that is damaged."""
        if not self._identities:
            return None
        try:
            return bytes(pyrage.decrypt(sealed, self._identities))
        except pyrage.DecryptError as error:
            if str(error) == NO_KEY_FITS:
                return None
            raise ValueError(f"not what was sealed: {error}") from None

    def opens(self, recipients: Sequence[str]) -> bool:
        """Whether what is encrypted for these can be read with one of the keys; also where nothing is encrypted."""
        return not recipients or self.open(seal(b"", recipients)) is not None


NO_KEYS: Final = Keyring()


def seal(content: bytes, recipients: Sequence[str]) -> bytes:
    """A small age file that these can open. Raises KeyFormatError."""
    return bytes(pyrage.encrypt(content, [recipient(one) for one in recipients]))
