"""Check a connection string without connecting to a server."""

import re
import warnings

from pymongo import uri_parser
from pymongo.errors import PyMongoError

_NAMED_BY_DNS = "mongodb+srv://"  # cannot be checked without a DNS query


def require_understood(url: str) -> None:
    """Raises ValueError if the driver does not accept the connection string. The message says what was expected."""
    if url.startswith(_NAMED_BY_DNS):
        return
    try:
        with warnings.catch_warnings(action="ignore"):  # the driver repeats its warnings when it connects
            uri_parser.parse_uri(url, warn=False)
    except (PyMongoError, ValueError, TypeError) as error:
        unknown = re.match(r"Unknown option:? '?([A-Za-z]{1,40})\b", str(error))  # only the name: a value may be secret
        what = f"without the unknown option {unknown[1]}" if unknown else "that the driver understands"
        raise ValueError(f"a connection string mongodb://… {what}") from None
    except OSError as error:
        raise ValueError(
            f"readable files in its TLS options (tlsCAFile, tlsCertificateKeyFile): {error.strerror}"
        ) from None
