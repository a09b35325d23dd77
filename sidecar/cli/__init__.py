"""The command line, a module per command.

Exit codes: 0 good, 1 failed, 2 usage or configuration, 3 a backup is invalid, 4 busy, 130 Ctrl-C.
"""

import os
import sys


def main() -> None:
    """Run the command line; the entry point of the `sidecar` script.

    What is asked every few seconds, or by every script, is answered before anything else is imported.
    """
    match sys.argv[1:]:
        case ["healthcheck"]:
            from sidecar.cli import probe, streams  # noqa: PLC0415 - see above

            streams.prepare()
            probe.run()
        case ["--version"]:
            from sidecar import __version__  # noqa: PLC0415 - see above
            from sidecar.cli import streams  # noqa: PLC0415 - see above

            stdout = streams.prepare()
            stdout.write(f"{__version__}\n")
            stdout.flush()
            os._exit(1 if stdout.failure else 0)
        case _:
            os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # none is ours; looking for them is slow
            from sidecar.cli import program  # noqa: PLC0415 - see above

            program.run()
