"""Print the jobs and the schedules of the running server."""

from collections.abc import Iterable, Mapping
from typing import Any

from sidecar.cli.terminal.console import say, shown
from sidecar.cli.terminal.tables import Column, Table
from sidecar.model import documents_in_words, size

Body = Mapping[str, Any]


def jobs(found: Iterable[Body]) -> None:
    """Print a table of jobs, a row for each run, with its progress."""
    table = Table("Jobs", Column("Job", is_lead=True), "What", "Set", Column("State", is_lead=True), "Begun (UTC)")
    for job in found:
        for run in job["runs"]:
            state = shown(run["outcome"] or "running", "cyan" if run["outcome"] is None else "")
            remarks = [_progress(run["progress"]), run["message"]]
            table.row(job["id"], job["kind"], run["backup_type"], state, _moment(run["started_at"]), remarks=remarks)
    table.show()


def _progress(progress: Body | None) -> str:
    if progress is None:
        return ""
    documents, expected = progress["documents"], progress["expected_documents"]
    share = f" of {expected:,} ({min(documents / expected, 1):.0%})" if expected else ""
    parts = [
        f"{progress['action'] or 'beginning'} {progress['collection'] or ''}".rstrip(),
        f"{documents:,}{share} documents" if share else documents_in_words(documents),
        f"{size(progress['bytes_per_second'])}/s" if progress["bytes_per_second"] else "",
        f"about {progress['remaining_seconds']:,.0f} s left" if progress["remaining_seconds"] else "",
    ]
    return ", ".join(part for part in parts if part)


def schedule(entries: Iterable[Body], timezone: str) -> None:
    """Print a table of schedules: when each runs next, and how its last run ended."""
    table = Table(
        "Schedule",
        Column("What", is_lead=True),
        Column("Set", is_lead=True),
        "Schedule",
        "Next (UTC)",
        "Last (UTC)",
        "Outcome",
    )
    for one in entries:
        last = one["last_run"] or {}
        begun = _moment(last["started_at"]) if last else "never"
        ended = last.get("outcome") or ("running" if last else "–")
        remarks = [_pause(one["pause"]), last["message"] if ended not in ("succeeded", "running", "–") else ""]
        table.row(
            one["kind"], one["backup_type"], one["schedule"], _moment(one["next_run"]), begun, ended, remarks=remarks
        )
    table.show()
    say(f"Cron expressions are in {timezone}.")


def next_runs(schedule: Body, names: Iterable[str]) -> None:
    """Print whether the scheduler runs, and the next backup of each set."""
    say("Scheduler: running." if schedule["is_running"] else "Scheduler: NOT RUNNING.")
    entries = {one["backup_type"]: one for one in schedule["entries"] if one["kind"] == "backup"}
    for name in names:
        if (one := entries.get(name)) is not None:
            moment = f"{_moment(one['next_run'])} UTC"
            say(f"Next backup of {name}: {_pause(one['pause']) or moment}")


def mongodb(seen: Body) -> None:
    """Print a line if MongoDB does not answer, because the stored backups do not show that."""
    if seen["asked_at"] and not seen["is_up"]:
        last = f"it last answered {_moment(seen['last_up_at'])} UTC" if seen["last_up_at"] else "it never answered"
        say(f"MongoDB: UNREACHABLE, {last}: {seen['error']}", "red")


def _pause(pause: Body | None) -> str:
    if pause is None:
        return ""
    end = f"until {_moment(pause['until'])} UTC" if pause["until"] else "until it is resumed"
    return f"paused {end}, by {pause['by']}"


def _moment(text: str | None) -> str:
    """Return `2026-11-24T02:18:37.123Z` as `2026-11-24 02:18`."""
    return f"{text[:10]} {text[11:16]}" if text else "–"
