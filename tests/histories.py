"""Random histories of every family of the catalogue, for property tests: small alphabets, so that events meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from random import Random
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from hypothesis import settings
from hypothesis import strategies as st

from domain.calendar import FIRST_DAY, format_day
from domain.catalogue import CATALOGUE
from domain.event import Amended, Day, Edtf, Event, Logged, Payload, Retracted, Slug, Subject
from domain.family import Family
from domain.source import Source

DAY0 = date(2020, 1, 1).toordinal()
DAYS = 16
MONTH = "2020-01"
SOURCES = (Source(publisher="p", title="t"),)
NAMES = tuple(CATALOGUE.families)
INSTANT = 1_600_000_000_000_000  # microseconds: the first batch of a history that no database recorded

# ---------------------------------------------------------------- payloads
_VALUES: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    (Slug, ("A", "B")), (Subject, ("report:A", "report:B")), (Day, ("2020-01-03", "2020-01-09")),
    (Edtf, ("2019", "2020-05")), (bool, (False, True)), (int, (0, 1, 2)), (float, (0.0, -1.5, 2.25)),
)
VARIANTS = 40  # payloads of each class


def hints(cls: type[Payload]) -> dict[str, Any]:
    """The fields of a payload class with their annotated types."""
    return {name: hint for name, hint in get_type_hints(cls, include_extras=True).items() if name in cls.model_fields}


def _value(hint: Any, random: Random) -> Any:
    for known, values in _VALUES:
        if hint is known:
            return random.choice(values)
    if get_origin(hint) is Annotated and get_args(hint)[0] is str and not getattr(get_args(hint)[1], "pattern", None):
        return random.choice("tu")  # a text, whatever its length
    if get_origin(hint) is tuple:
        return tuple({_value(get_args(hint)[0], random): None for _ in range(random.randrange(3))})
    if type(None) in get_args(hint):
        inner = next(arg for arg in get_args(hint) if arg is not type(None))
        return random.choice([None, _value(inner, random)])
    raise TypeError(f"no values for {hint!r}: say here what such a field may hold")


def payloads(cls: type[Payload]) -> tuple[Payload, ...]:
    """Payloads of one class, the same at every run: hypothesis picks among them, which is much cheaper than to draw each field."""
    random, out = Random(cls.TYPE), []
    for _ in range(VARIANTS):
        data = {name: _value(hint, random) for name, hint in hints(cls).items()}
        if "first_day" in data:
            data["first_day"], data["last_day"] = sorted((data["first_day"], data["last_day"]))
        out.append(cls(**data))
    return tuple(out)


@cache
def payloads_of(name: str) -> st.SearchStrategy[Payload]:
    """Payloads of any event type of a family, each type as likely as another."""
    return st.sampled_from([payload for cls in CATALOGUE.families[name].events for payload in payloads(cls)])


# ---------------------------------------------------------------- events
@st.composite
def _span(draw: st.DrawFn, first: int, last: int, widths: Sequence[int]) -> tuple[str, int]:
    """An EDTF text and its latest day."""
    lo = draw(st.integers(DAY0 + first, DAY0 + last))
    width = draw(st.sampled_from(widths))
    if width == 31:
        return MONTH, DAY0 + 30
    return (format_day(lo) if width == 0 else f"[{format_day(lo)}..{format_day(lo + width)}]"), lo + width


WIDE, NARROW, EXACT = (0, 0, 0, 0, 1, 3, 8, 31), (0, 0, 1, 2), (0,)


@st.composite
def next_event(draw: st.DrawFn, subject: str, earlier: Sequence[Event], widths: Sequence[int] = WIDE) -> Event:
    """An event that may follow others of its subject: an original, an amendment or a retraction."""
    name = subject.partition(":")[0]
    data: Payload = draw(payloads_of(name))
    op = draw(st.sampled_from(["record", "record", "record", "amend", "retract"])) if earlier else "record"
    if op != "record":
        target = draw(st.sampled_from(earlier)).record_id
        data = (Amended(target=target, type=CATALOGUE.topic(type(data)), data=data) if op == "amend"
                else Retracted(target=target, reason="t"))
    effective, hi = draw(_span(0, DAYS, widths))
    until = draw(st.sampled_from([None, None, None, 1, 3, 9]))
    told = draw(st.sampled_from([{}, {}, {"summary": "s"}, {"confidence": "low"}, {"note": "n"}]))
    return Event(
        subject=subject, type=CATALOGUE.topic(type(data)), record_id=f"r{len(earlier) + 1}", data=data, sources=SOURCES,
        effective=None if op == "retract" and draw(st.booleans()) else effective,
        known=draw(_span(-4, DAYS + 4, (0, 0, 0, 0, 0, 2) if widths is WIDE else EXACT))[0],
        until=None if until is None or op == "retract" else format_day(hi + until),
        order=draw(st.sampled_from([0, 0, 0, -1, 1])), **told)


def numbered(events: Sequence[Event], cuts: Iterable[int] = ()) -> list[Logged]:
    """Events as a log: positions from 1, versions per subject, a batch ends after each number in `cuts` and at the end."""
    ends = sorted({*cuts, len(events)})
    versions: dict[str, int] = {}
    out = []
    for position, event in enumerate(events, 1):
        versions[event.subject] = versions.get(event.subject, 0) + 1
        batch = next(end for end in ends if end >= position)
        out.append(Logged(event, versions[event.subject], position, batch, INSTANT + batch * 1_000_000))
    return out


@st.composite
def logs(draw: st.DrawFn, names: Sequence[str] = NAMES, max_subjects: int = 3, max_events: int = 9, min_events: int = 1,
         widths: Sequence[int] = WIDE) -> list[Logged]:
    """Several subjects interleaved in one log, cut into batches."""
    subjects = draw(st.lists(st.builds("{}:{}".format, st.sampled_from(list(names)), st.sampled_from("ab")),
                             min_size=1, max_size=max_subjects, unique=True))
    events: list[Event] = []
    for _ in range(draw(st.integers(min_events, max_events))):
        subject = draw(st.sampled_from(subjects))
        events.append(draw(next_event(subject, [e for e in events if e.subject == subject], widths)))
    return numbered(events, draw(st.sets(st.integers(1, len(events)), max_size=4)))


def histories(name: str | None = None, max_events: int = 8, widths: Sequence[int] = WIDE) -> st.SearchStrategy[list[Logged]]:
    """The events of one subject, of one family or of any."""
    return logs([name] if name else NAMES, 1, max_events, widths=widths)


# ---------------------------------------------------------------- what tests ask of a history
def family_of(stream: Sequence[Logged]) -> Family[Any]:
    return CATALOGUE.family(stream[0].event.subject)


def streams(log: Iterable[Logged]) -> dict[str, list[Logged]]:
    """A log by subject."""
    out: dict[str, list[Logged]] = {}
    for item in log:
        out.setdefault(item.event.subject, []).append(item)
    return out


def batches(log: Iterable[Logged]) -> list[list[Logged]]:
    """A log by batch."""
    out: dict[int, list[Logged]] = {}
    for item in log:
        out.setdefault(item.batch, []).append(item)
    return list(out.values())


def valid_days(log: Iterable[Logged]) -> list[int]:
    """Every day on which something may begin or end, and the days beside it."""
    days = {FIRST_DAY, DAY0 - 1}
    for item in log:
        for day in (item.event.span.lo, item.event.span.hi, item.event.until_day or DAY0, item.event.known_day):
            days |= {day - 1, day, day + 1}
    return sorted(day for day in days if day >= FIRST_DAY)


def known_days(log: Iterable[Logged]) -> list[int]:
    """Every day on which something became known, and the days beside it."""
    return sorted({day for item in log for day in range(item.event.known_day - 1, item.event.known_day + 2)})


def points(log: Sequence[Logged], seed: int, count: int) -> list[tuple[int, int, int]]:
    """Some (as_of, known_at, position) among all boundaries of a log."""
    random = Random(seed)
    positions = [0, *sorted({item.batch for item in log})]
    valid, known = valid_days(log), known_days(log)
    return [(random.choice(valid), random.choice(known), random.choice(positions)) for _ in range(count)]


SEEDS = st.integers(0, 2**32)


def share(part: int) -> settings:
    """The profile's number of examples, divided: for tests that run once for each family, or on a database."""
    return settings(max_examples=max(2, settings().max_examples // part))
