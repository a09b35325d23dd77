"""`ledger`: check that no backup was changed, added or removed by others."""

import typer

from sidecar import errors
from sidecar.cli import commands, exits
from sidecar.cli.looking import look
from sidecar.cli.options import Json, SetName
from sidecar.cli.terminal import console
from sidecar.holdings import Holdings
from sidecar.store import tampering
from sidecar.store.local import LocalStore

app = commands.group("The signed record of what happened to each backup.")


@app.command()
def check(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Compare each set's ledger with its backups. Exit code 3 if a line or a backup was removed, moved, changed or added.

    Prints the head of each ledger. Note it where this host cannot change it: anybody with the key could write a new ledger.
    """

    def use(held: Holdings) -> int:
        stores = [held.stores[one.name] for one in held.sets(set_name)]
        _require_key(stores)
        found = {store.set.name: (store.seal.ledger.account().head, tampering.found(store)) for store in stores}
        if as_json:
            console.say_json(
                {
                    name: {"lines": head.lines, "head": head.hash, "problems": list(problems)}
                    for name, (head, problems) in found.items()
                }
            )
        else:
            for name, (head, problems) in found.items():
                console.say(f"{name}: {head.lines} lines, head {head.hash}")
                for problem in problems:
                    console.say(f"  {problem}")
        return exits.INVALID if any(problems for _, problems in found.values()) else exits.OK

    look(use)


@app.command()
def accept(
    set_name: SetName, *, reason: str = typer.Option(..., help="The reason, which is written into the ledger.")
) -> None:
    """Record the backups that the ledger does not know, and the deletions that it does not know.

    A ledger whose own lines were changed is set aside, and a new one is begun.
    """

    def use(held: Holdings) -> None:
        for one in held.sets(set_name):
            store = held.stores[one.name]
            _require_key([store])
            with store.locked("accepting what is there"):
                store.seal.ledger.accept([files.id for files in store.scan() if files.has_metadata], reason)
            console.say(f"{one.name}: {store.seal.ledger.account().head.lines} lines")

    look(use)


def _require_key(stores: list[LocalStore]) -> None:
    if not all(store.seal.ledger.is_on for store in stores):
        raise errors.UsageError(
            "there is no ledger: expected SIDECAR_SIGNING_KEY_FILE, or SIDECAR_TRUSTED_KEYS_FILE to check"
        )
