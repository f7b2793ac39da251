"""Answers as tables on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLORS = {"scheduled": "yellow", "possible": "yellow"}


def _basis(out: Console, basis: dict[str, Any], title: str) -> None:
    out.print(Text.assemble((title, "bold"), f" as of {basis['as_of']}, as known on {basis['known_at']}, "
                            f"as recorded by {basis['recorded_at'][:19]}Z (position {basis['position']})"), highlight=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("since", "until"))
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
    stale = max((c["days_stale"] for c in coverage if c["topic"] is None), default=0)
    if stale:
        last = max(c["last_day"] for c in coverage)
        out.print(f"The record ends on {last}: this day lies {stale} days beyond it, and shows the last state known.", style="yellow")
    for item in coverage:
        if item["days_before"]:
            out.print(f"{item['topic'] or item['family']}: the record begins on {item['first_day']} only.", style="yellow", highlight=False)


def state(out: Console, answer: dict[str, Any], family: str | None = None) -> None:
    _basis(out, answer["basis"], "US-Iran relations")
    if family is not None:
        _facts(out, answer["items"])
    for name, facts in answer.items():
        if name in ("basis", "relation", "coverage", "items", "total", "next") or not facts:
            continue
        if name == "designations":
            if facts["total"]:
                out.print(f"\n[bold]designations[/bold] ({facts['total']})", highlight=False)
                by = ", ".join(f"{k} {n}" for k, n in list(facts["by_authority"].items())[:12])
                out.print(f"by authority: {by}", highlight=False)
            continue
        out.print(f"\n[bold]{name}[/bold] ({len(facts)})", highlight=False)
        _facts(out, facts)
    out.print()
    _coverage(out, answer["coverage"])


def diff(out: Console, answer: dict[str, Any]) -> None:
    _basis(out, answer["from"], "From")
    _basis(out, answer["to"], "To")
    for name, says in (("corrected", "corrected in the record"), ("learned", "learned since"), ("changed", "changed in the world")):
        if answer[name]:
            out.print(f"\n[bold]{says}[/bold] ({len(answer[name])})", highlight=False)
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
        out.print(f"  {item['summary']}", highlight=False)
    days = f"  effective {item.get('effective', '-')}, known {item['known']}, recorded {item['recorded_at'][:19]}Z at position {item['position']}"
    out.print(days, highlight=False)
    if item.get("note"):
        out.print(f"  uncertain: {item['note']}", style="yellow", highlight=False)
    for source in item["sources"]:
        parts = [source["publisher"], source["title"], source.get("date"), source.get("locator")]
        out.print("  - " + ", ".join(str(p) for p in parts if p), highlight=False, markup=False)


def why(out: Console, answer: dict[str, Any], events: list[dict[str, Any]]) -> None:
    _basis(out, answer["basis"], answer["subject"])
    _facts(out, answer["facts"])
    if not answer["facts"]:
        out.print("nothing of it holds on this day")
    because = {id_ for fact in answer["facts"] for id_ in fact["because"]}
    out.print("\n[bold]because[/bold]")
    for item in events:
        if item["id"] in because:
            event(out, item)
    others = [item for item in events if item["id"] not in because]
    if others:
        out.print("\n[bold]other events of it[/bold]")
        for item in others:
            event(out, item)


def replay(out: Console, answer: dict[str, Any]) -> None:
    _basis(out, answer["basis"], "Replay")
    for note in answer["notes"]:
        out.print(f"note: {note}", style="yellow", highlight=False, markup=False)
    if answer["diff"]:
        _changes(out, answer["diff"])
    else:
        out.print("it changes nothing on this day")
