"""The command line, a module per command.

Exit codes: 0 good, 1 failed, 2 usage or configuration, 3 a backup is invalid, 4 busy.
"""


def main() -> None:
    """Run the command line; the entry point of the `sidecar` script."""
    from sidecar.cli import program  # noqa: PLC0415 - nothing is imported before it is known what is asked for

    program.run()
