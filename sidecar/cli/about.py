"""`config`, `healthcheck` and `version`: about the sidecar itself."""

import os
import ssl
import urllib.error
import urllib.request

import typer

from sidecar import __version__, config, errors
from sidecar.cli import terminal
from sidecar.cli.running import Json, app

config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")


@config_app.command()
def check() -> None:
    """Validate the configuration and name every problem at once."""
    config.load(os.environ)
    terminal.say("The configuration is good.")


@config_app.command()
def show(*, as_json: Json = False) -> None:
    """Print the configuration that is in force, with secrets masked, and where each value comes from."""
    rows = config.describe(os.environ)
    if as_json:
        terminal.say_json({name: {"value": value, "source": source} for name, value, source in rows})
    else:
        terminal.settings(rows)


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
            terminal.say(f"{url}: {answer.status}")
    except (urllib.error.URLError, OSError) as error:
        raise errors.SidecarError(f"{url}: {error}") from None


@app.command()
def version() -> None:
    """Print the version."""
    terminal.say(__version__)
