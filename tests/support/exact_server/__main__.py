import argparse
import asyncio

from support.exact_server.clock import DEFAULT_HISTORY_SECONDS
from support.exact_server.commands import HANDLERS
from support.exact_server.server import ExactServer, Settings


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        is_replica_set=not options.standalone,
        is_mongos=options.mongos,
        honours_snapshot=not options.ignores_snapshot,
        history_seconds=options.snapshot_seconds,
    )


async def _serve(server: ExactServer, port: int) -> None:
    async with await server.listen(port) as listener:
        print("ready", server.address.rpartition(":")[2], flush=True)  # noqa: T201 - tells the parent the port
        await listener.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="exact_server", description="An in-memory MongoDB server for tests.")
    parser.add_argument("port", type=int, help="0 takes a free one; the line 'ready PORT' on stdout names it")
    parser.add_argument("--standalone", action="store_true", help="no replica set: snapshot reads are refused (123)")
    parser.add_argument("--mongos", action="store_true", help="says that it routes to the shards of a cluster")
    parser.add_argument("--ignores-snapshot", action="store_true", help="accepts snapshot reads and ignores them")
    parser.add_argument("--snapshot-seconds", type=float, default=DEFAULT_HISTORY_SECONDS, help="history window")
    options = parser.parse_args()
    asyncio.run(_serve(ExactServer(_settings(options), HANDLERS), options.port))


if __name__ == "__main__":
    main()
