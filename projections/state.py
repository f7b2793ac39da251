"""The state of relations on a basis, family by family; lists of facts, filtered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json, to_json

from domain.catalogue import Catalogue
from domain.errors import BadQuestion
from domain.family import Family
from domain.text import fold_text
from domain.timeline import SCHEDULED
from projections.basis import Basis
from projections.ports import Found

FILTERS = ("subject", "key", "kind", "status", "certainty", "q")


def by_family(catalogue: Catalogue, found: Iterable[Found]) -> dict[str, list[Found]]:
    """Facts under the plural name of their family, every family that belongs to a state present."""
    out: dict[str, list[Found]] = {f.plural: [] for f in catalogue.families.values() if not f.recorded_alone}
    for item in found:
        out[catalogue.families[item.family].plural].append(item)
    return out


def dumps(value: Any) -> bytes:
    """JSON as every answer has it."""
    return to_json(value)


def join(items: Iterable[Found]) -> bytes:
    """A JSON array of stored facts, joined and not serialized again."""
    return b"[" + b",".join(item.body for item in items) + b"]"


def counts(designations: Sequence[Found], basis: Basis, path: str) -> dict[str, Any]:
    """Listings in force by list, program and authority, and where to find them; actions that named many are counted apart."""
    # one for each key, though it may be told in several possible words
    last = {(item.subject, item.key): item.body for item in designations if item.kind == "listing" and item.status != SCHEDULED}
    told = [_counted(body) for body in last.values()]
    entries = [one for one in told if one[0] != "group"]  # an action that named many: its members may be entries of their own
    by_list = Counter([of_list for _, of_list, _, _ in entries])
    by_program = Counter(chain.from_iterable([programs for _, _, programs, _ in entries]))
    by_authority = Counter(chain.from_iterable([authorities for _, _, _, authorities in entries]))
    echo = basis.echo()
    query = "&".join(f"{name}={echo[name]}" for name in ("as_of", "known_at", "recorded_at"))
    return {"total": len(entries), "groups": len(told) - len(entries), "by_list": _ordered(by_list), "by_program": _ordered(by_program),
            "by_authority": _ordered(by_authority), "href": f"{path}?kind=listing&status=listed&{query}"}


@lru_cache(maxsize=20_000)  # the entries of the lists, which every state counts: some 20 MB
def _counted(body: bytes) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """(type, list, programs, authorities) of a listing."""
    attributes = from_json(body)["attributes"]
    return attributes["type"], attributes["list"], tuple(attributes.get("programs", ())), tuple(attributes.get("authorities", ()))


def _ordered(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))


def state_json(catalogue: Catalogue, relation: str, basis: Basis, found: Iterable[Found], coverage: Any) -> bytes:
    """The whole state: one list of facts per family, designations as counts, and what the record covers."""
    parts = [b'{"basis":' + dumps(basis.echo()), b'"relation":' + dumps(relation)]
    for plural, items in by_family(catalogue, found).items():
        value = dumps(counts(items, basis, f"/v1/relations/{relation}/{plural}")) if plural == "designations" else join(items)
        parts.append(b'"%b":%b' % (plural.encode(), value))
    parts.append(b'"coverage":' + dumps(coverage))
    return b",".join(parts) + b"}"


# ---------------------------------------------------------------- filters
def known_filters(family: Family[Any]) -> set[str]:
    """What a list of this family may be filtered by: the columns of a fact and the attributes of its events."""
    attributes = {name for cls in family.events for name in cls.model_fields}
    return {*FILTERS, *attributes, *family.adds, *family.filters, "confidence", "becomes"}


def check_filters(family: Family[Any], filters: Mapping[str, str]) -> None:
    """Raises BadQuestion for a filter that no fact of the family could have."""
    unknown = sorted(set(filters) - known_filters(family))
    if unknown:
        raise BadQuestion(f"{unknown[0]!r} is no parameter and no attribute of {family.plural}: docs/families.md lists its attributes")


def matching(
    found: Iterable[Found], filters: Mapping[str, str], stands_for: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> list[Found]:
    """The facts that pass every filter: equality, membership for lists, all words for `q`."""
    plain = {name: value for name, value in filters.items() if name in ("subject", "key", "kind", "status")}
    deep = {name: value for name, value in filters.items() if name not in plain}
    return [item for item in found
            if all(getattr(item, name) == value for name, value in plain.items()) and (not deep or _passes(item, deep, stands_for))]


def _passes(item: Found, filters: Mapping[str, str], stands_for: Mapping[str, tuple[str, ...]]) -> bool:
    fact = from_json(item.body)
    attributes = fact["attributes"]
    for name, wanted in filters.items():
        if name == "q":
            text = fold_text(" ".join([item.subject, item.key, str(attributes.get("name", "")), *attributes.get("aliases", ()),
                                       *attributes.get("members", ())]))
            if not all(word in text for word in fold_text(wanted).split()):
                return False
        elif name == "certainty":
            if fact["certainty"] != wanted:
                return False
        elif not any(_equal(attributes.get(attribute), wanted) for attribute in stands_for.get(name, (name,))):
            return False
    return True


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, list):
        return any(_equal(item, wanted) for item in value)
    if isinstance(value, bool):
        return wanted.lower() == str(value).lower()
    if isinstance(value, int | float):
        try:
            return float(wanted) == value
        except ValueError:
            return False
    return value is not None and str(value) == wanted
