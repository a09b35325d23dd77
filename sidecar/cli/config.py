"""`config`: validate the configuration, try it, or show it."""

import asyncio
import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from sidecar import config
from sidecar.bootstrap.service import load_settings, open_service
from sidecar.cli import commands, exits
from sidecar.cli.looking import quiet_logs
from sidecar.cli.options import Json
from sidecar.cli.terminal import console
from sidecar.cli.terminal.settings import findings, settings
from sidecar.config.policies import policies
from sidecar.inspect import preflight
from sidecar.mongodb.connection_string import require_understood
from sidecar.rules.policy import Policy
from sidecar.status import reports

app = commands.group("Check or show the configuration.")


@app.command()
def check(
    *,
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Also try MongoDB, its user's rights, the directory, its space and the clock."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Validate the configuration and name every problem at once. Exit code 1 if --connect finds one."""
    chosen = load_settings(os.environ)
    for words in config.warnings(chosen):
        console.remark(f"warning: {words}", "yellow")
    for name, meant in config.likely_mistakes(os.environ):
        console.remark(f"warning: {name} is set, {meant} is not: did you mean {meant}?", "yellow")
    found = asyncio.run(_tried(chosen)) if connect else []
    if as_json:
        kept = {name: reports.kept(policy).model_dump() for name, policy in _policies(chosen).items()}
        console.say_json({"is_good": _is_good(found), "tried": [asdict(one) for one in found], "retention": kept})
    else:
        findings(found)
        _reaches(chosen)
        console.say(_verdict(found) if connect else f"The configuration is good. {_NOT_TRIED}")
    raise typer.Exit(exits.OK if _is_good(found) else exits.FAILED)


def _policies(chosen: config.Settings) -> dict[str, Policy]:
    return policies(chosen, datetime.now(UTC))


def _reaches(chosen: config.Settings) -> None:
    """Print how far back the backups of each set will reach, and once what to do if that is too little."""
    kept = {name: reports.kept(policy) for name, policy in _policies(chosen).items()}
    for name, one in kept.items():
        console.say(f"{name} reaches back {one.reaches_back}.")
    for cure in dict.fromkeys(one.cure for one in kept.values() if one.cure):
        console.remark(cure, "yellow")


_NOT_TRIED = f"Not tried without --connect: {', '.join(preflight.SUBJECTS)}."


def _is_good(found: list[preflight.Check]) -> bool:
    return all(one.is_good is not False for one in found)


def _verdict(found: list[preflight.Check]) -> str:
    bad = [one.subject for one in found if one.is_good is False]
    return f"Not ready: {', '.join(bad)}." if bad else "The configuration is good, and everything it needs is there."


async def _tried(chosen: config.Settings) -> list[preflight.Check]:
    quiet_logs(chosen)
    async with open_service(chosen) as service:
        return await preflight.look(chosen, service.database)


@app.command()
def show(*, as_json: Json = False) -> None:
    """Print the configuration in force, with secrets masked, and the source of each value."""
    rows = config.describe(os.environ, require_understood)
    if as_json:
        console.say_json({name: {"value": value, "source": source} for name, value, source in rows})
    else:
        settings(rows)
