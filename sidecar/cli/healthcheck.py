"""`healthcheck`: whether the running sidecar answers."""

import os
import ssl
import urllib.error
import urllib.request

from sidecar import config, errors
from sidecar.cli import commands
from sidecar.cli.terminal import console

app = commands.app()


@app.command()
def healthcheck() -> None:
    """Ask the running sidecar's /healthz; for a container's HEALTHCHECK."""
    settings = config.load(os.environ)
    scheme = "https" if settings.tls_cert else "http"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is ourselves: the name is not 127.0.0.1
    url = f"{scheme}://127.0.0.1:{settings.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:  # noqa: S310 - the scheme is ours
            console.say(f"{url}: {answer.status}")
    except (urllib.error.URLError, OSError) as error:
        raise errors.SidecarError(f"{url}: {error}") from None
