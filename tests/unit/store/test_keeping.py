"""What is kept and what goes: told as it was carried out."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from sidecar.archive.manifest import to_bytes
from sidecar.errors import Busy, StorageError
from sidecar.model import BackupId, BackupSet, StoredBackup
from sidecar.rules.retention import Decision, Policy, Steadiness
from sidecar.store import judgement as judgement_module
from sidecar.store import keeping as module
from sidecar.store.catalog import Catalog
from sidecar.store.judgement import BELIEVED, Judgement, judged
from sidecar.store.keeping import Keeping
from sidecar.store.ledger import Event
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock
from support.stores import manifest_of


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """One of three backups is kept."""
    store = LocalStore(
        tmp_path / "backups", BackupSet(name="main", collections=("users",), prefix="seed_backup", limit=1)
    )
    for hours in range(3):
        moment = datetime.now(UTC) - timedelta(hours=4 - hours)
        with store.locked("test") as lock, store.begin(lock, moment) as draft:
            draft.write(b"data")
            draft.commit_data()
            draft.commit(to_bytes(manifest_of(draft.id, b"data")))
    return store


def there(store: LocalStore) -> list[BackupId]:
    return [files.id for files in store.scan()]


def test_one_that_is_read_at_the_last_moment_is_not_told_as_deleted(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, middle, oldest = there(store)
    monkeypatch.setattr(LocalStore, "is_being_read", lambda *_: False)  # nobody did when they were judged
    with store.open_data(middle):
        told = {one.id: (one.keep, one.reason) for one in Keeping(Catalog({"main": store})).prune("main")}
    assert told == {
        newest: (True, "the newest valid backup"),
        middle: (True, "in use; then: number 2 of the valid backups, 1 are kept"),
        oldest: (False, "number 3 of the valid backups, 1 are kept"),
    }
    assert there(store) == [newest, middle]


def test_one_that_cannot_be_deleted_does_not_keep_the_others(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, middle, _ = there(store)
    delete = LocalStore.delete

    def failing(self: LocalStore, lock: Lock, backup_id: BackupId, event: Event, reason: str) -> None:
        if backup_id == middle:
            raise StorageError("Input/output error")
        delete(self, lock, backup_id, event, reason)

    monkeypatch.setattr(LocalStore, "delete", failing)
    with pytest.raises(StorageError, match="Input/output error"):
        Keeping(Catalog({"main": store})).prune("main")
    assert there(store) == [newest, middle]


def test_another_pin_in_the_place_of_one_is_seen(store: LocalStore) -> None:
    catalog = Catalog({"main": store})
    keeping, (newest, *_) = Keeping(catalog), there(store)
    keeping.pin(str(newest), None)
    until = datetime(2099, 1, 1, tzinfo=UTC)
    assert keeping.pin(str(newest), until).pinned_until == until
    assert [one.pinned_until for one in catalog.backups("main")] == [until, None, None]


def test_a_set_that_is_in_use_is_busy(store: LocalStore) -> None:
    with store.locked("a backup"), pytest.raises(Busy, match="the set main is in use: a backup"):
        Keeping(Catalog({"main": store})).prune("main")


def test_who_only_asks_is_told_at_once_what_has_changed(store: LocalStore) -> None:
    """The same question about the same backups is judged once in a while; everything else is another question."""
    keeping, (newest, middle, oldest) = Keeping(Catalog({"main": store})), there(store)

    def kept() -> list[BackupId]:
        return [one.id for one in keeping.decisions("main") if one.keep]

    assert [kept(), kept()] == [[newest], [newest]]
    keeping.pin(str(oldest), None)
    assert kept() == [newest, oldest]
    assert all(one.keep for one in keeping.decisions("main", keeping.policies["main"].but(limit=3)))
    assert kept() == [newest, oldest]
    with store.open_data(middle):
        assert kept() == [newest, middle, oldest]
    assert kept() == [newest, oldest]
    keeping.delete(str(newest), force=True)
    assert kept() == [middle, oldest]


def test_a_minute_later_the_rules_are_asked_anew(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping, days = Keeping(Catalog({"main": store})), timedelta(0)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + days

    monkeypatch.setattr(module, "datetime", Later)
    policy = keeping.policies["main"].but(limit=3, retention_days=30)
    assert [one.keep for one in keeping.decisions("main", policy)] == [True, True, True]
    days = timedelta(days=31)
    assert [one.keep for one in keeping.decisions("main", policy)] == [True, False, False]


def test_the_same_question_is_judged_once_in_90_seconds(store: LocalStore) -> None:
    oldest, policy = there(store)[-1], Keeping(Catalog({"main": store})).policies["main"].but(limit=3)
    judgement = Judgement(Catalog({"main": store}).backups("main"))
    early = oldest.taken_at + timedelta(days=policy.retention_days)  # right after which it is too old
    late, after = early + timedelta(seconds=89.9), early + BELIEVED

    def told(now: datetime, clock: Steadiness) -> list[Decision]:
        return judgement.decisions(policy, clock, now)

    first = told(early, Steadiness())
    assert told(late, Steadiness()) == first
    assert told(after, Steadiness()) == judged(judgement.stored, policy, after, Steadiness()) != first
    doubted = Steadiness(doubt="it was set")
    assert told(after, doubted) == judged(judgement.stored, policy, after, doubted) != told(after, Steadiness())


def test_the_clock_that_was_set_back_makes_another_question(store: LocalStore) -> None:
    policy = Keeping(Catalog({"main": store})).policies["main"]
    judgement, now, clock = (
        Judgement(Catalog({"main": store}).backups("main")),
        datetime(2027, 6, 1, tzinfo=UTC),
        Steadiness(),
    )
    first = judgement.decisions(policy, clock, now)
    earlier = there(store)[0].taken_at - timedelta(hours=1)  # all are dated ahead of it
    assert judgement.decisions(policy, clock, earlier) == judged(judgement.stored, policy, earlier, clock) != first


def test_what_the_look_at_everything_judged_is_not_judged_again_by_who_asks(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping, judge, asked, passed = (
        Keeping(Catalog({"main": store})),
        judgement_module.judged,
        list[datetime](),
        timedelta(0),
    )

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + passed

    def counted(stored: Iterable[StoredBackup], policy: Policy, now: datetime, clock: Steadiness) -> list[Decision]:
        asked.append(now)
        return judge(stored, policy, now, clock)

    monkeypatch.setattr(module, "datetime", Later)
    monkeypatch.setattr(judgement_module, "judged", counted)
    monkeypatch.setattr(LocalStore, "is_being_read", lambda *_: False)
    keeping.judge_again("main")
    keeping.decisions("main")
    passed = BELIEVED - timedelta(seconds=10)
    keeping.decisions("main")
    assert len(asked) == 1
    keeping.judge_again("main")
    assert len(asked) == 2
    keeping.judge_again("main")
    assert len(asked) == 2
