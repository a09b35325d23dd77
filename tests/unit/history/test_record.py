"""What the record keeps, and how it is found again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.errors import Busy, UsageError
from sidecar.history import changes
from sidecar.history.record import History
from sidecar.history.rows import Accounted, JobFilter, Pause, Retry, Total
from sidecar.model import (
    Kind,
    Manifest,
    Outcome,
    Run,
    Trigger,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def opened(directory: Path, *manifests: Manifest, now: datetime = NOW) -> History:
    return History(directory / "history", lambda: manifests, now)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with opened(tmp_path) as history:
        yield history


def run(number: int, **changes: object) -> Run:
    started = NOW + number * HOUR
    facts = {
        "job_id": f"job {number}",
        "kind": Kind.BACKUP,
        "set_name": "main",
        "trigger": Trigger.MANUAL,
        "started_at": started,
    }
    return Run(**facts | changes)  # type: ignore[arg-type] # fields of a run


def ended(number: int, outcome: Outcome = Outcome.SUCCEEDED, **changes: object) -> Run:
    return replace(run(number, **changes), outcome=outcome, ended_at=NOW + number * HOUR + timedelta(minutes=1))


def recorded(history: History, *runs: Run) -> None:
    for one in runs:
        history.begin(replace(one, outcome=None, ended_at=None, log=(), code=None, message=""))
        history.end(one)


def test_a_run_comes_back_as_it_was(history: History, tmp_path: Path) -> None:
    whole = ended(1, Outcome.FAILED, due_at=NOW, code="busy", message="why", backup_id="x", log=('{"event": "a"}', "ü"))
    recorded(history, whole)
    with opened(tmp_path) as again:
        assert again.run("job 1") == (whole,)
        assert again.jobs(JobFilter(), 10, 0) == [(replace(whole, log=()),)]


def test_what_was_under_way_when_the_process_died_is_aborted_once(history: History, tmp_path: Path) -> None:
    history.begin(run(1))
    later = NOW + timedelta(hours=5)
    died = replace(
        run(1),
        outcome=Outcome.ABORTED,
        ended_at=later,
        code="process_died",
        message="the process ended while this was under way",
    )
    for _ in range(2):
        with opened(tmp_path, now=later) as again:
            assert again.run("job 1") == (died,)
            assert again.totals() == [Total(Kind.BACKUP, "main", Trigger.MANUAL, Outcome.ABORTED, "process_died", 1)]


def test_a_due_time_has_one_outcome(history: History) -> None:
    history.begin(run(1, due_at=NOW), accounted=Accounted("backup:main", NOW))
    with pytest.raises(Busy):
        history.begin(run(2, due_at=NOW))
    history.account(Accounted("backup:main", NOW, (ended(3, Outcome.MISSED, due_at=NOW),)))
    assert history.outcomes(Kind.BACKUP, "main") == {NOW: None}
    assert history.accounted_until("backup:main") == NOW
    assert history.totals() == []


def test_a_beginning_that_is_refused_changes_nothing(history: History) -> None:
    history.begin(run(1, due_at=NOW), accounted=Accounted("backup:main", NOW))
    with pytest.raises(Busy):
        history.begin(run(2), run(3, due_at=NOW), accounted=Accounted("backup:main", NOW + HOUR))
    assert history.accounted_until("backup:main") == NOW
    assert history.run("job 2") == ()


def test_the_last_run_is_the_last_that_took_place(history: History) -> None:
    recorded(history, ended(1), ended(2, Outcome.FAILED, code="busy"), ended(3, Outcome.ABORTED, code="cancelled"))
    history.account(Accounted("backup:main", NOW, (ended(4, Outcome.MISSED), ended(5, Outcome.SKIPPED))))
    recorded(history, ended(6, kind=Kind.VERIFY), ended(7, set_name="attendance"))
    assert history.latest(Kind.BACKUP, "main") == ended(3, Outcome.ABORTED, code="cancelled")
    assert history.last_judged(Kind.BACKUP, "main") == ended(2, Outcome.FAILED, code="busy")
    assert history.last_success(Kind.BACKUP, "main") == ended(1)
    assert history.consecutive_failures(Kind.BACKUP, "main") == 1  # what somebody called off is none
    assert history.consecutive_failures(Kind.BACKUP, "attendance") == 0
    assert history.latest(Kind.BACKUP, "other") is None


def test_a_run_that_was_cut_off_is_not_the_last_that_finished(history: History) -> None:
    recorded(history, ended(1), ended(2, Outcome.FAILED, code="busy"), ended(3, Outcome.ABORTED, code="died"))
    assert history.last_finished(Kind.BACKUP, "main") == ended(2, Outcome.FAILED, code="busy")


def test_the_last_run_is_the_last_on_record_also_after_one_that_a_wrong_clock_dated_ahead(history: History) -> None:
    failures = [ended(number, Outcome.FAILED, code="busy") for number in (1, 2)]
    recorded(history, ended(960), *failures)
    assert history.latest(Kind.BACKUP, "main") == failures[1]
    assert history.consecutive_failures(Kind.BACKUP, "main") == 2
    recorded(history, ended(3))
    assert history.last_success(Kind.BACKUP, "main") == ended(3)
    assert history.consecutive_failures(Kind.BACKUP, "main") == 0


def test_jobs_are_listed_newest_first_by_the_page_and_by_what_they_are(history: History) -> None:
    both = [ended(1), ended(1, Outcome.FAILED, set_name="attendance", code="busy")]
    history.begin(*[replace(one, outcome=None, ended_at=None, code=None) for one in both])
    for one in both:
        history.end(one)
    recorded(history, ended(2), ended(3, kind=Kind.VERIFY))
    assert history.jobs(JobFilter(), 2, 1) == [(ended(2),), tuple(both)]
    assert history.count_jobs(JobFilter()) == 3
    assert history.jobs(JobFilter(outcome=Outcome.FAILED), 9, 0) == [tuple(both)]
    assert history.count_jobs(JobFilter(kind=Kind.BACKUP, set_name="main")) == 2


def test_totals_never_go_down_when_old_runs_are_forgotten(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "KEPT", 3)
    recorded(history, ended(0), *[ended(number, Outcome.FAILED, code="busy") for number in range(1, 9)])
    history.account(Accounted("backup:main", NOW, tuple(ended(n, Outcome.MISSED) for n in range(20, 30))))
    kept = {one.job_id for runs in history.jobs(JobFilter(), 99, 0) for one in runs}
    assert kept == {"job 0", "job 6", "job 7", "job 8", "job 27", "job 28", "job 29"}
    assert history.last_success(Kind.BACKUP, "main") == ended(0)
    assert history.totals() == [
        Total(Kind.BACKUP, "main", Trigger.MANUAL, Outcome.FAILED, "busy", 8),
        Total(Kind.BACKUP, "main", Trigger.MANUAL, Outcome.MISSED, "", 10),
        Total(Kind.BACKUP, "main", Trigger.MANUAL, Outcome.SUCCEEDED, "", 1),
    ]


def test_a_clock_that_is_set_back_leaves_runs_and_forgets_what_never_was(history: History) -> None:
    recorded(history, ended(1, due_at=NOW + HOUR), ended(9, due_at=NOW + 9 * HOUR))
    history.account(Accounted("backup:main", NOW + 20 * HOUR, (ended(3, Outcome.MISSED, due_at=NOW + 3 * HOUR),)))
    history.turned_back(Kind.BACKUP, "main", NOW + 2 * HOUR)
    assert history.accounted_until("backup:main") == NOW + 2 * HOUR
    assert history.outcomes(Kind.BACKUP, "main") == {NOW + HOUR: Outcome.SUCCEEDED}
    assert history.run("job 9") == (ended(9),)


def test_a_pause_is_kept_until_it_is_taken_back(history: History, tmp_path: Path) -> None:
    pause = Pause(NOW, NOW + HOUR, "somebody")
    history.pause("backup:main", pause)
    with opened(tmp_path) as again:
        assert again.paused("backup:main") == pause
        again.resume("backup:main")
        assert again.paused("backup:main") is None
    assert [pause.covers(NOW + offset) for offset in (-HOUR, timedelta(), HOUR / 2, HOUR)] == [False, True, True, False]


def test_a_repeated_request_is_recognised_for_a_day(history: History) -> None:
    retry = Retry("key", "trigger main")
    assert history.recall(retry, NOW) is None
    history.begin(run(0), retry=retry)
    assert history.recall(retry, NOW + 23 * HOUR) == "job 0"
    with pytest.raises(UsageError):
        history.recall(Retry("key", "trigger all"), NOW)
    assert history.recall(retry, NOW + 25 * HOUR) is None


def test_counters_survive(history: History, tmp_path: Path) -> None:
    history.add("deleted", "main", 2)
    history.add("deleted", "main", 3)
    with opened(tmp_path) as again:
        assert again.counted() == {("deleted", "main"): 5}


def manifest(backup_id: str, when: datetime) -> Manifest:
    return Manifest(
        backup_id=backup_id,
        backup_type="main",
        filename=f"{backup_id}.json",
        timestamp=when,
        checksum="0" * 64,
        checksum_algorithm="SHA256",
        file_size_bytes=1,
        file_size_mb=0.0,
        collections={},
        mongo_url="",
        db_name="db",
        version="3.0",
        trigger=Trigger.SCHEDULED,
        duration_seconds=5.0,
    )


def test_a_lost_record_is_rebuilt_from_the_backups(tmp_path: Path) -> None:
    with opened(tmp_path, manifest("b", NOW), manifest("a", NOW - HOUR)) as history:
        made = Run(
            job_id="b",
            kind=Kind.BACKUP,
            set_name="main",
            trigger=Trigger.SCHEDULED,
            started_at=NOW,
            ended_at=NOW + timedelta(seconds=5),
            outcome=Outcome.SUCCEEDED,
            message="b.json",
            backup_id="b",
        )
        assert history.latest(Kind.BACKUP, "main") == made
        assert history.totals() == [Total(Kind.BACKUP, "main", Trigger.SCHEDULED, Outcome.SUCCEEDED, "", 2)]
        assert history.accounted_until("backup:main") == NOW
        assert history.recovered is None


def test_a_set_is_known_since_its_first_due_time_or_run_and_until_then_since_it_was_first_seen(
    history: History,
) -> None:
    assert history.known_since(Kind.BACKUP, "main") is None
    history.account(Accounted("backup:main", NOW + HOUR))
    assert history.known_since(Kind.BACKUP, "main") == NOW + HOUR
    history.begin(run(0))
    history.account(Accounted("backup:main", NOW + 9 * HOUR))
    assert history.known_since(Kind.BACKUP, "main") == NOW
    assert history.known_since(Kind.BACKUP, "attendance") is None


def test_a_set_that_others_back_up_is_known_since_it_was_first_seen(history: History) -> None:
    for hours in range(1, 4):
        history.account(Accounted("backup:main", NOW + hours * HOUR))
    assert history.known_since(Kind.BACKUP, "main") == NOW + HOUR
    history.turned_back(Kind.BACKUP, "main", NOW)
    history.account(Accounted("backup:main", NOW + 9 * HOUR))
    assert history.known_since(Kind.BACKUP, "main") == NOW


def test_a_set_is_known_as_long_when_its_oldest_runs_are_forgotten(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "KEPT", 2)
    for hours in range(5):
        history.account(Accounted("backup:main", NOW + hours * HOUR))
        recorded(history, ended(hours))
    assert history.known_since(Kind.BACKUP, "main") == NOW
