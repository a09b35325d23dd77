"""Signing keys, made anew for each process of the tests."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sidecar.archive.signing import Signing


@dataclass(frozen=True)
class Key:
    """A pair in PEM."""

    private: bytes
    public: bytes
    hexadecimal: str
    signing: Signing


def new_key() -> Key:
    key = Ed25519PrivateKey.generate()
    public = key.public_key()
    return Key(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes_raw().hex(),
        Signing(key),
    )


KEY, OTHER_KEY = new_key(), new_key()
