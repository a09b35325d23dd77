from sidecar.model import BackupSet
from sidecar.rules.coverage import Uncovered, uncovered

NAMED = BackupSet(name="main", collections=("users", "buses"), prefix="seed_backup")
ALL = BackupSet(name="all", collections=("*",), exclude=("sessions",), prefix="all_backup")


def test_collections_that_no_set_takes_are_told_and_databases_only_beside_a_set_of_everything() -> None:
    there = ["users", "buses", "zebras", "logs", "sidecar_leases", "sidecar_restoring_0123abcd"]
    databases = ["admin", "local", "config", "other"]
    assert uncovered([NAMED], there, databases) == Uncovered(("logs", "zebras"))
    assert uncovered([NAMED, ALL], [*there, "sessions"], databases) == Uncovered((), ("other",))


def test_what_is_left_out_on_purpose_is_not_told() -> None:
    there = ["users", "tmp_1", "tmp_2", "sessions", "fs.files"]
    assert uncovered([NAMED], there, ignore=("tmp_*", "sessions")) == Uncovered(("fs.files",))
    assert uncovered([ALL], there, ["other", "another"], ("other.*",)) == Uncovered((), ("another",))


def test_it_is_said_in_words() -> None:
    assert str(Uncovered()) == ""
    assert str(Uncovered(("a",))) == "1 collection is in no backup: a"
    assert str(Uncovered(tuple("abcdefg"), ("x", "y"))) == (
        "7 collections are in no backup: a, b, c, d, e and 2 more; 2 databases are in no backup: x, y"
    )


def test_only_what_was_not_there_before_is_new() -> None:
    assert Uncovered(("a", "b"), ("x",)).new(Uncovered(("a",), ("x",))) == Uncovered(("b",))
