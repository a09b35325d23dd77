"""A copy in a bucket: Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

The only module that knows obstore, 20 MB that only who has a bucket loads. Its synchronous calls let go of the interpreter
and run in threads; they end a multipart upload whose source raises.
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

WHOLE_BYTES: Final = 16 << 20  # up to here one PUT
PART_BYTES: Final = 8 << 20
MOST_PARTS: Final = 900  # of the 10,000 that a provider takes
READ_SECONDS = 120.0  # without a byte: it hangs. A part of 8 MiB passes a line of 0.6 Mbit/s in that time
REQUEST_SECONDS: Final = 3600
RETRIES = 4  # of one request; afterwards the whole work begins again later
RETRY_SECONDS = 60.0
SIGNED_SECONDS: Final = 300
_BLOCK_BYTES = 1 << 20
_MESSAGE = 240
_LOST = re.compile(
    r"error sending request|connect|dns|timed? ?out|connection|broken pipe|decoding response body", re.IGNORECASE
)
_REFUSED = re.compile(r"status code: 40[13]\b")


class Objects:
    """A bucket and a prefix."""

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
        except Exception:  # whatever it became, obstore hides what ended its source
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
        """By a HEAD of our own: obstore shows no such header."""
        if self._scheme != "s3":
            return None
        with self._translated(f"looking at {name}"):
            url = obstore.sign(self._store, "HEAD", name, timedelta(seconds=SIGNED_SECONDS))
            headers = self._head(url, name)
        until = headers.get("x-amz-object-lock-retain-until-date")
        return datetime.fromisoformat(until).astimezone(UTC) if until else None

    def sweep(self, prefix: str) -> None:
        """Nothing: an object appears whole. Parts of uploads that were killed are for a lifecycle rule of the bucket."""

    # -- the store -----------------------------------------------------------------------------------------------------

    def _head(self, url: str, name: str) -> Any:
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
        """For writing: with the headers of the lock where there is one."""
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
    """Where the bucket is named in the host, as Amazon wants it."""
    return endpoint.replace("://", f"://{bucket}.", 1) if endpoint else None


class _Source:
    """Blocks on their way, counted; remembers what ended them."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.failure: Exception | None = None
        self.expected: int | None = None  # where the end itself has to check, before the upload is completed
        self._blocks = blocks
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            for block in self._blocks:
                self._size += len(block)
                yield block
            if self.expected is not None:
                self.require(self.expected, "the source")
        except Exception as error:  # kept as it was, for who asked for the upload
            self.failure = error
            raise

    def require(self, size: int, name: str) -> None:
        if self._size != size:
            raise CopyError(f"{name}: {self._size} bytes were sent, {size} expected")


def _item(found: Any) -> Item:
    """A listing may know the time more exactly than a look at one object."""
    return Item(found["path"], found["size"], f"{found['e_tag']} {found['last_modified']:%Y-%m-%d %H:%M:%S}")


def _words(error: Exception) -> str:
    """One line, without what is signed into a URL."""
    text = re.sub(r"\?[^\s\"')]*", "?…", " ".join(str(error).split("\n\nDebug")[0].split()))
    return text[:_MESSAGE] + "…" * (len(text) > _MESSAGE)
