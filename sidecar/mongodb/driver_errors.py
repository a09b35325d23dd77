"""Translate the driver's errors into errors that an operator can act on, without credentials in the text."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from sidecar.errors import (
    AccessRefused,
    SidecarError,
    SnapshotTooOld,
    SnapshotUnavailable,
    SourceError,
    SourceStalled,
    SourceUnavailable,
)

# Codes of https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_NAMESPACE_NOT_FOUND = 26
_SNAPSHOT_TOO_OLD = 239
_NO_SNAPSHOT = frozenset({72, 123, 246})  # InvalidOptions, NotAReplicaSet, SnapshotUnavailable
_REFUSED = frozenset({13, 18})  # Unauthorized, AuthenticationFailed
_CREDENTIALS = re.compile(r"://[^@/\s]*@")
_INTERNALS = re.compile(r" \((?:configured timeouts: [^)]*|_ssl\.c:\d+)\)")
_REFUSED_COMMAND = re.compile(r"to execute command \{ (\w+): .*", re.DOTALL)
_NO_TLS = "the server does not speak TLS on this port: take tls=true out of MONGO_URL, or name the port that does"
_HINTS = {  # text of an error → what to do; the first that fits is added to the message
    "Hostname mismatch": "the server's certificate is for another host: MONGO_URL must name the host in the certificate",
    "IP address mismatch": "the server's certificate is for another host: MONGO_URL must name the host in the certificate",
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is not trusted: name the file of its CA in MONGO_URL, tlsCAFile=…",
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "UNEXPECTED_EOF": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
}


@contextmanager
def translated(
    action: str,
    otherwise: type[SourceError] = SourceError,
    *,
    missing: type[SourceError] | None = None,
    is_snapshot: bool = False,
    limit: str = "SIDECAR_STALL_TIMEOUT_SECONDS",
) -> Iterator[None]:
    """Raise the driver's errors inside the `with` block as SourceError.

    `action` begins the message. `otherwise` is the class for errors without a class of their own, `missing` the class for a
    collection that does not exist. `is_snapshot`: snapshot reads were asked for, which changes the meaning of some codes.
    `limit` names the limit in the message of a timeout.
    """
    try:
        yield
    except SidecarError:
        raise
    except (PyMongoError, BSONError) as error:
        if missing is not None and getattr(error, "code", None) == _NAMESPACE_NOT_FOUND:
            raise missing(f"{action}: the collection does not exist any more") from error
        raise _as_ours(error, action, otherwise, is_snapshot=is_snapshot, limit=limit) from error
    except OSError as error:  # a file in a TLS option of the URL is unreadable
        raise SourceUnavailable(
            f"{action}: {error.filename}: {error.strerror} (tlsCAFile, tlsCertificateKeyFile)"
        ) from error
    except Exception as error:  # the driver does not check replies: a wrong type in one may raise anything
        raise otherwise(f"{action}: the server's reply cannot be understood ({type(error).__name__})") from error


def _as_ours(
    error: Exception, action: str, otherwise: type[SourceError], *, is_snapshot: bool, limit: str
) -> SourceError:
    text = f"{action}: {in_words(error)}"
    match error:
        case NetworkTimeout():
            return SourceStalled(f"{text} (no answer within the limit {limit})")
        case ServerSelectionTimeoutError():
            return SourceUnavailable(text)
        case OperationFailure(code=code) if is_snapshot and code == _SNAPSHOT_TOO_OLD:
            return SnapshotTooOld(text, server_code=code)
        case OperationFailure(code=code) if is_snapshot and code in _NO_SNAPSHOT:
            return SnapshotUnavailable(text, server_code=code)
        case OperationFailure(code=code) if code in _REFUSED:
            return AccessRefused(text, server_code=code)
        case OperationFailure(code=code):
            return otherwise(text, server_code=code)
        case ConfigurationError() if is_snapshot:  # the driver knows that the server is too old for snapshot reads
            return SnapshotUnavailable(text)
        case ConnectionFailure() | ConfigurationError() if otherwise is SourceError:
            return SourceUnavailable(text)
    return otherwise(text)


def in_words(error: Exception) -> str:
    """The first sentence of the error with a hint of what to do, without credentials and the driver's internal details."""
    text = str(error).split(", full error:")[0].split(", Timeout:")[0]
    if text == "None":  # the reply has neither `ok` nor `errmsg`
        return "the server's reply neither says ok nor what is wrong"
    text = _INTERNALS.sub("", text)
    text = _REFUSED_COMMAND.sub(r"to run \1", _CREDENTIALS.sub("://", text))
    hint = next((hint for sign, hint in _HINTS.items() if sign in text), None)
    return f"{text} ({hint})" if hint else text or type(error).__name__
