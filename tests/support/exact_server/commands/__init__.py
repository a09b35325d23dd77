"""What the server can be asked: one module per kind of command, each with its table of handlers."""

from collections.abc import Mapping
from typing import Final

from support.exact_server.commands import definitions, laboratory, reads, sessions, statistics, writes
from support.exact_server.server import Handler

HANDLERS: Final[Mapping[str, Handler]] = {
    **sessions.HANDLERS,
    **definitions.HANDLERS,
    **reads.HANDLERS,
    **writes.HANDLERS,
    **statistics.HANDLERS,
    **laboratory.HANDLERS,
}
