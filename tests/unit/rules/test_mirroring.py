"""What is sent, fetched and deleted, for any two sides that a machine may come to have."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import NOT_READ, VERIFIED, BackupId, BackupState, Metadata, StoredBackup, Verdict
from sidecar.rules.mirroring import plan, to_delete
from sidecar.rules.policy import Policy
from support.stores import manifest_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BAD = Verdict(BackupState.INVALID, "a byte flipped")
POLICY = Policy(3, 30)


def stored(hours: int, verdict: Verdict, content: bytes = b"data") -> StoredBackup:
    backup_id = BackupId.at("seed_backup", NOW - timedelta(hours=hours))
    read = None if verdict == NOT_READ else NOW
    manifest = manifest_of(backup_id, content)
    return StoredBackup(
        id=backup_id, set_name="main", metadata=Metadata.of(manifest), size_bytes=4, verdict=verdict, verified_at=read
    )


verdicts = st.sampled_from([VERIFIED, BAD, NOT_READ])
sides = st.dictionaries(st.integers(0, 1000), verdicts, max_size=12).map(
    lambda found: [stored(hours, verdict) for hours, verdict in found.items()]
)


@given(sides, sides)
def test_only_what_was_verified_here_goes_there_and_nothing_good_there_is_sent_again(
    here: list[StoredBackup], there: list[StoredBackup]
) -> None:
    mine, theirs = {one.id: one.verdict for one in here}, {one.id: one.verdict for one in there}
    found = plan(here, there, POLICY, NOW)
    assert all(mine[one] == VERIFIED and theirs.get(one) in (None, BAD) for one in found.send)
    assert all(mine[one] == BAD and theirs[one] == VERIFIED for one in found.fetch)
    assert list(found.send) == sorted(found.send, reverse=True)
    assert {one for one in mine if mine[one] == theirs.get(one) == BAD} == set(found.hopeless)


@given(sides, sides)
def test_what_was_sent_is_not_deleted_by_the_same_rules(here: list[StoredBackup], there: list[StoredBackup]) -> None:
    sent = set(plan(here, there, POLICY, NOW).send)
    after = [one for one in there if one.id not in sent] + [
        replace(one, verdict=VERIFIED) for one in here if one.id in sent
    ]
    gone = {one.id for one in to_delete(after, (), POLICY, NOW) if not one.keep}
    assert not gone & sent


@given(sides)
def test_the_newest_that_was_read_back_stays_whatever_is_here(there: list[StoredBackup]) -> None:
    good = [one.id for one in there if one.verdict == VERIFIED]
    kept = {one.id for one in to_delete(there, (), POLICY, NOW) if one.keep}
    assert not good or max(good) in kept
    if any(one.verdict == NOT_READ for one in there):
        assert kept == {one.id for one in there}


def test_another_backup_of_the_same_name_is_neither_overwritten_nor_fetched() -> None:
    found = plan([stored(1, VERIFIED, b"mine")], [stored(1, VERIFIED, b"theirs")], POLICY, NOW)
    assert (found.send, found.fetch, len(found.hopeless)) == ((), (), 1)


def test_a_suspect_backup_mends_nothing() -> None:
    suspect = stored(1, VERIFIED)
    assert suspect.manifest is not None
    said = suspect.manifest.model_copy(update={"suspicions": ("users: 1 of 1000",)})
    suspect = replace(suspect, metadata=Metadata.of(said))
    assert plan([stored(1, BAD)], [suspect], POLICY, NOW).fetch == ()
