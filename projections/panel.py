"""The panel: a row for each period, with the state at its end as numbers and labels.

Point in time: each row as known at its own end, so that none knows what came later. Hindsight: all rows as known on the basis. The set
of columns is written down here and does not depend on what is recorded: columns made from the whole record would be hindsight themselves.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.calendar import format_day
from domain.errors import BadQuestion
from domain.timeline import SCHEDULED
from projections.basis import Basis
from projections.certainty import key_is_certain
from projections.coverage import coverage
from projections.ports import Facts, Found, Stretch
from projections.series import COUNTS, STEPS, Count, counted_along, held_along, step_end
from projections.state import dumps
from projections.vintages import Series, Vintage, latest, measured_series

POINT_IN_TIME, HINDSIGHT = "point_in_time", "hindsight"
MODES = (POINT_IN_TIME, HINDSIGHT)
MOST = 1200  # rows of an answer: a century of months, three years of days
TOGETHER = 32  # rows whose facts are in memory at a time
Row = dict[str, Any]


class Column(NamedTuple):
    """A column, and the definition that makes it."""

    name: str
    type: str  # day, text, integer or number
    unit: str | None
    clock: str | None  # of a day: valid or known
    definition: str


# ---------------------------------------------------------------- what the columns say
class _Count(NamedTuple):
    """Columns that count: `<name>` the certain ones and `<name>_possible`, then the certain ones by the items of `spec.by`."""

    name: str | None  # None: the items alone
    spec: Count
    unit: str
    items: Mapping[str, str] = MappingProxyType({})  # column -> item


class _Label(NamedTuple):
    """A column that tells the status, or an attribute, of the fact of a subject under one of some keys (`x:` for all that begin so)."""

    name: str
    subject: str
    keys: tuple[str, ...]
    attribute: str | None
    says: str


class _Figure(NamedTuple):
    """Columns that tell the last figure of a series."""

    name: str
    series: Series
    unit: str
    says: str


def _named(prefix: str, items: Iterable[str]) -> dict[str, str]:
    """`listings_iran_eo13902` for `IRAN-EO13902`."""
    return {f"{prefix}_{'_'.join(item.lower().replace('-', ' ').split())}": item for item in items}


PROGRAMS = ("IRAN", "IRAN-TRA", "IRAN-HR", "IRAN-CON-ARMS-EO", "IRAN-EO13846", "IRAN-EO13871", "IRAN-EO13876", "IRAN-EO13902", "IFSR", "IFCA",
            "IRGC", "HRIT-IR", "CAATSA - IRAN", "FSE-IR", "NPWMD", "SDGT", "2231")
LISTS = ("OFAC-SDN", "OFAC-NONSDN", "FTO", "UN", "EU", "UK", "IRN")
_LISTED = COUNTS["designations_in_force"]
_STANDINGS = {"claimed": "claim it", "corroborated": "found support for it", "doubted": "doubt it", "denied": "deny it",
              "confirmed": "confirmed it", "discredited": "found it discredited", "corrected": "corrected it", "withdrawn": "took it back"}
_AUTHORIZED = {"waivers": "waiver", "exceptions": "exception", "licenses": "license", "wind_downs": "wind_down"}
_ISSUERS = ("USA", "UN", "EU")

COUNTED = (
    _Count("listings", _LISTED, "listings", _named("listings", PROGRAMS)),
    _Count(None, _LISTED._replace(by="type"), "listings", _named("listings", ("individual", "entity", "vessel", "aircraft", "group"))),
    _Count(None, _LISTED._replace(by="list"), "listings", _named("listings_on", LISTS)),
    _Count("programs", COUNTS["programs_in_force"], "instruments", _named("programs", _ISSUERS)),
    _Count("emergencies", Count("program", ("emergency",), ("in_force",), None, "national emergencies in force"), "emergencies"),
    _Count("authorizations", COUNTS["authorizations_in_force"], "authorizations"),
    *(_Count(name, COUNTS["authorizations_in_force"]._replace(kinds=(kind,), says=f"{name.replace('_', '-')} in force"), "authorizations")
      for name, kind in _AUTHORIZED.items()),
    _Count("agreements", Count("agreement", ("agreement",), ("in_force", "provisionally_applied"), None,
                               "agreements in force or provisionally applied"), "agreements"),
    _Count("participations", COUNTS["agreement_participants"], "participations", _named("participations", ("USA", "IRN"))),
    _Count("campaigns", COUNTS["campaigns_active"], "campaigns"),
    _Count("claims", COUNTS["claims_alleged"], "claims"),
    *(_Count(f"standings_{status}", Count("allegation", ("standing",), (status,), None, f"parties, by claim, that {says} by their last word"),
             "standings") for status, says in _STANDINGS.items()),
    _Count("talks", COUNTS["talks_open"], "negotiations"),
    _Count("talks_stalled", COUNTS["talks_open"]._replace(statuses=("stalled",), says="talks halted and not closed"), "negotiations"),
    _Count("pledges", Count("pledge", ("pledge",), ("standing",), None, "pledges made and open"), "pledges"),
    _Count("proceedings", Count("proceeding", ("proceeding",), ("pending",), None, "cases before a court"), "proceedings"),
    _Count("incidents_to_date", COUNTS["incidents_to_date"], "incidents"),
)
INCIDENTS = {  # column -> types of incident; what is of none of them is `incidents_other`
    "incidents_attack": ("attack", "strike", "airstrike", "missile-strike", "maritime-attack", "terrorist-attack"),
    "incidents_killing": ("killing", "targeted-killing"),
    "incidents_seizure": ("seizure", "maritime-seizure", "hostage-taking"),
    "incidents_detention": ("detention", "disappearance"),
    "incidents_shootdown": ("shootdown",),
    "incidents_sabotage": ("sabotage", "sabotage-suspected"),
    "incidents_unrest": ("unrest",),
    "incidents_war": ("war",),
}
_PARTIES = ("USA", "IRN", "CHN", "DEU", "EU", "FRA", "GBR", "RUS")
LABELS = (
    _Label("relations_status", "relations:irn-usa", ("relations",), None, "diplomatic relations of the two states"),
    _Label("us_president", "office:us-president", ("holder:",), "name", "who is President of the United States"),
    _Label("us_secretary_of_state", "office:us-secretary-of-state", ("holder:",), "name", "who is or acts as US Secretary of State"),
    _Label("iran_supreme_leader", "office:iran-supreme-leader", ("holder:",), "name", "who is Supreme Leader of Iran"),
    _Label("iran_president", "office:iran-president", ("holder:",), "name", "who is or acts as President of Iran"),
    _Label("iran_foreign_minister", "office:iran-foreign-minister", ("holder:",), "name", "who is or acts as Foreign Minister of Iran"),
    _Label("jcpoa_status", "agreement:jcpoa", ("agreement",), None, "where the JCPOA stands"),
    *(_Label(f"jcpoa_{party.lower()}", "agreement:jcpoa", (f"participant:{party}", f"withdrawal:{party}"), None,
             f"whether {party} takes part in the JCPOA, or withdrew from it") for party in _PARTIES),
    _Label("jpoa_status", "agreement:jpoa", ("agreement",), None, "where the Joint Plan of Action stands"),
    _Label("treaty_of_amity_status", "agreement:treaty-of-amity", ("agreement",), None, "where the Treaty of Amity stands"),
)
FIGURES = (
    _Figure("gdp_growth", Series("indicator:iran-gdp-growth", "imf", "A", False), "percent", "Iran's real GDP growth, IMF, years"),
    _Figure("cpi_inflation", Series("indicator:iran-cpi-inflation", "imf", "A", False), "percent", "Iran's consumer price inflation, IMF, years"),
    _Figure("oil_exports", Series("indicator:iran-oil-exports-crude-and-condensate", "eia", "A", False), "million barrels a day",
            "Iran's exports of crude oil and condensate, EIA, years"),
    _Figure("rial_official", Series("indicator:rial-official-rate", "iran-government", "LEVEL", False), "rials per US dollar",
            "official rate, Government of Iran"),
    _Figure("rial_open_market", Series("indicator:rial-open-market-rate", "bonbast", "LEVEL", False), "rials per US dollar",
            "open-market rate, Bonbast"),
    _Figure("enrichment_level", Series("indicator:iran-enrichment-level", "iran", "LEVEL", False), "percent U-235",
            "highest level of enrichment, as Iran declares it"),
    _Figure("uranium_stockpile", Series("indicator:iran-enriched-uranium-stockpile", "iaea", "LEVEL", False), "kg U",
            "enriched uranium of all levels, IAEA"),
    _Figure("uranium_60", Series("indicator:iran-uranium-enriched-to-60", "iaea", "LEVEL", False), "kg U",
            "uranium enriched up to 60 percent, IAEA"),
)


def _columns() -> Iterator[Column]:
    yield Column("period", "text", None, None, "2018-05-08, 2018-W19 (ISO 8601 week, from Monday), 2018-05, 2018-Q2 or 2018")
    yield Column("period_start", "day", None, "valid", "first day of the period")
    yield Column("period_end", "day", None, "valid", "last day of the period, at whose end the state is told")
    yield Column("as_of", "day", None, "valid", "the day of the state: period_end")
    yield Column("known_at", "day", None, "known", "the row holds what was public by the end of this day: in point_in_time period_end, in "
                                                   "hindsight the basis's known_at for all rows")
    yield Column("mode", "text", None, None, "point_in_time: the row as known at its own end; hindsight: as known on the basis")
    for label in LABELS:
        told = f"attribute `{label.attribute}`" if label.attribute else "status"
        keys = " or ".join(f"`{key}*`" if key.endswith(":") else f"`{key}`" for key in label.keys)
        yield Column(label.name, "text", None, None, f"{label.says}: {told} of the fact of `{label.subject}` under key {keys}; null where there "
                                                     "is none; `possibly A or B` where no one of them is certain")
    for count in COUNTED:
        yield from _count_columns(count)
    spec = COUNTS["incidents_to_date"]
    new = "that hold at period_end and did not hold on the day before period_start, both as known on the row's known_at"
    yield Column("incidents", "integer", "incidents", None, f"incidents of the period: facts as in incidents_to_date {new}; certain ones")
    yield Column("incidents_possible", "integer", "incidents", None, "those that may be of the period or of another, or may not have been")
    for name, types in INCIDENTS.items():
        yield Column(name, "integer", "incidents", None, f"of `incidents`, those of {spec.by} {', '.join(types)}")
    yield Column("incidents_other", "integer", "incidents", None, "of `incidents`, those of none of these types")
    for figure in FIGURES:
        s = figure.series
        of = f"`{s.subject}` by publisher `{s.publisher}`, {'levels' if s.frequency == 'LEVEL' else 'years'} in {figure.unit}"
        yield Column(figure.name, "number", figure.unit, None, f"{figure.says}: the last figure of {of}, whose period had begun by period_end and "
                                                               "which was public by known_at; observations alone, no forecasts")
        yield Column(f"{figure.name}_bound", "text", None, None, f"what {figure.name} is: exact, upper (at most), lower (at least) or about")
        yield Column(f"{figure.name}_period", "text", "EDTF", "valid", f"the period or day that {figure.name} is of")
        yield Column(f"{figure.name}_vintage", "day", None, "known", f"from which day {figure.name} was public as it is told here")


def _count_columns(count: _Count) -> Iterator[Column]:
    spec = count.spec
    of = f"facts of family {spec.family}, kind {' or '.join(spec.kinds)}, status {' or '.join(spec.statuses)}"
    if count.name:
        says = spec.says.partition(", by ")[0]
        yield Column(count.name, "integer", count.unit, None, f"{says}: {of}, each subject and key once; those that are certain")
        yield Column(f"{count.name}_possible", "integer", count.unit, None, f"those that hold on some of the days that imprecise days allow, and "
                                                                             f"are not in {count.name}")
    for name, item in count.items.items():
        yield Column(name, "integer", count.unit, None, f"{of}: those certain with {spec.by} `{item}`")


COLUMNS: tuple[Column, ...] = tuple(_columns())


# ---------------------------------------------------------------- rows
def periods(first: int, last: int, step: str) -> Iterator[tuple[int, int]]:
    """(first day, last day) of the calendar periods that lie wholly between two days. Raises BadQuestion."""
    if step not in STEPS:
        raise BadQuestion(f"step {step!r} is not one of {', '.join(STEPS)}")
    if last < first:
        raise BadQuestion(f"to {format_day(last)} is before from {format_day(first)}")
    start = first if first == 1 or step_end(first - 1, step) == first - 1 else step_end(first, step) + 1
    while start <= last and (end := step_end(start, step)) <= last:
        yield start, end
        start = end + 1


def rows(store: Facts, relation: str, basis: Basis, first: int, last: int, step: str, mode: str = POINT_IN_TIME) -> Iterator[Row]:
    """A row for each period between two days that is over on the basis, days as text; values by the names of `COLUMNS`, in their order.

    A period that ends after the basis's `as_of` (in point_in_time also: after its `known_at`) is left out, for its row could only pretend.
    Made some at a time, so that a fact which is found by many is read once. Raises BadQuestion.
    """
    series = measured_series(store.boxes_of(basis.position, relation, "indicator"))
    over = ((start, basis.on(end, end if mode == POINT_IN_TIME else basis.known_at)) for start, end in _over(basis, first, last, step, mode))
    while some := list(islice(over, TOGETHER)):
        for (start, at), state in zip(some, _states(store, relation, series, some), strict=True):
            yield {"period": _period(start, step), "period_start": format_day(start), "period_end": format_day(at.as_of),
                   "as_of": format_day(at.as_of), "known_at": format_day(at.known_at), "mode": mode, **state}


def _over(basis: Basis, first: int, last: int, step: str, mode: str) -> Iterator[tuple[int, int]]:
    if mode not in MODES:
        raise BadQuestion(f"mode {mode!r} is not one of {', '.join(MODES)}")
    end = min(basis.as_of, basis.known_at) if mode == POINT_IN_TIME else basis.as_of
    return takewhile(lambda period: period[1] <= end, periods(first, last, step))


def _period(start: int, step: str) -> str:
    day = date.fromordinal(start)
    if step == "week":
        year, week, _ = day.isocalendar()
        return f"{year:04d}-W{week:02d}"
    text = day.isoformat()
    return {"day": text, "month": text[:7], "quarter": f"{text[:4]}-Q{(day.month + 2) // 3}", "year": text[:4]}[step]


def _states(store: Facts, relation: str, series: Mapping[Series, Sequence[Vintage]], some: Sequence[tuple[int, Basis]]) -> Iterator[Row]:
    """What the rows of these (first day, basis), ascending, say of the relation."""
    ends, days = [at for _, at in some], [at.as_of for _, at in some]
    held: dict[tuple[str, str], list[Stretch]] = defaultdict(list)
    labeled: dict[str, list[Stretch]] = {label.subject: [] for label in LABELS}
    for stretch in store.along(ends, relation):
        held[stretch.found.family, stretch.found.kind].append(stretch)
        if (of_subject := labeled.get(stretch.found.subject)) is not None:
            of_subject.append(stretch)
    found = {subject: held_along(told, len(some)) for subject, told in labeled.items()}
    counts = [counted_along(count.spec, (stretch for kind in count.spec.kinds for stretch in held.get((count.spec.family, kind), ())), days)
              for count in COUNTED]
    incidents = held_along(held.get(("incident", "incident"), ()), len(some))
    # nothing is before the first day of the calendar
    eves = [at.on(start - 1) for start, at in some if start > 1]
    before: list[list[Found]] = [[] for _ in some[len(eves):]]
    before += held_along(store.along(eves, relation, "incident"), len(eves)) if eves else []
    for i, (start, at) in enumerate(some):
        row: Row = {label.name: _label(label, found[label.subject][i], at.as_of) for label in LABELS}
        for count, told in zip(COUNTED, counts, strict=True):
            if count.name:
                row |= {count.name: told[i]["value"], f"{count.name}_possible": told[i]["possible"]}
            row |= {name: told[i]["by"].get(item, 0) for name, item in count.items.items()}
        row |= _incidents(incidents[i], at.as_of, before[i], start - 1)
        for figure in FIGURES:
            row |= _figure(figure, series.get(figure.series, ()), at)
        yield row


def _label(label: _Label, found: Iterable[Found], day: int) -> str | None:
    """What the certain key says; `possibly ...` where none is certain, or its words are not."""
    keys: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in found:
        if item.status != SCHEDULED and any(item.key.startswith(k) if k.endswith(":") else item.key == k for k in label.keys):
            keys[item.key].append(json.loads(item.body))
    told = {key: {str(fact["attributes"].get(label.attribute) if label.attribute else fact["status"]) for fact in facts}
            for key, facts in keys.items()}
    certain = [key for key, facts in keys.items() if key_is_certain(facts, day)]
    if len(certain) == 1 and len(told[certain[0]]) == 1:
        return min(told[certain[0]])
    return f"possibly {' or '.join(sorted(set().union(*told.values())))}" if told else None


def _incidents(held: Iterable[Found], day: int, before: Iterable[Found], day_before: int) -> Row:
    """Those that hold on a day and did not hold before the period."""
    spec = COUNTS["incidents_to_date"]
    old = _keys(spec, before)
    possible, by = 0, Counter[str]()
    for key, facts in _keys(spec, held).items():
        if key not in old and key_is_certain(facts, day):
            types = {fact["attributes"].get(spec.by) for fact in facts}
            by[next((name for name, some in INCIDENTS.items() if types <= set(some)), "incidents_other")] += 1
        elif key not in old or not key_is_certain(old[key], day_before):
            possible += 1
    return {"incidents": by.total(), "incidents_possible": possible, **{name: by[name] for name in (*INCIDENTS, "incidents_other")}}


def _keys(spec: Count, found: Iterable[Found]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    keys: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for item in found:
        if item.kind in spec.kinds and item.status in spec.statuses:
            keys[item.subject, item.key].append(json.loads(item.body))
    return keys


def _figure(figure: _Figure, vintages: Sequence[Vintage], at: Basis) -> Row:
    last = latest(vintages, at.as_of, at.known_at)
    said = last.figure if last else None
    if last is None or said is None or said.unit != figure.unit:
        return {figure.name: None, f"{figure.name}_bound": None, f"{figure.name}_period": None, f"{figure.name}_vintage": None}
    return {figure.name: said.value, f"{figure.name}_bound": said.bound, f"{figure.name}_period": last.period,
            f"{figure.name}_vintage": format_day(last.known_from)}


# ---------------------------------------------------------------- the answer
def panel(store: Facts, relation: str, basis: Basis, first: int, last: int, step: str, mode: str) -> bytes:
    """`{"basis", "step", "mode", "items", "coverage"}`. Raises BadQuestion."""
    if sum(1 for _ in islice(_over(basis, first, last, step, mode), MOST + 1)) > MOST:
        raise BadQuestion(f"more than {MOST} rows: take a longer step or a shorter time, or `tarikh export panel`")
    items = list(rows(store, relation, basis, first, last, step, mode))
    return dumps({"basis": basis.echo(), "step": step, "mode": mode, "items": items, "coverage": coverage(store, basis)})
