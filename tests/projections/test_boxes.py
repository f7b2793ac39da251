"""Boxes are an index over the one definition: stabbing them equals the fold, and what was told is never changed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import Logged
from domain.family import RELATION
from domain.timeline import facts_on, held_on, records, timelines
from projections.boxes import OPEN, FactRow, MarkRow, NameRow, Span, body_of, history, rows_of
from tests.histories import NAMES, SEEDS, batches, family_of, histories, known_days, points, share, valid_days

each_family = pytest.mark.parametrize("name", NAMES)
Told = set[tuple[str, str, str, bytes]]


def _spans(stream: Sequence[Logged]) -> list[Span]:
    return history(family_of(stream), stream[0].event.subject, stream, RELATION)


def _stab(spans: Sequence[Span], as_of: int, known_at: int, position: int) -> Told:
    rows = [span.row for span in spans if span.opened <= position < span.closed]
    found = [row for row in rows if isinstance(row, FactRow)
             and row.valid_from <= as_of < row.valid_to and row.known_from <= known_at < row.known_to]
    told = {(row.key, row.kind, row.status, row.body) for row in found}
    assert len(told) == len(found), "a fact is told twice"
    return told


def _folded(stream: Sequence[Logged], as_of: int, known_at: int, position: int) -> Told:
    family, subject = family_of(stream), stream[0].event.subject
    held = facts_on(family, records(family, stream), as_of, known_at, position)
    return {(h.key, h.fact.kind, h.fact.status, body_of(subject, h)) for h in held}


@each_family
@share(4)
@given(data=st.data())
def test_stabbing_the_boxes_equals_the_fold_on_any_basis(name: str, data: st.DataObject) -> None:
    stream = data.draw(histories(name))
    spans = _spans(stream)
    for basis in points(stream, data.draw(SEEDS), 40):
        assert _stab(spans, *basis) == _folded(stream, *basis), basis


@share(4)
@given(histories(max_events=5))
def test_stabbing_the_boxes_equals_the_fold_at_every_boundary(stream: list[Logged]) -> None:
    family, subject, spans = family_of(stream), stream[0].event.subject, _spans(stream)
    parsed = records(family, stream)
    for position in {0, *(item.batch for item in stream)}:
        for known_at in known_days(stream):
            lines = timelines(family, parsed, known_at, position).values()
            for as_of in valid_days(stream):
                held = set().union(*(held_on(family, steps, as_of) for steps in lines))
                assert _stab(spans, as_of, known_at, position) == {
                    (h.key, h.fact.kind, h.fact.status, body_of(subject, h)) for h in held}, (as_of, known_at, position)


@share(1)
@given(histories(), SEEDS)
def test_what_is_told_on_an_explicit_basis_never_changes(stream: list[Logged], seed: int) -> None:
    for end in sorted({item.batch for item in stream}):
        early = [item for item in stream if item.batch <= end]
        for as_of, known_at, position in points(stream, seed, 15):
            if position <= end:
                before = _folded(early, as_of, known_at, position)
                assert _folded(stream, as_of, known_at, position) == before
                assert _stab(_spans(stream), as_of, known_at, position) == _stab(_spans(early), as_of, known_at, position) == before


@each_family
@share(4)
@given(data=st.data())
def test_the_history_of_rows_is_that_of_applying_batch_by_batch(name: str, data: st.DataObject) -> None:
    stream = data.draw(histories(name))
    open_rows: dict[FactRow | MarkRow | NameRow, int] = {}
    spans: set[Span] = set()
    for batch in batches(stream):
        at = batch[-1].batch
        rows = rows_of(family_of(stream), stream[0].event.subject, [item for item in stream if item.batch <= at], RELATION)
        wanted: set[FactRow | MarkRow | NameRow] = {*rows.facts, *rows.marks, *rows.names}
        spans |= {Span(row, open_rows.pop(row), at) for row in [*open_rows] if row not in wanted}
        open_rows |= dict.fromkeys(wanted - open_rows.keys(), at)
    spans |= {Span(row, opened, OPEN) for row, opened in open_rows.items()}
    assert len(_spans(stream)) == len(spans)
    assert set(_spans(stream)) == spans


@share(1)
@given(histories())
def test_a_box_is_never_empty_and_no_two_rows_of_one_place_overlap(stream: list[Logged]) -> None:
    spans = _spans(stream)
    for span in spans:
        assert span.opened < span.closed
        if not isinstance(span.row, NameRow):
            assert span.row.valid_from < span.row.valid_to
            assert span.row.known_from < span.row.known_to
    marks = [(span.row, span.opened, span.closed) for span in spans if isinstance(span.row, MarkRow)]
    for i, (one, opened, closed) in enumerate(marks):
        for other, opened_too, closed_too in marks[:i]:
            if one.root == other.root and opened < closed_too and opened_too < closed:
                assert one.known_from >= other.known_to or other.known_from >= one.known_to, (one, other)


@share(1)
@given(histories(), SEEDS)
def test_the_marks_of_a_basis_are_the_starts_of_its_timeline(stream: list[Logged], seed: int) -> None:
    family, spans = family_of(stream), _spans(stream)
    for _, known_at, position in points(stream, seed, 10):
        rows = [span.row for span in spans if isinstance(span.row, MarkRow) and span.opened <= position < span.closed]
        told = {(r.valid_from, r.valid_to, r.rank, r.root_known, r.root, r.version) for r in rows if r.known_from <= known_at < r.known_to}
        lines = timelines(family, records(family, stream), known_at, position).values()
        assert told == {(s.lo, s.hi + 1, *s.place[:3], s.version) for steps in lines for s in steps if not s.ends}


@share(1)
@given(histories(), SEEDS)
def test_a_subject_is_heard_of_from_its_first_known_day_on_under_the_names_that_stand(stream: list[Logged], seed: int) -> None:
    family, spans = family_of(stream), _spans(stream)
    for _, known_at, position in points(stream, seed, 10):
        rows = [s.row for s in spans if isinstance(s.row, NameRow) and s.opened <= position < s.closed]
        told = {row.name for row in rows if row.known_from <= known_at < row.known_to}
        said = records(family, stream)
        heard = any(r.batch <= position and r.known <= known_at for r in said)
        steps = [step for line in timelines(family, said, known_at, position).values() for step in line]
        called = {name for step in steps for name in [getattr(step.data, "name", None), *getattr(step.data, "aliases", ())] if name}
        assert told == ({"", *called} if heard else set())
