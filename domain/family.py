"""What a family of events is made of: its facts, its kinds of fact, and how its events change a state."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from domain.event import Payload

Attributes: TypeAlias = tuple[tuple[str, Any], ...]
E_co = TypeVar("E_co", bound=Payload, covariant=True)
E = TypeVar("E", bound=Payload)

RELATION = "IRN-USA"


class Fact(NamedTuple):
    """What holds under one key. Equality is by content, so that runs of the same fact can be joined."""

    kind: str
    status: str
    attributes: Attributes
    because: tuple[int, ...]  # versions of the events that stand behind it, ascending
    term: int = 0  # version of the original event whose planned end would end it

    def get(self, name: str) -> Any:
        for key, value in self.attributes:
            if key == name:
                return value
        return None


State: TypeAlias = Mapping[str, Fact]


class Step(NamedTuple, Generic[E_co]):
    """What one original event says, as corrected, at its place in the timeline."""

    lo: int  # earliest and latest effective day
    hi: int
    place: tuple[int, int, int, int]  # stated order, the ORIGINAL's known, the ORIGINAL's version, 0 start / 1 planned end
    data: E_co
    told: Attributes  # what the event says: its own fields, and of itself its summary, confidence and note
    version: int  # of the event that stands: the original or its last correction
    root: int  # of the original
    announced: int  # the known day from which a start still to come is `scheduled`
    until: int | None  # planned end
    ends: bool = False  # this step is the planned end itself


@dataclass(frozen=True)
class Kind:
    """A kind of fact, for the documentation and for the test that holds `evolve` to it."""

    name: str
    key: str  # pattern; <x> stands for a part that varies
    says: str
    statuses: Mapping[str, str]


def allow_all(state: State, step: Step[Any]) -> str | None:
    return None


def one_scope(data: Payload) -> str:
    return ""


def always(fact: Fact) -> bool:
    return True


@dataclass(frozen=True)
class Family(Generic[E]):
    """Events and the facts that follow from them.

    `evolve` is total: it never raises, whatever part of a history is known. `refuse` is strict: it names what is wrong
    with a step after the given state, or returns None; `decide` runs it over the final timeline of a batch.
    """

    name: str
    plural: str  # the list's name in the state and in paths
    title: str
    subjects: str  # what a subject is
    events: tuple[type[E], ...]
    kinds: tuple[Kind, ...]
    evolve: Callable[[State, Step[E]], State]
    refuse: Callable[[State, Step[E]], str | None] = allow_all
    scope: Callable[[E], str] = one_scope  # events of different scopes never meet in a fold
    concerns: Callable[[Fact], bool] = always  # whether a fact belongs to the relation
    recorded_alone: bool = False  # not filtered on the known clock (coverage)
    adds: Mapping[str, str] = field(default_factory=dict)  # attributes that `evolve` adds to those of the events, and what they mean
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # filter names that stand for one or more attributes
    also: str = ""  # a note for the documentation


# ---------------------------------------------------------------- states
@lru_cache
def _fields(cls: type[Payload]) -> tuple[str, ...]:
    return tuple(sorted(cls.model_fields))


def attributes_of(data: Payload) -> Attributes:
    """An event's own fields as attributes: those that say something, in order of name."""
    values = data.__dict__
    return tuple([(name, value if type(value) is str else _frozen(value)) for name in _fields(type(data))
                  if (value := values[name]) is not None and value != () and value != []])


def _frozen(value: Any) -> Any:
    return tuple([item if type(item) is str else _frozen(item) for item in value]) if isinstance(value, (list, tuple)) else value


def _attributes(step: Step[Any], said: dict[str, Any], more: Mapping[str, Any]) -> Attributes:
    """What was `said` before, over it what the event says, and over that `more`, of which None and () leave an attribute out."""
    said.update(step.told)
    for name, value in more.items():
        if value is None or value == ():
            said.pop(name, None)
        else:
            said[name] = value
    return tuple(sorted(said.items()))


def _because(old: Fact | None, status: str, step: Step[Any]) -> tuple[int, ...]:
    if old is None or old.status != status:
        return (step.version,)
    return tuple(sorted({*old.because, step.version}))


def put(state: State, key: str, step: Step[Any], kind: str, status: str, **more: Any) -> State:
    """The fact under `key` becomes what this event says (and `more`; a None leaves an attribute out)."""
    fact = Fact(kind, status, _attributes(step, {}, more), _because(state.get(key), status, step), step.root)
    return {**state, key: fact}


def merge(state: State, key: str, step: Step[Any], kind: str, status: str, *, new_term: bool = False, **more: Any) -> State:
    """Like `put`, over what the fact said before.

    Its planned end stays, unless this event has one of its own or `new_term` says that it sets the term anew.
    """
    old = state.get(key)
    if old is None:
        return put(state, key, step, kind, status, **more)
    said = dict(old.attributes)
    for name in ("note", "confidence"):
        said.pop(name, None)
    term = step.root if new_term or step.until is not None else old.term
    return {**state, key: Fact(kind, status, _attributes(step, said, more), _because(old, status, step), term)}


def drop(state: State, *keys: str) -> State:
    """Without the facts under `keys`; a key that ends with `*` stands for all that begin so."""
    begins = tuple([key[:-1] for key in keys if key.endswith("*")])
    return {key: fact for key, fact in state.items() if key not in keys and not key.startswith(begins)}


def note_party(state: State, key: str, step: Step[Any], name: str, party: str) -> State:
    """Adds a party to a list attribute of a fact, where the fact is there."""
    old = state.get(key)
    if old is None:
        return state
    parties = tuple(sorted({*(old.get(name) or ()), party}))
    attributes = tuple(sorted({**dict(old.attributes), name: parties}.items()))
    return {**state, key: old._replace(attributes=attributes, because=tuple(sorted({*old.because, step.version})))}


def end_term(state: State, step: Step[Any]) -> State:
    """A planned end ends what its own event began or renewed, and nothing that a later event took over."""
    return {key: fact for key, fact in state.items() if fact.term != step.root}


_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def slug(text: str) -> str:
    """A key part from a text: `E.O. 13224` gives `eo-13224`."""
    return _NOT_SLUG.sub("-", text.casefold().replace("'", "").replace(".", "")).strip("-") or "x"
