"""Golden files: the stored state of a full event of every type, kept for ever. `python -m tests.golden_files` adds those missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from domain.catalogue import CATALOGUE
from domain.event import Amended, Day, Edtf, Event, Payload, Retracted, Subject
from tests.histories import hints

FOLDER = Path(__file__).parent / "golden"
_FULL_SOURCE = {
    "publisher": "The Jakarta Post", "title": "Title, with “quotes”", "date": "2021-01", "locator": "https://example.org/1",
    "language": "en", "translation": {"by": "machine", "translator": "t", "original_language": "id", "governing_language": "id"},
    "anonymous": True, "second_hand": True, "derived_from": "report:reuters-2021-01-11"}


def full_event(cls: type[Payload]) -> Event:
    """An event of a type with every field filled."""
    family = CATALOGUE.family_of.get(cls.TYPE, "agreement")
    data = _corrects(cls) if issubclass(cls, Amended | Retracted) else full_payload(cls)
    return CATALOGUE.event({
        "subject": f"{family}:sample.slug_1-a", "type": cls.TYPE, "record_id": "sample/2018-05-08:1", "effective": "[2018-05-01..2018-05-04]",
        "known": "2018-05", "until": "2018-12-31", "order": -1, "data": data, "summary": "Tárikh تاریخ", "sources": [_FULL_SOURCE],
        "confidence": "low", "note": "what is uncertain"}, stored=True)


def _corrects(cls: type[Payload]) -> dict[str, Any]:
    if cls is Retracted:
        return {"target": "sample/1", "reason": "an error"}
    other = "agreement.concluded"
    return {"target": "sample/1", "type": other, "data": full_payload(CATALOGUE.types[other]), "reason": "an error"}


def full_payload(cls: type[Payload]) -> dict[str, Any]:
    """Every field of a type, with a value that is none of the defaults."""
    return {name: _value(name, hint) for name, hint in hints(cls).items()}


def _value(name: str, hint: Any) -> Any:
    if hint is Day:
        return {"first_day": "2018-01-01", "last_day": "2018-12-31"}.get(name, "2018-05-08")
    plain = {Edtf: "2018-05", Subject: "report:sample", bool: True, int: 7, float: -1.5}
    for known, value in plain.items():
        if hint is known:
            return value
    if get_origin(hint) is tuple:
        return [_value(name, get_args(hint)[0]), "B.2-c_d"]
    if type(None) in get_args(hint):
        return _value(name, next(arg for arg in get_args(hint) if arg is not type(None)))
    if get_origin(hint) is Annotated:
        return f"a-{name}" if getattr(get_args(hint)[1], "pattern", None) else f"some {name}, “é”"
    raise TypeError(f"no sample for {name}: {hint!r}: say here what such a field may hold")


def path_of(topic: str) -> Path:
    return FOLDER / f"{topic}.json"


def missing() -> list[str]:
    """The topics that have no golden file."""
    return [topic for topic in CATALOGUE.topics if not path_of(topic).exists()]


def main() -> None:
    for topic in missing():
        path_of(topic).write_bytes(CATALOGUE.dump(full_event(CATALOGUE.types[topic.rpartition(".v")[0]])))
        print(f"added {path_of(topic).name}")


if __name__ == "__main__":
    main()
