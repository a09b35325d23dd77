"""Add up the numbers of one collection, batch by batch."""

from dataclasses import dataclass

from sidecar.archive.fingerprint import MODULUS, fingerprint_hex
from sidecar.model import CollectionDetails


@dataclass(slots=True)
class Tally:
    """The documents, BSON bytes, escaped documents and fingerprint added so far."""

    documents: int = 0
    bson_bytes: int = 0
    escaped: int = 0
    fingerprint: int = 0

    def add(self, documents: int, bson_bytes: int, fingerprint: int, escaped: int = 0) -> None:
        self.documents += documents
        self.bson_bytes += bson_bytes
        self.escaped += escaped
        self.fingerprint = (self.fingerprint + fingerprint) % MODULUS

    def details(self) -> CollectionDetails:
        return CollectionDetails(
            documents=self.documents,
            bson_bytes=self.bson_bytes,
            fingerprint=fingerprint_hex(self.fingerprint),
            escaped_documents=self.escaped,
        )
