"""`prune`: delete what the retention rules no longer keep, or show what other rules would delete."""

from typing import Annotated, Any

import typer

from sidecar.cli import commands
from sidecar.cli.options import Json, SetName
from sidecar.cli.running import run
from sidecar.cli.terminal import backups, console
from sidecar.config.parsing import LARGEST
from sidecar.config.table import MOST_KEPT
from sidecar.errors import UsageError
from sidecar.rules.retention import Decision
from sidecar.service import Service

app = commands.app()
_IF = "What if (only with --dry-run)"


def _rule(words: str, *, least: int = 0, most: int = MOST_KEPT) -> Any:
    return typer.Option(min=least, max=most, rich_help_panel=_IF, help=words)


@app.command()
def prune(  # noqa: PLR0913 - one parameter per documented option
    set_name: SetName = "all",
    *,
    dry_run: Annotated[bool, typer.Option(help="Show the verdicts and delete nothing.")] = False,
    keep_last: Annotated[int | None, _rule("Keep the newest N.", least=1, most=LARGEST)] = None,
    keep_hourly: Annotated[int | None, _rule("Keep one an hour for N hours.")] = None,
    keep_daily: Annotated[int | None, _rule("Keep one a day for N days.")] = None,
    keep_weekly: Annotated[int | None, _rule("Keep one a week for N weeks.")] = None,
    keep_monthly: Annotated[int | None, _rule("Keep one a month for N months.")] = None,
    keep_yearly: Annotated[int | None, _rule("Keep one a year for N years.")] = None,
    keep_within_days: Annotated[int | None, _rule("Keep all of the last N days.", most=LARGEST)] = None,
    retention_days: Annotated[int | None, _rule("Delete after N days.", least=1, most=LARGEST)] = None,
    max_total_mb: Annotated[float | None, _rule("Keep at most N MiB in all.", most=LARGEST)] = None,
    as_json: Json = False,
) -> None:
    """Delete the backups that the retention rules no longer keep, and show the reason for each."""
    changes = {
        "keep_last": keep_last,
        "keep_hourly": keep_hourly,
        "keep_daily": keep_daily,
        "keep_weekly": keep_weekly,
        "keep_monthly": keep_monthly,
        "keep_yearly": keep_yearly,
        "keep_within_days": keep_within_days,
        "retention_days": retention_days,
        "max_total_mb": max_total_mb,
    }
    if not dry_run and any(value is not None for value in changes.values()):
        raise UsageError(
            "options with rules only show what they would delete: expected --dry-run, or the rules in the configuration"
        )

    async def use(service: Service) -> None:
        def judged(name: str) -> list[Decision]:
            if not dry_run:
                return service.keeping.prune(name)
            return service.keeping.decisions(name, service.policies[name].but(**changes))

        decisions = [decision for one in service.sets(set_name) for decision in judged(one.name)]
        if as_json:
            console.say_json([_body(one) for one in decisions])
        else:
            backups.decisions(decisions)

    run(use)


def _body(one: Decision) -> dict[str, object]:
    return {
        "backup_id": str(one.id),
        "keep": one.keep,
        "reason": one.reason,
        "expires_at": one.expires_at,
        "rules": one.rules,
    }
