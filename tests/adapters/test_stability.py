"""The same explicit basis gives the same bytes, whatever is recorded or learned after it: the promise that the product rests on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rebuild import rebuild
from domain.calendar import format_day
from domain.catalogue import CATALOGUE
from domain.errors import NotFound
from domain.event import Event, Logged
from projections.answers import Answers, Page, decode_cursor
from projections.basis import format_instant
from projections.question import Resolved
from projections.series import COUNTS
from tests.adapters.store import Basis3, Store
from tests.build import amend, retract, say
from tests.histories import DAY0, NAMES, SEEDS, batches, logs, points, share, streams

URLs = Callable[[], str]
Answer = Callable[[], bytes]
MANY = 1000


# ---------------------------------------------------------------- every question of the doors
def questions(answers: Answers, asked: Resolved, subjects: Sequence[str]) -> Iterator[tuple[str, Answer]]:
    """Everything that can be asked on a basis of these subjects, their families and what is counted of them."""
    first, last = format_day(DAY0 - 3), format_day(DAY0 + 25)
    yield "state", lambda: answers.state(asked)
    yield "timeline", lambda: answers.timeline(asked, first, last, MANY).body
    yield "timeline by page", lambda: _pages(answers, asked, lambda a, n: answers.timeline(a, None, None, 2, n))
    yield "subjects", lambda: answers.subjects(asked, None, "", MANY).body
    yield "subjects by page", lambda: _pages(answers, asked, lambda a, n: answers.subjects(a, None, "", 1, n))
    yield "subjects by text", lambda: answers.subjects(asked, None, "t", MANY).body
    families = {subject.partition(":")[0]: CATALOGUE.family(subject) for subject in [*subjects, "agreement:a"]}
    for family in families.values():
        name, plural = family.name, family.plural
        yield f"subjects of {name}", lambda name=name: answers.subjects(asked, name, "", MANY).body  # type: ignore[misc]
        if not family.recorded_alone:
            yield plural, lambda plural=plural: answers.facts(asked, plural, {}, MANY).body  # type: ignore[misc]
            yield f"{plural} between", lambda plural=plural: answers.facts(asked, plural, {}, MANY, 0, first, last).body  # type: ignore[misc]
            yield f"{plural} by page", lambda plural=plural: _pages(  # type: ignore[misc]
                answers, asked, lambda a, n: answers.facts(a, plural, {}, 1, n))
    counts = [name for name, spec in COUNTS.items() if spec.family in families]
    for name in (*counts, *(s for s in subjects if s.startswith("indicator:"))):
        for live in (False, True):
            yield f"series {name} {live}", lambda name=name, live=live: answers.series(  # type: ignore[misc]
                asked, name, first, last, "week", live)
    for subject in subjects:
        yield subject, lambda subject=subject: answers.subject(asked, subject)  # type: ignore[misc]
        yield f"history of {subject}", lambda subject=subject: answers.history(asked, subject)  # type: ignore[misc]
        yield f"timeline of {subject}", lambda subject=subject: answers.timeline(asked, None, last, MANY, 0, None, subject).body  # type: ignore[misc]
        for version in (1, 2, 4):
            yield f"{subject}@{version}", lambda subject=subject, version=version: answers.event(  # type: ignore[misc]
                asked, f"{subject}@{version}")
            yield f"what if without {subject}@{version}", lambda subject=subject, version=version: answers.what_if(  # type: ignore[misc]
                asked, [f"{subject}@{version}"], [])


def _pages(answers: Answers, asked: Resolved, page: Callable[[Resolved, int], Page]) -> bytes:
    """All pages of a list, each asked for by the cursor of the one before."""
    out, offset = b"", 0
    while True:
        body, cursor = page(asked, offset)
        out += body
        if cursor is None:
            return out
        *times, offset = decode_cursor(cursor)
        asked = answers.basis(*times)


def told(answer: Answer) -> bytes:
    """An answer, or the words with which there is none."""
    try:
        return answer()
    except NotFound as error:
        return f"404 {error}".encode()


def everything(answers: Answers, asked: Resolved, subjects: Sequence[str]) -> dict[str, bytes]:
    return {name: told(answer) for name, answer in questions(answers, asked, subjects)}


def diffs(store: Store, one: Basis3, other: Basis3) -> bytes:
    return store.answers.diff(format_day(one[0]), format_day(other[0]), format_day(one[1]), format_day(other[1]),
                              format_instant(store.instants[one[2]]), format_instant(store.instants[other[2]]))


def unchanged(before: dict[str, bytes], after: dict[str, bytes]) -> bool:
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, [(name, before[name], after[name]) for name in changed[:1]]
    return True


# ---------------------------------------------------------------- properties
_RECORDED = re.compile(rb'"recorded_at":"[^"]*"|"position":\d+|recorded_at=[^"&]*')
MIXED = (*NAMES, "coverage", "coverage", "coverage", "indicator", "designation")


@share(8)
@given(logs(MIXED, max_subjects=4, max_events=10, min_events=2), SEEDS)
def test_an_answer_on_an_explicit_basis_depends_on_nothing_that_was_recorded_after_it(fresh: URLs, log: list[Logged], seed: int) -> None:
    random, store, subjects = Random(seed), Store(fresh()), list(streams(log))
    seen: list[tuple[Basis3, Resolved, dict[str, bytes]]] = []
    compared: list[tuple[Basis3, Basis3, bytes]] = []
    for batch in batches(log):
        store.append([item.event for item in batch])
        here = [p for p in points(log, random.randrange(2**32), 40) if p[2] in store.instants][:2]
        if here and len(seen) < 3:
            basis = random.choice(here)
            asked = store.ask(*basis)
            seen.append((basis, asked, everything(store.answers, asked, subjects)))
            compared.append((here[0], here[-1], diffs(store, here[0], here[-1])))
    for basis, resolved, before in seen:
        assert unchanged(before, everything(store.answers, store.ask(*basis), subjects))
        assert unchanged(before, everything(store.answers, resolved, subjects))  # resolved then, answered now
    for one, other, said in compared:
        assert diffs(store, one, other) == said
    store.log.close()


@share(8)
@given(logs(MIXED, max_subjects=3, max_events=8), SEEDS, st.integers(-4, 20))
def test_an_answer_depends_on_nothing_that_was_known_after_it(fresh: URLs, log: list[Logged], seed: int, day: int) -> None:
    """Of two logs that differ in what was known later than the basis alone, each tells the same of it, but for its places in the log.

    Corrections are left out: an amendment that was public before its original takes the original's place in its day.
    """
    known_at = DAY0 + day
    kept = [i.event for i in log if not i.event.type.startswith("correction.")]
    early = [e for e in kept if e.known_day <= known_at and e.family != "coverage"]
    late = [e for e in kept if e.known_day > known_at and e.family != "coverage"]
    one, two = Store(fresh()), Store(fresh())
    for events, store in ((early, one), ([*early, *late], two)):
        store.append([say("coverage.declared", known="1999-01-01")])
        if events:
            store.append(events)
    for as_of in (known_at - 3, known_at, DAY0 + Random(seed).randrange(-2, 30)):
        sides = [everything(s.answers, s.answers.basis(format_day(as_of), format_day(known_at)), list(two.streams)) for s in (one, two)]
        sides = [{name: _RECORDED.sub(b"", body) for name, body in side.items() if "by page" not in name} for side in sides]
        assert unchanged(*sides)
    one.log.close()
    two.log.close()


# ---------------------------------------------------------------- the same by example, where it is easiest to fail
BASE: list[Event] = [
    say("agreement.concluded", "2020-01-05", id="c", parties=["IRN", "USA"]),
    say("coverage.declared", "2020-01-05", id="v", family="agreement", first_day="2019-01-01", last_day="2020-01-31"),
    say("indicator.observed", "2020-01-05", id="o", publisher="imf", value=1.0),
    say("authorization.waiver_issued", "2020-01-05", id="w", until="2020-02-05"),
]
AFTER: dict[str, list[Event]] = {
    "an event known long before": [say("agreement.participant_withdrew", "2020-01-06", "2020-01-06", party="USA")],
    "an amendment": [amend("c", "agreement.concluded", "2020-01-07", "2020-01-07", parties=["IRN"])],
    "an amendment known before its original": [amend("c", "agreement.concluded", "2020-01-01", "2020-01-01", parties=["IRN"])],
    "a retraction": [retract("c", "2020-01-05")],
    "a retraction known before its original": [retract("c", "2020-01-01")],
    "a retraction and its retraction": [retract("c", "2020-01-05", id="x"), retract("x", "2020-01-05", id="y")],
    "a correction of coverage": [amend("v", "coverage.declared", "2020-01-05", "2020-01-05", subject="coverage:a", family="agreement",
                                       first_day="2019-06-01", last_day="2020-06-30")],
    "a retraction of coverage": [retract("v", "2020-01-05", subject="coverage:a")],
    "more coverage": [say("coverage.declared", "2020-01-05", subject="coverage:b", family="office", last_day="2020-12-31")],
    "a snapshot": [say("coverage.snapshot_taken", "2020-01-05", subject="coverage:s", day="2020-01-06")],
    "a subject first heard of later": [say("agreement.concluded", "2020-01-06", "2020-01-06", subject="agreement:b", name="t")],
    "another name": [say("agreement.entered_into_force", "2020-01-06", "2020-01-04", name="a name")],
    "a level": [say("indicator.observed", "2020-01-06", publisher="imf", value=2.0)],
    "a new end of a term": [say("authorization.renewed", "2020-01-20", "2020-01-06", until="2020-08-05")],
    "an earlier event of everything": [say(t, "2019-12-01", "2019-12-01") for t in ("office.assumed", "program.took_effect", "report.published")],
}


@pytest.mark.parametrize("what", AFTER)
def test_what_is_recorded_later_changes_no_answer_on_an_earlier_basis(fresh: URLs, what: str) -> None:
    store = Store(fresh())
    store.append(BASE)
    subjects = sorted({e.subject for e in [*BASE, *AFTER[what]]})
    bases = [(DAY0 + as_of, DAY0 + known, len(BASE)) for as_of, known in ((4, 3), (10, 4), (40, 100))]
    asked = {basis: store.ask(*basis) for basis in bases}
    before = {basis: everything(store.answers, asked[basis], subjects) for basis in bases}
    compared = diffs(store, bases[0], bases[-1])
    store.append(AFTER[what])
    for basis in bases:
        assert unchanged(before[basis], everything(store.answers, store.ask(*basis), subjects))
    assert unchanged(before[bases[0]], everything(store.answers, asked[bases[0]], subjects))  # resolved then, answered now
    rebuild(store.database)
    assert unchanged(before[bases[1]], everything(store.answers, store.ask(*bases[1]), subjects))
    assert diffs(store, bases[0], bases[-1]) == compared
    store.log.close()


def test_what_was_asked_before_an_append_and_is_answered_after_it_is_told_whole(fresh: URLs) -> None:
    store = Store(fresh())
    store.append(BASE)
    asked = store.answers.basis("2020-01-10")
    before = store.answers.state(asked)
    store.append([retract("c", "2020-01-10")])
    assert store.answers.state(asked) == before
    store.log.close()


def test_a_basis_is_immutable_only_where_all_three_times_are_given_and_past(fresh: URLs) -> None:
    store = Store(fresh())
    store.append(BASE)
    now = format_instant(store.instants[len(BASE)])
    days = "2020-01-10", "2020-01-10"
    assert store.answers.basis(*days, now).immutable
    assert not store.answers.basis(*days).immutable
    assert not store.answers.basis(*days, "2999-01-01T00:00:00Z").immutable
    assert not store.answers.basis(days[0], None, now).immutable
    assert not store.answers.basis(None, days[1], now).immutable
    store.log.close()


def test_before_the_first_batch_nothing_is_known_and_nothing_is_found(fresh: URLs) -> None:
    store = Store(fresh())
    store.append(BASE)
    basis = store.ask(DAY0 + 40, DAY0 + 40, 0)
    assert basis.basis.position == 0
    assert store.answers.stab(basis) == []
    with pytest.raises(NotFound, match="not known on this basis"):
        store.answers.subject(basis, "agreement:a")
    with pytest.raises(NotFound, match="no event"):
        store.answers.event(basis, "agreement:a@1")
    store.log.close()
