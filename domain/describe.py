"""The catalogue in words: what docs/families.md and docs/events.md are generated from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.catalogue import Catalogue
from domain.event import Payload
from domain.family import Family
from domain.timeline import SCHEDULED

_TYPES = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false", "array": "list of texts"}


def fields_of(cls: type[Payload]) -> Iterator[tuple[str, str, bool, str]]:
    """(name, type, required, description) of the fields of an event's data."""
    schema = cls.model_json_schema()
    for name, prop in schema.get("properties", {}).items():
        kinds = [prop.get("type"), *(p.get("type") for p in prop.get("anyOf", ()))]
        shown = next((_TYPES[k] for k in kinds if k in _TYPES), "object")
        about = str(prop.get("description", ""))
        if prop.get("examples"):
            example = prop["examples"][0]
            about = f"{about}{'; ' if about else ''}for instance `{example}`"
        yield name, shown, name in schema.get("required", ()), about


def first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]


def families_page(catalogue: Catalogue) -> str:
    """docs/families.md: all that someone needs who has a question and has never seen the code."""
    out = [_HEAD]
    for family in catalogue.families.values():
        out.append(_family(family))
    return "\n".join(out) + "\n"


def _family(family: Family[Any]) -> str:
    out = [f"## {family.title}: `{family.plural}`", "", f"Subjects: {family.subjects}.", "",
           "| kind | key | what it says | statuses |", "| --- | --- | --- | --- |"]
    for kind in family.kinds:
        statuses = "; ".join(f"`{status}` {says}" for status, says in kind.statuses.items())
        out.append(f"| `{kind.name}` | `{kind.key}` | {kind.says} | {statuses} |")
    seen: dict[str, tuple[str, str]] = {}
    for cls in family.events:
        for name, shown, _, about in fields_of(cls):
            if name not in seen or (about and not seen[name][1]):
                seen[name] = (shown, about)
    seen |= {name: ("text", about) for name, about in family.adds.items()}
    out += ["", "Attributes (each is a filter):", "", "| attribute | type | meaning |", "| --- | --- | --- |"]
    out += [f"| `{name}` | {shown} | {about} |" for name, (shown, about) in sorted(seen.items())]
    out += ["", family.also] if family.also else []
    return "\n".join([*out, ""])


def events_page(catalogue: Catalogue) -> str:
    """docs/events.md: every event type with its data."""
    out = [_EVENTS_HEAD]
    for family in catalogue.families.values():
        out += [f"## {family.title}", ""]
        for cls in family.events:
            out += _event(catalogue.topic(cls), cls)
    out += ["## Corrections, of any family", ""]
    for name in ("correction.amended", "correction.retracted"):
        out += _event(catalogue.topic(catalogue.types[name]), catalogue.types[name])
    return "\n".join(out)


def _event(topic: str, cls: type[Payload]) -> list[str]:
    out = [f"### `{topic}`", "", first_line(cls), ""]
    rows = list(fields_of(cls))
    if rows:
        out += ["| field | type | needed | meaning |", "| --- | --- | --- | --- |"]
        out += [f"| `{name}` | {shown} | {'yes' if needed else 'no'} | {about} |" for name, shown, needed, about in rows]
        out.append("")
    return out


_HEAD = f"""# Families: what can be asked

*Generated from the catalogue by `make docs`; a test keeps it true.*

A **fact** is `{{"subject", "key", "kind", "status", "since", "until", "certainty", "attributes", "because"}}`. What does not hold on
a day is not in the answer: a waiver that lapsed is absent, a party that left is absent from `kind=participant`.

- `since`, `until`: the unbroken run of the same key and status; `until` is the first day on which it no longer holds, null
  where no end is known on the basis. Days that are not known exactly are EDTF: `2018-05`, `[2018-05-01..2018-05-04]`.
- `certainty`: `certain` where it holds whatever the uncertain days were, `possible` where it holds on some of them.
- `status` `{SCHEDULED}`: announced and not yet begun; `since` is the day from which it will hold, `attributes.becomes` the status
  it will have. Of any kind, in any family.
- `attributes` of any fact may also have `summary` (one sentence), `confidence` (`medium` or `low`; high where absent) and `note`
  (what is uncertain about it).
- `because`: ids of the events that made it so; `GET /v1/events/{{id}}` gives each with its sources.

**How to ask.** `GET /v1/relations/IRN-USA/{{family}}?as_of=2018-05-08&known_at=2018-05-08` with the plural name below; or
`GET /v1/subjects/{{subject}}`. Every list takes the filters `subject`, `key`, `kind`, `status`, `certainty`, `q` (text in the
subject, name or aliases) and any attribute named below (`?party=USA`; for a list, one of its items; `?attributes.to=irgc` and `?attributes.limit=...`
for the two that are named like a parameter). With `from=` and `to=` instead of `as_of` it lists all that held at some time
between. Find subjects with `GET /v1/subjects?q=...`.

`as_of` and `known_at` are days; a day means its end. `known_at` left out means all that the log knows now: hindsight.
"""
_EVENTS_HEAD = """# Event catalogue

*Generated from the catalogue by `make docs`; a test keeps it true.*

Every event also has `subject`, `record_id`, `effective`, `known`, `until`, `order`, `summary`, `sources`, `confidence` and `note`
(see the OpenAPI document). The version at the end of a type never changes its meaning; a changed payload gets a new version, and
old ones are upcast when they are read.
"""


def catalogue_json(catalogue: Catalogue) -> dict[str, Any]:
    """Families, kinds of fact, statuses and event types, as JSON values."""
    return {
        "families": [{
            "name": family.name, "list": family.plural, "title": family.title, "subjects": family.subjects,
            "kinds": [{"kind": k.name, "key": k.key, "says": k.says, "statuses": dict(k.statuses)} for k in family.kinds],
            "events": [{"type": catalogue.topic(cls), "says": first_line(cls), "data": cls.model_json_schema()} for cls in family.events],
        } for family in catalogue.families.values()],
        "corrections": [{"type": catalogue.topic(catalogue.types[name]), "says": first_line(catalogue.types[name])}
                        for name in ("correction.amended", "correction.retracted")],
    }
