"""What is still to be said: recorded with what it tells of, and neither lost nor said twice by a restart."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from sidecar.errors import DIED
from sidecar.history.outbox import KEPT, Letter, of_notice
from sidecar.history.record import History
from sidecar.model import Channel, Kind, Notice, NoticeState, Outcome, Run, Severity, Trigger
from sidecar.rules.conditions import Condition, News

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
RUN = Run(job_id="backup_1", kind=Kind.BACKUP, set_name="main", trigger=Trigger.SCHEDULED, started_at=NOW)
DONE = replace(RUN, ended_at=LATER, outcome=Outcome.SUCCEEDED, message="made", backup_id="seed_backup_20261124_120000")
WRONG = Condition(subject="last run", set_name="main", severity=Severity.WARNING, words="failed")
NOTICE = Notice(state=NoticeState.FIRING, severity=Severity.WARNING, set_name="main", title="t", text="x")


def _say(letter: Letter, _: News) -> list[Letter]:
    return [letter]


def opened(directory: Path) -> History:
    return History(directory, lambda: (), NOW, ("main",))


def waiting(history: History, channel: Channel = Channel.HEARTBEAT) -> list[Letter]:
    return [letter for letter, _ in history.outbox.waiting(channel)]


def said(history: History) -> list[tuple[object, object]]:
    return [(one.content["signal"], one.content["outcome"]) for one in waiting(history)]


def test_a_run_that_begins_and_ends_leaves_one_word_of_each_until_it_was_said(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.begin(RUN)
        assert said(history) == [("start", None)]
        history.end(DONE)
        assert said(history) == [("end", "succeeded")]  # nobody needs to hear any more that it began
    with opened(tmp_path) as history:
        (letter,) = waiting(history)
        assert (letter.content["backup_id"], letter.made_at) == (DONE.backup_id, LATER)
        history.outbox.drop(letter)
    with opened(tmp_path) as history:
        assert waiting(history) == []


def test_the_next_run_does_not_take_away_the_word_of_the_last_but_its_end_does(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.begin(RUN)
        history.end(DONE)
        late = waiting(history)[0]
        history.begin(replace(RUN, job_id="backup_2", started_at=LATER + timedelta(minutes=1)))
        assert said(history) == [("end", "succeeded"), ("start", None)]
        failed = replace(DONE, job_id="backup_2", outcome=Outcome.FAILED, ended_at=LATER + timedelta(minutes=2))
        history.end(failed)
        history.outbox.drop(late)  # whoever was just sending the old one
        assert said(history) == [("end", "failed")]


def test_a_run_whose_process_died_is_said_to_have_failed(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.begin(RUN)
    with opened(tmp_path) as history:
        (letter,) = waiting(history)
        assert (letter.content["signal"], letter.content["outcome"]) == ("end", "aborted")
        assert (run := history.run("backup_1"))
        assert run[0].code == DIED


@pytest.mark.parametrize("code", ["cancelled", "stopped"])
def test_a_run_that_somebody_ended_is_nobodys_news(code: str, tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.begin(RUN)
        history.end(replace(DONE, outcome=Outcome.ABORTED, code=code))
        assert waiting(history) == []


def test_runs_without_an_address_and_other_work_say_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.begin(replace(RUN, set_name="attendance"))
        history.begin(replace(RUN, job_id="verify_1", kind=Kind.VERIFY))
        history.end(replace(DONE, job_id="backup_2", outcome=Outcome.SKIPPED))
        assert waiting(history) == []


def test_news_is_queued_once_also_over_a_restart(tmp_path: Path) -> None:
    def say(change: News) -> list[Letter]:
        return [of_notice(Channel.WEBHOOK, NOTICE, f"{change.is_over}", NOW)]

    with opened(tmp_path) as history:
        assert history.outbox.note([WRONG], say) == [News(WRONG)]
    with opened(tmp_path) as history:
        assert history.outbox.note([WRONG], say) == []
        assert history.outbox.standing("main") == [WRONG]
        assert history.outbox.note([], say) == [News(WRONG, is_over=True)]
        assert [letter.notice for letter in waiting(history, Channel.WEBHOOK)] == [NOTICE, NOTICE]
        assert history.outbox.standing("main") == []


def test_what_was_tried_in_vain_waits_with_its_attempts_over_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.end(DONE)
        history.outbox.postpone(waiting(history)[0], LATER)
    with opened(tmp_path) as history:
        ((letter, next_at),) = history.outbox.waiting(Channel.HEARTBEAT)
        assert (letter.attempts, next_at) == (1, LATER)


def test_of_what_nobody_takes_only_the_newest_are_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        for number in range(KEPT + 3):
            at = NOW + timedelta(seconds=number)
            wrong = replace(WRONG, severity=(Severity.WARNING, Severity.CRITICAL)[number % 2])
            letter = of_notice(Channel.MAIL, NOTICE, "k", at)
            history.outbox.note([wrong], partial(_say, letter))
        kept = waiting(history, Channel.MAIL)
        assert (len(kept), kept[0].made_at) == (KEPT, NOW + timedelta(seconds=3))


def test_a_channel_that_is_no_more_takes_its_letters_with_it(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.end(DONE)
        history.outbox.note([WRONG], lambda _: [of_notice(Channel.MAIL, NOTICE, "k", NOW)])
        history.outbox.keep_only([Channel.HEARTBEAT], ["main"])
        assert (waiting(history, Channel.MAIL), len(waiting(history))) == ([], 1)


def test_a_record_of_a_program_that_knew_no_notices_is_used_as_it_is(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        history.begin(replace(RUN, kind=Kind.VERIFY))
    with closing(sqlite3.connect(tmp_path / "history.sqlite3")) as old:
        old.execute("DROP TABLE outbox")
        old.execute("DROP TABLE conditions")
        old.commit()
    with opened(tmp_path) as history:
        assert (history.recovered, history.is_durable, len(history.run("backup_1"))) == (None, True, 1)
        history.end(DONE)
        assert said(history) == [("end", "succeeded")]
