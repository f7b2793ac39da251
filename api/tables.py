"""Answers as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

GLANCE = 10  # subjects of a family that the state shows at a glance
COLORS = {"scheduled": "yellow", "possible": "yellow"}


def _basis(out: Console, basis: dict[str, Any], title: str) -> None:
    out.print(Text.assemble((title, "bold"), f" as of {basis['as_of']}, as known on {basis['known_at']}, "
                            f"as recorded by {basis['recorded_at'][:19]}Z (position {basis['position']})"), highlight=False)


def _table(*columns: str, glance: bool = False) -> Table:
    """A table whose last column takes what room is left; at a glance every row keeps to one line."""
    table = Table(box=None, header_style="dim", pad_edge=False, show_edge=False, expand=glance)
    for column in columns[:-1]:
        table.add_column(column, no_wrap=glance or column in ("since", "until", "status", ""), overflow="fold")
    table.add_column(columns[-1], ratio=1 if glance else None, no_wrap=glance, overflow="ellipsis" if glance else "fold")
    return table


def _what(fact: dict[str, Any]) -> Text:
    told = fact["attributes"]
    figure = f"{told['value']:g} {told['unit']}" if "value" in told else None
    name = told.get("summary") or told.get("name") or ""
    return Text(f"{figure}: {name}" if figure else str(name))


def _status(fact: dict[str, Any]) -> Text:
    word = fact["status"] if fact["certainty"] == "certain" else f"{fact['status']}?"
    return Text(word, style=COLORS.get(fact["status"], COLORS.get(fact["certainty"], "")))


def _facts(out: Console, facts: list[dict[str, Any]]) -> None:
    table = _table("subject", "key", "status", "since", "until", "what")
    last = None
    for fact in facts:
        name = fact["subject"].partition(":")[2]
        table.add_row("" if fact["subject"] == last else name, fact["key"], _status(fact), fact["since"], fact["until"] or "", _what(fact))
        last = fact["subject"]
    out.print(table)


def _coverage(out: Console, coverage: list[dict[str, Any]]) -> None:
    ends = [item for item in coverage if item["topic"] is None and item["days_stale"]]
    last = max(coverage, key=lambda item: str(item["last_day"]), default=None)
    if last and last["days_stale"]:
        out.print(f"The record ends on {last['last_day']}: this day lies {last['days_stale']} days beyond it, and shows the last state known.",
                  style="yellow", highlight=False)
    elif ends:
        said = ", ".join(f"{item['family']} (to {item['last_day']})" for item in ends)
        out.print(f"The record has ended by this day for: {said}. What it shows of them is their last state known.", style="yellow", highlight=False)
    before = [f"{item['topic'] or item['family']} (from {item['first_day']})" for item in coverage if item["days_before"]]
    if before:
        out.print(f"The record does not reach back to this day for: {', '.join(before)}.", style="yellow", highlight=False)


def family(out: Console, answer: dict[str, Any], name: str) -> None:
    """Every fact of one family."""
    _basis(out, answer["basis"], name)
    _facts(out, answer["items"])
    _coverage(out, answer["coverage"])


def state(out: Console, answer: dict[str, Any], heads: Mapping[str, Sequence[str]], everything: bool = False) -> None:
    """The state at a glance: a line for each subject, newest first; `heads` names the leading kinds of each family."""
    _basis(out, answer["basis"], "US-Iran relations")
    for name, kinds in heads.items():
        facts = answer[name]
        if name == "designations":
            _counts(out, facts)
        elif facts:
            out.print(f"\n[bold]{name}[/bold] ({len(facts)} fact{'s' * (len(facts) != 1)})", highlight=False, markup=True)
            _facts(out, facts) if everything else _glance(out, name, facts, kinds)
    out.print()
    _coverage(out, answer["coverage"])


def _counts(out: Console, counts: dict[str, Any]) -> None:
    if counts["total"]:
        by = ", ".join(f"{authority} {n}" for authority, n in list(counts["by_authority"].items())[:12])
        out.print(f"\n[bold]designations[/bold] ({counts['total']} listings)", highlight=False, markup=True)
        out.print(f"by authority: {by}  (tarikh state --family designations)", highlight=False)


def _glance(out: Console, name: str, facts: list[dict[str, Any]], kinds: Sequence[str]) -> None:
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        by_subject.setdefault(fact["subject"], []).append(fact)
    heads = [min(group, key=lambda f: kinds.index(f["kind"])) for group in by_subject.values()]
    heads.sort(key=lambda fact: (fact["since"] or "").lstrip("["), reverse=True)
    table = _table("subject", "status", "since", "until", "what", glance=True)
    for fact in heads[:GLANCE]:
        table.add_row(fact["subject"].partition(":")[2], _status(fact), fact["since"], fact["until"] or "", _what(fact))
    out.print(table)
    if len(heads) > GLANCE:
        out.print(f"... and {len(heads) - GLANCE} earlier ones (tarikh state --family {name})", style="dim", highlight=False)


def diff(out: Console, answer: dict[str, Any]) -> None:
    _basis(out, answer["from"], "From")
    _basis(out, answer["to"], "To")
    for name, says in (("corrected", "corrected in the record"), ("learned", "learned since"), ("changed", "changed in the world")):
        if answer[name]:
            out.print(f"\n[bold]{says}[/bold] ({len(answer[name])})", highlight=False, markup=True)
            _changes(out, answer[name])


def _changes(out: Console, changes: list[dict[str, Any]]) -> None:
    table = _table("", "subject", "key", "before", "after", "what")
    for change in changes:
        before, after = change["before"], change["after"]
        sign = Text("+", "green") if not before else Text("-", "red") if not after else Text("~", "yellow")
        shown = after or before
        table.add_row(sign, change["subject"], change["key"], _brief(before), _brief(after), _what(shown[0] if isinstance(shown, list) else shown))
    out.print(table)


def _brief(fact: Any) -> str:
    if not fact:
        return ""
    if isinstance(fact, list):
        return " or ".join(_brief(item) for item in fact)
    return f"{fact['status']}{'' if fact['certainty'] == 'certain' else '?'}"


def timeline(out: Console, answer: dict[str, Any]) -> None:
    _basis(out, answer["basis"], "Events")
    table = _table("effective", "known", "event", "type", "what")
    for item in answer["items"]:
        table.add_row(item.get("effective", ""), item["known"], item["id"], item["type"].rpartition(".v")[0], item.get("summary", ""))
    out.print(table)


def event(out: Console, item: dict[str, Any]) -> None:
    out.print(Text.assemble((item["id"], "bold"), f"  {item['type']}  ({item['record_id']})"), highlight=False)
    if item.get("summary"):
        out.print(f"  {item['summary']}", highlight=False, markup=False)
    days = f"  effective {item.get('effective', '-')}, known {item['known']}, recorded {item['recorded_at'][:19]}Z at position {item['position']}"
    out.print(days, highlight=False, markup=False)
    if item.get("note"):
        out.print(f"  uncertain: {item['note']}", style="yellow", highlight=False, markup=False)
    for source in item["sources"]:
        parts = [source["publisher"], source["title"], source.get("date"), source.get("locator")]
        out.print("  - " + ", ".join(str(p) for p in parts if p), highlight=False)


def why(out: Console, answer: dict[str, Any], events: list[dict[str, Any]]) -> None:
    _basis(out, answer["basis"], answer["subject"])
    _facts(out, answer["facts"])
    if not answer["facts"]:
        out.print("nothing of it holds on this day")
    because = {id_ for fact in answer["facts"] for id_ in fact["because"]}
    out.print("\n[bold]because[/bold]", markup=True)
    for item in events:
        if item["id"] in because:
            event(out, item)
    others = [item for item in events if item["id"] not in because]
    if others:
        out.print("\n[bold]other events of it[/bold]", markup=True)
        for item in others:
            event(out, item)


def replay(out: Console, answer: dict[str, Any]) -> None:
    _basis(out, answer["basis"], "Replay")
    for note in answer["notes"]:
        out.print(f"note: {note}", style="yellow", highlight=False)
    if answer["diff"]:
        _changes(out, answer["diff"])
    else:
        out.print("it changes nothing on this day")


def summary(out: Console, of: str, told: dict[str, Any]) -> None:
    """What an import did."""
    for note, times in told["notes"].items():
        out.print(f"note: {note}{f' ({times} times)' if times > 1 else ''}", style="yellow", highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(Text(of, "bold"), "")
    if told["snapshots"]:
        table.add_row("snapshots recorded", f"{told['snapshots']}")
    table.add_row("entries read", f"{told['entries']}")
    for kind, number in sorted(told["recorded"].items(), key=lambda pair: -pair[1]):
        table.add_row(f"recorded: {kind}", f"{number}")
    for reason, number in told["skipped"].items():
        if number:
            table.add_row(f"skipped: {reason}", f"{number}")
    out.print(table)
