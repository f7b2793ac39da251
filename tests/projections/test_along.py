"""Many bases at once: what is found along them, and counted, is what each of them has by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.event import Logged
from domain.family import RELATION
from projections.basis import Basis
from projections.ports import Stretch
from projections.series import COUNTS, counted, counted_along, held_along
from tests.adapters.store import recorded
from tests.build import say, stream
from tests.histories import DAY0, DAYS, logs, share
from tests.projections.naive import Folded

URLs = Callable[[], str]
COUNTED = tuple(sorted({spec.family for spec in COUNTS.values()}))
FAMILIES = st.sampled_from([None, *COUNTED])


@st.composite
def bases(draw: st.DrawFn, log: Sequence[Logged]) -> list[Basis]:
    """Days that ascend, each as known on a day that does not descend, as of one position."""
    days = sorted(draw(st.sets(st.integers(DAY0 - 2, DAY0 + DAYS), min_size=1, max_size=9)))
    known = sorted(draw(st.integers(DAY0 - 5, DAY0 + DAYS + 5)) for _ in days)
    position = draw(st.sampled_from(sorted({item.batch for item in log})))
    return [Basis(day, at, position, 0) for day, at in zip(days, known, strict=True)]


# ---------------------------------------------------------------- properties
@share(8)
@given(logs(max_subjects=4, max_events=10), st.data(), FAMILIES, st.booleans())
def test_along_bases_is_found_what_each_finds(fresh: URLs, log: list[Logged], data: st.DataObject, family: str | None, in_turn: bool) -> None:
    asked = data.draw(bases(log))
    with recorded(fresh(), log) as store:
        store.facts._begin = lambda *_: in_turn  # type: ignore[method-assign]
        told = held_along(store.facts.along(asked, RELATION, family), len(asked))
        assert told == [[item for item in store.facts.stab(basis, RELATION) if family in (None, item.family)] for basis in asked]
        for subject in store.streams:
            told = held_along(store.facts.of_subject_along(asked, subject), len(asked))
            assert told == [store.facts.of_subject(basis, subject) for basis in asked]


@share(20)
@given(logs(max_subjects=4, max_events=10), st.data())
def test_whichever_way_is_taken(fresh: URLs, log: list[Logged], data: st.DataObject) -> None:
    asked = data.draw(bases(log))
    with recorded(fresh(), log) as store:
        assert held_along(store.facts.along(asked, RELATION), len(asked)) == [store.facts.stab(basis, RELATION) for basis in asked]


@given(logs(COUNTED, max_subjects=3, max_events=10), st.data())
def test_counts_along_days_are_those_of_each_day(log: list[Logged], data: st.DataObject) -> None:
    asked = data.draw(bases(log))
    days, folded = [basis.as_of for basis in asked], Folded(log)
    told = list(folded.along(asked, RELATION))
    for spec in COUNTS.values():
        expected = [counted(spec, found, day) for found, day in zip(held_along(told, len(asked)), days, strict=True)]
        assert counted_along(spec, told, days) == expected
        assert counted_along(spec, joined(told), days) == expected


def joined(told: Sequence[Stretch]) -> list[Stretch]:
    """As few stretches as there can be."""
    out: list[Stretch] = []
    for stretch in sorted(told, key=lambda stretch: (stretch.found, stretch.first)):
        if out and out[-1].found == stretch.found and out[-1].after == stretch.first:
            out[-1] = out[-1]._replace(after=stretch.after)
        else:
            out.append(stretch)
    return out


# ---------------------------------------------------------------- rules
def test_a_key_comes_to_be_certain_while_its_fact_stays_the_same() -> None:
    """Talks that began between two days are possible on the first of them, and certain from the last one."""
    log = stream(say("negotiation.opened", "[2020-01-04..2020-01-08]", known="2020-01-01", name="Talks"))
    days = list(range(DAY0, DAY0 + 12))
    told = joined(list(Folded(log).along([Basis(day, DAY0 + 30, 1, 0) for day in days], RELATION)))
    assert [(count["value"], count["possible"], count["by"]) for count in counted_along(COUNTS["talks_open"], told, days)] == (
        [(0, 0, {})] * 3 + [(0, 1, {})] * 4 + [(1, 0, {"Talks": 1})] * 5)
