"""What the driver raises becomes a fact that an operator can act on."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from sidecar.errors import (
    AccessRefused,
    CollectionsChanged,
    CursorFailed,
    SourceError,
    SourceStalled,
    SourceUnavailable,
    StorageFull,
)
from sidecar.mongodb.driver_errors import translated

TIMEOUTS = " (configured timeouts: socketTimeoutMS: 120000.0ms, connectTimeoutMS: 20000.0ms)"
TOPOLOGY = ", Timeout: 5.0s, Topology Description: <TopologyDescription id: 1, servers: []>"
NO_TLS = "the server does not speak TLS on this port: take tls=true out of MONGO_URL, or name the port that does"
NO_CA = "the server's certificate is not trusted: name the file of its CA in MONGO_URL, tlsCAFile=…"
REFUSED = 'not authorized on school to execute command { find: "users", filter: { name: "x" }, $db: "school" }'

FACTS: dict[str, tuple[Exception, type[SourceError], str]] = {
    "nobody there": (
        ServerSelectionTimeoutError(f"127.0.0.1:1: [Errno 111] Connection refused{TIMEOUTS}{TOPOLOGY}"),
        SourceUnavailable,
        "reading users: 127.0.0.1:1: [Errno 111] Connection refused",
    ),
    "no TLS there": (
        ServerSelectionTimeoutError(
            f"SSL handshake failed: db:1: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006){TIMEOUTS}"
        ),
        SourceUnavailable,
        f"reading users: SSL handshake failed: db:1: [SSL: WRONG_VERSION_NUMBER] wrong version number ({NO_TLS})",
    ),
    "an unknown CA": (
        ServerSelectionTimeoutError(f"db:1: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed{TIMEOUTS}"),
        SourceUnavailable,
        f"reading users: db:1: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed ({NO_CA})",
    ),
    "a missing right": (
        OperationFailure(REFUSED, 13),
        AccessRefused,
        "reading users: not authorized on school to run find",
    ),
    "a wrong password": (
        OperationFailure("Authentication failed.", 18),
        AccessRefused,
        "reading users: Authentication failed.",
    ),
    "a refusal without a word": (
        OperationFailure(str(None)),
        SourceError,
        "reading users: the server's reply neither says ok nor what is wrong",
    ),
    "no answer": (
        NetworkTimeout("db:1: timed out"),
        SourceStalled,
        "reading users: db:1: timed out (no answer within the limit SIDECAR_STALL_TIMEOUT_SECONDS)",
    ),
    "a lost connection": (AutoReconnect("db:1: closed"), SourceUnavailable, "reading users: db:1: closed"),
    "a secret": (
        ConfigurationError("mongodb://user:secret@db/?x"),
        SourceUnavailable,
        "reading users: mongodb://db/?x",
    ),
    "a file that is not there": (
        FileNotFoundError(2, "No such file or directory", "/ca.pem"),
        SourceUnavailable,
        "reading users: /ca.pem: No such file or directory (tlsCAFile, tlsCertificateKeyFile)",
    ),
    "a reply that means nothing": (
        TypeError("'int' object is not subscriptable"),
        SourceError,
        "reading users: the server's reply cannot be understood (TypeError)",
    ),
}


@pytest.mark.parametrize("what", FACTS)
def test_an_error_of_the_driver_is_told_in_words(what: str) -> None:
    raised, kind, words = FACTS[what]
    with pytest.raises(SourceError) as told, translated("reading users"):
        raise raised
    assert (type(told.value), str(told.value)) == (kind, words)


def test_our_own_errors_pass_unchanged() -> None:
    with pytest.raises(StorageFull, match="full"), translated("reading users"):
        raise StorageFull("full")


def test_the_caller_says_what_an_error_without_a_class_of_its_own_means() -> None:
    with pytest.raises(CursorFailed), translated("reading users", CursorFailed):
        raise OperationFailure("killed", 43)
    with pytest.raises(CollectionsChanged), translated("listing", missing=CollectionsChanged):
        raise OperationFailure("ns not found", 26)
