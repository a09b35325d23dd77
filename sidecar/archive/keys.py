"""Keys of age (https://age-encryption.org/v1) and SSH: public keys to encrypt for, private keys to decrypt with."""

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
    """A private key of age, which knows its public key."""

    def to_public(self) -> Recipient: ...


NO_KEY_FITS: Final = "No matching keys found"  # the message of pyrage
_COMMENT = "#"
_NAME_LETTERS = 16


class KeyFormatError(ValueError):
    """The text is not a key of age or SSH. The message says what was expected and never repeats the key."""


def recipient(text: str) -> Recipient:
    """Parse a public key: `age1…`, `ssh-ed25519 …` or `ssh-rsa …`. Raises KeyFormatError."""
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
    """Parse the private keys of an age identity file, or one unencrypted SSH private key. Raises KeyFormatError."""
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
    """Generate a private key of age."""
    return cast("AgeIdentity", pyrage.x25519.Identity.generate())


def key_name(text: str) -> str:
    """A short name of a public key for people: the beginning of an age key, the hash of an SSH key."""
    kind, _, rest = text.strip().partition(" ")
    if not kind.startswith("ssh-"):
        return kind[:_NAME_LETTERS]
    try:
        blob = base64.b64decode(rest.split()[0], validate=True)
    except (ValueError, IndexError):
        return kind
    # the beginning of the fingerprint that `ssh-keygen -l` prints
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode()[:_NAME_LETTERS]


class Keyring:
    """The private keys with which this process can decrypt backups; it may be empty."""

    def __init__(self, identities: Sequence[Identity] = ()) -> None:
        self._identities = list(identities)

    @property
    def identities(self) -> list[Identity]:
        return list(self._identities)

    def open(self, sealed: bytes) -> bytes | None:
        """Decrypt a small age file; None if no key fits. Raises ValueError if the file is damaged."""
        if not self._identities:
            return None
        try:
            return bytes(pyrage.decrypt(sealed, self._identities))
        except pyrage.DecryptError as error:
            if str(error) == NO_KEY_FITS:
                return None
            raise ValueError(f"not what was sealed: {error}") from None

    def opens(self, recipients: Sequence[str]) -> bool:
        """Whether one of the keys can decrypt data for these recipients; True if there are no recipients."""
        return not recipients or self.open(seal(b"", recipients)) is not None


NO_KEYS: Final = Keyring()


def seal(content: bytes, recipients: Sequence[str]) -> bytes:
    """Encrypt a small content as an age file for these recipients. Raises KeyFormatError."""
    return bytes(pyrage.encrypt(content, [recipient(one) for one in recipients]))
