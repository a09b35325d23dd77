from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from sidecar.history import glance
from sidecar.history.database import NAME
from sidecar.history.record import History
from sidecar.model import Kind, Outcome, Run, Trigger
from support.clock import FakeClock


def test_the_last_run_is_read_beside_the_server_that_writes_and_nothing_is_changed(tmp_path: Path) -> None:
    now = FakeClock("2026-11-24T12:00:00+00:00").now()
    runs = [
        Run(
            job_id=f"job {number}",
            kind=kind,
            set_name="main",
            trigger=trigger,
            started_at=now,
            ended_at=now + timedelta(seconds=number),
            outcome=Outcome.SUCCEEDED,
        )
        for number, (kind, trigger) in enumerate(
            [(Kind.VERIFY, Trigger.SCHEDULED), (Kind.VERIFY, Trigger.MANUAL), (Kind.DRILL, Trigger.MANUAL)]
        )
    ]
    under_way = Run(job_id="job 9", kind=Kind.DRILL, set_name="main", trigger=Trigger.MANUAL, started_at=now)
    with History(tmp_path, lambda: (), now) as history:
        for one in runs:
            history.begin(one)
            history.end(one)
        history.begin(under_way)
        assert glance.last_run(tmp_path, Kind.VERIFY, "main", Trigger.SCHEDULED) == runs[0]
        assert glance.last_run(tmp_path, Kind.VERIFY, "main") == runs[1]
        assert glance.last_run(tmp_path, Kind.DRILL, "main") == runs[2]
        assert glance.last_run(tmp_path, Kind.DRILL, "attendance") is None
        assert glance.latest_runs(tmp_path, ["main"], None, 2) == [runs[2], under_way]
        assert glance.latest_runs(tmp_path, ["main", "attendance"], Kind.VERIFY, 9) == runs[:2]
        assert glance.latest_runs(tmp_path, ["attendance"], None, 9) == []
        assert history.run("job 9") == (under_way,)


def test_a_record_that_is_not_there_or_unreadable_tells_nothing(tmp_path: Path) -> None:
    assert glance.last_run(tmp_path, Kind.DRILL, "main") is None
    (tmp_path / NAME).write_bytes(b"no database" * 99)
    with capture_logs() as said:
        assert glance.last_run(tmp_path, Kind.DRILL, "main") is None
    assert [(one["event"], one["error"]) for one in said] == [("history.unreadable", "file is not a database")]


def test_a_record_that_cannot_be_looked_at_holds_nothing(tmp_path: Path) -> None:
    beyond = tmp_path / ("x" * 300)  # longer than names may be: asking whether it exists is an error
    assert glance.latest_runs(beyond, ["main"], None, 1) == []
