"""A copy in a bucket: Amazon S3 or a compatible store, Google Cloud Storage, Azure Blob Storage.

The only module that imports obstore, which takes 20 MB. obstore's synchronous calls release the interpreter lock and run in
threads here; they abort a multipart upload whose source raises.
"""

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from sidecar.config import Copy
from sidecar.copies.remote import Item
from sidecar.errors import BackupNotFound, CopyError, CopyRefused, CopyUnreachable, SidecarError

WHOLE_BYTES: Final = 16 << 20  # a file up to this size is sent with one PUT, a larger one in parts
PART_BYTES: Final = 8 << 20
MOST_PARTS: Final = 900  # well below the 10,000 that providers allow
READ_SECONDS = 120.0  # without a byte the connection counts as lost; a part of 8 MiB needs 0.6 Mbit/s
REQUEST_SECONDS: Final = 3600
RETRIES = 4  # of one request; after that the whole file is tried again later
RETRY_SECONDS = 60.0
SIGNED_SECONDS: Final = 300
_BLOCK_BYTES = 1 << 20
_MESSAGE = 240
_LOST = re.compile(
    r"error sending request|connect|dns|timed? ?out|connection|broken pipe|decoding response body", re.IGNORECASE
)
_REFUSED = re.compile(r"status code: 40[13]\b")


class Objects:
    """A prefix in a bucket."""

    def __init__(self, copy: Copy) -> None:
        parts = urlsplit(copy.url)
        self.where = copy.where
        self.is_versioned = False
        self._copy = copy
        self._scheme, self._bucket, self._prefix = parts.scheme, parts.netloc, parts.path.strip("/")
        self._store = self._opened({})

    def items(self) -> list[Item]:
        with self._translated("listing"):
            found = [one for page in obstore.list(self._store) for one in page]
        return [_item(one) for one in found]

    def find(self, name: str) -> Item | None:
        with self._translated(f"looking at {name}"):
            try:
                return _item(obstore.head(self._store, name))
            except FileNotFoundError:
                return None

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        with self._translated(f"reading {name}"):
            try:
                found = obstore.get(self._store, name, options={"range": {"offset": offset}} if offset else {})
            except FileNotFoundError:
                raise BackupNotFound(f"there is no {name} in {self.where}") from None
            self.is_versioned = self.is_versioned or found.meta["version"] not in (None, "null")
            for block in found.stream(_BLOCK_BYTES):
                yield bytes(block)

    def put(self, name: str, size: int, blocks: Iterable[bytes]) -> None:
        source = _Source(blocks)
        store = self._locking()
        try:
            with self._translated(f"writing {name}"):
                if size <= WHOLE_BYTES:
                    whole = b"".join(source)
                    source.require(size, name)
                    obstore.put(store, name, whole, use_multipart=False)
                else:
                    part = max(PART_BYTES, -(-size // MOST_PARTS))
                    source.expected = size
                    obstore.put(store, name, iter(source), use_multipart=True, chunk_size=part, max_concurrency=2)
        except Exception:  # obstore replaces the error that its source raised: raise the true one
            if source.failure is not None:
                raise source.failure from None
            raise
        source.require(size, name)

    def create(self, name: str, content: bytes) -> bool:
        with self._translated(f"writing {name}"):
            try:
                obstore.put(self._locking(), name, content, mode="create")
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def delete(self, name: str) -> None:
        with self._translated(f"deleting {name}"):
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return

    def locked_until(self, name: str) -> datetime | None:
        """Return until when nobody can delete the object, by a HEAD request of our own: obstore hides this header."""
        if self._scheme != "s3":
            return None
        with self._translated(f"looking at {name}"):
            url = obstore.sign(self._store, "HEAD", name, timedelta(seconds=SIGNED_SECONDS))
            headers = self._head(url, name)
        until = headers.get("x-amz-object-lock-retain-until-date")
        return datetime.fromisoformat(until).astimezone(UTC) if until else None

    def sweep(self, prefix: str) -> None:
        """Do nothing: an object appears whole. A lifecycle rule of the bucket deletes the parts of killed uploads."""

    # -- the store -----------------------------------------------------------------------------------------------------

    def _head(self, url: str, name: str) -> Any:
        """Return the headers of an object, none if there is no such object."""
        ca_file = self._copy.ca_file
        context = (
            ssl.create_default_context(cafile=str(ca_file) if ca_file else None) if url.startswith("https") else None
        )
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - signed by obstore for the endpoint
        try:
            with urllib.request.urlopen(request, timeout=READ_SECONDS, context=context) as answer:  # noqa: S310 - the same
                return answer.headers
        except urllib.error.HTTPError as error:
            if error.code == 404:  # noqa: PLR2004 - not found
                return {}
            raise CopyError(f"looking at {name} in {self.where}: HTTP {error.code}") from None
        except OSError as error:
            raise CopyUnreachable(f"looking at {name} in {self.where}: {getattr(error, 'reason', error)}") from None

    def _locking(self) -> Any:
        """Return the store for writing, which sends the headers of the object lock if one is configured."""
        days = self._copy.object_lock_days
        if days is None:
            return self._store
        until = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._opened({"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": until})

    def _opened(self, headers: dict[str, str]) -> Any:
        kind = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[self._scheme]
        client: dict[str, Any] = {
            "connect_timeout": timedelta(seconds=10),
            "read_timeout": timedelta(seconds=READ_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
            "default_headers": headers,
            "allow_http": (self._copy.endpoint or "").startswith("http://"),
        }
        if self._copy.ca_file:
            client["root_certificate"] = self._copy.ca_file.read_bytes()
        retry: Any = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
        with self._translated("opening"):
            return kind(
                self._bucket,
                prefix=self._prefix or None,
                config=self._config(),
                client_options=client,
                retry_config=retry,
            )

    def _config(self) -> Any:
        copy = self._copy
        key_id = copy.access_key_id.reveal() if copy.access_key_id else None
        secret = copy.secret_access_key.reveal() if copy.secret_access_key else None
        if self._scheme == "gs":
            return {"service_account_key": secret} if secret else {}
        if self._scheme == "az":
            found = {"account_name": key_id, "account_key": secret, "endpoint": copy.endpoint}
        else:
            found = {
                "access_key_id": key_id,
                "secret_access_key": secret,
                "endpoint": copy.endpoint if copy.path_style else _with_bucket(copy.endpoint, self._bucket),
                "region": copy.region,
            }
            found["virtual_hosted_style_request"] = None if copy.path_style else "true"
            found["checksum_algorithm"] = "SHA256" if copy.object_lock_days else None
        return {name: value for name, value in found.items() if value}

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except SidecarError:
            raise
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise CopyRefused(f"{action} in {self.where}: {_words(error)}") from None
        except FileNotFoundError:
            raise CopyRefused(
                f"{action} in {self.where}: there is no such bucket, or these credentials may not see it"
            ) from None
        except (BaseError, OSError, ValueError) as error:
            words = _words(error)
            kind = CopyUnreachable if _LOST.search(words) else CopyRefused if _REFUSED.search(words) else CopyError
            raise kind(f"{action} in {self.where}: {words}") from None


def _with_bucket(endpoint: str | None, bucket: str) -> str | None:
    """Return the endpoint with the bucket's name in front of the host, as virtual-hosted requests need it."""
    return endpoint.replace("://", f"://{bucket}.", 1) if endpoint else None


class _Source:
    """Counts the blocks that are sent, and keeps the error that ended them."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.failure: Exception | None = None
        self.expected: int | None = None  # bytes; if set, the iterator checks them before the upload is completed
        self._blocks = blocks
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            for block in self._blocks:
                self._size += len(block)
                yield block
            if self.expected is not None:
                self.require(self.expected, "the source")
        except Exception as error:  # `put` raises it again, because obstore does not
            self.failure = error
            raise

    def require(self, size: int, name: str) -> None:
        """Raise CopyError unless so many bytes were sent."""
        if self._size != size:
            raise CopyError(f"{name}: {self._size} bytes were sent, {size} expected")


def _item(found: Any) -> Item:
    """Return the item of a listing or a HEAD. Its time is cut to seconds, because only a listing may know fractions."""
    return Item(found["path"], found["size"], f"{found['e_tag']} {found['last_modified']:%Y-%m-%d %H:%M:%S}")


def _words(error: Exception) -> str:
    """Return the error's text as one short line, without the query of a URL, which holds a signature."""
    text = re.sub(r"\?[^\s\"')]*", "?…", " ".join(str(error).split("\n\nDebug")[0].split()))
    return text[:_MESSAGE] + "…" * (len(text) > _MESSAGE)
