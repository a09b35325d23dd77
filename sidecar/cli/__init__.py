"""The command line, a module per command.

Exit codes: 0 good, 1 failed, 2 usage or configuration, 3 a backup is invalid, 4 busy, 130 Ctrl-C.
"""

import gc
import os
import sys


def main() -> None:
    """Run the command line; the entry point of the `sidecar` script.

    Commands that are run every few seconds, or by every script, are answered before anything else is imported.
    """
    match sys.argv[1:]:
        case ["healthcheck"]:
            from sidecar.cli import probe  # noqa: PLC0415 - see above

            probe.run()
        case ["--version"]:
            from sidecar import __version__  # noqa: PLC0415 - see above

            os._exit(_said(f"{__version__}\n"))
        case _:
            os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # we have none, and searching for them is slow
            gc.disable()  # modules are no garbage: looking for some is a tenth of `list`; whatever opens the service does it
            from sidecar.cli import program  # noqa: PLC0415 - see above

            program.run()


def _said(text: str) -> int:
    """Print a text and return the exit code."""
    try:
        if sys.stdout is not None:  # None if it was closed before we began
            sys.stdout.write(text)
            sys.stdout.flush()
    except OSError:
        return 1
    return 0
