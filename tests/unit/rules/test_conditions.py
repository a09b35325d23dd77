from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import Severity
from sidecar.rules.conditions import Condition, News, changes

condition = st.builds(
    Condition,
    subject=st.sampled_from(["newest backup", "last run", "storage"]),
    set_name=st.sampled_from(["", "main", "attendance"]),
    severity=st.sampled_from(Severity),
    words=st.text(max_size=5),
)
conditions = st.lists(condition, unique_by=lambda one: one.key)


def told(known: dict[str, Condition], news: list[News]) -> dict[str, Condition]:
    """What somebody knows who has heard the news."""
    over = {change.condition.key for change in news if change.is_over}
    kept = {key: one for key, one in known.items() if key not in over}
    return kept | {change.condition.key: change.condition for change in news if not change.is_over}


@given(conditions, conditions)
def test_whoever_hears_the_news_knows_what_is_wrong_and_hears_nothing_twice(
    before: list[Condition], after: list[Condition]
) -> None:
    known = told({}, changes({}, before))
    heard = told(known, changes(known, after))
    assert {key: one.severity for key, one in heard.items()} == {one.key: one.severity for one in after}
    assert changes(heard, after) == []


def test_other_words_are_no_news_and_another_severity_is() -> None:
    one = Condition(subject="last run", set_name="main", severity=Severity.WARNING, words="failed at 10")
    again = Condition(subject="last run", set_name="main", severity=Severity.WARNING, words="failed at 11")
    worse = Condition(subject="last run", set_name="main", severity=Severity.CRITICAL, words="failed at 12")
    assert changes({one.key: one}, [again]) == []
    assert changes({one.key: one}, [worse]) == [News(worse)]
    assert changes({one.key: one}, []) == [News(one, is_over=True)]
