"""Stored events: stable names, golden files of every version, upcasting, and what is refused with which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from domain.catalogue import CATALOGUE, Catalogue
from domain.errors import Invalid
from domain.event import Amended, Event, Logged, Payload, Slug
from domain.families import pledge
from domain.family import Family
from tests.build import say
from tests.golden_files import FOLDER, full_event, missing, path_of
from tests.histories import histories, share

GOLDEN = sorted(FOLDER.glob("*.json"))


# ---------------------------------------------------------------- golden files
def test_every_stored_type_has_a_golden_file() -> None:
    assert missing() == []  # python -m tests.golden_files


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_golden_file_still_loads_and_its_current_version_is_stored_as_the_same_values(path: Path) -> None:
    stored = path.read_bytes()
    event = CATALOGUE.load(path.stem, stored)
    if path.stem in CATALOGUE.topics:
        assert json.loads(CATALOGUE.dump(event)) == json.loads(stored)
        assert event.type == path.stem
    else:
        assert CATALOGUE.load(event.type, CATALOGUE.dump(event)) == event


def test_a_full_event_has_every_field() -> None:
    event = full_event(pledge.PledgeMade)
    assert set(event.content()) == set(type(event).model_fields)
    assert set(event.content()["data"]) == set(pledge.PledgeMade.model_fields)


def test_stored_names_are_names_of_the_catalogue_and_no_python_paths() -> None:
    for topic in CATALOGUE.topics:
        name, version = topic.rsplit(".", 1)
        assert name == CATALOGUE.types[name].TYPE
        assert version == "v1"
        assert ".v" not in name


@share(1)
@given(histories())
def test_what_is_stored_is_what_was_recorded(history: list[Logged]) -> None:
    for item in history:
        stored = CATALOGUE.dump(item.event)
        assert CATALOGUE.load(item.event.type, stored) == item.event
        assert CATALOGUE.dump(CATALOGUE.load(item.event.type, stored)) == stored


# ---------------------------------------------------------------- what is refused
RAW = json.loads(path_of("pledge.made.v1").read_bytes()) if path_of("pledge.made.v1").exists() else {}


@pytest.mark.parametrize(("change", "words"), [
    ({"type": "pledge.forgotten"}, "unknown event type 'pledge.forgotten'"),
    ({"type": "pledge.made.v2"}, "'pledge.made' has no version '2': the current one is pledge.made.v1"),
    ({"type": "pledge.made.v0"}, "has no version '0'"),
    ({"type": "pledge.made.v"}, "has no version ''"),
    ({"type": "pledge.made.vx"}, "has no version 'x'"),
    ({"type": "pledge.made.v²"}, "has no version '²'"),
    ({"type": "pledge.made.v" + "1" * 5000}, "has no version"),
    ({"type": None}, "type is missing"),
    ({"type": "office.assumed"}, "data of office.assumed"),
    ({"subject": "agreement:a"}, "pledge.made is not an event of agreement:a"),
    ({"subject": "person:a"}, "of no known family"),
    ({"subject": "pledge:a b"}, "subject"),
    ({"effective": "2021-02-29"}, "effective: '2021-02-29' is not a day"),
    ({"effective": None}, "effective is missing"),
    ({"known": "soon"}, "known: 'soon' is not an EDTF day"),
    ({"until": "2018-05-04"}, "until 2018-05-04 is not after effective"),
    ({"sources": []}, "sources"),
    ({"record_id": ""}, "record_id"),
    ({"data": []}, "must be an object"),
    ({"data": {}}, "Field required"),
    ({"colour": "red"}, "colour: Extra inputs are not permitted"),
])
def test_what_is_not_well_formed_is_refused_and_told_why(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        CATALOGUE.event({**RAW, "type": "pledge.made", **change})


def test_a_name_without_version_means_the_current_one() -> None:
    assert CATALOGUE.event({**RAW, "type": "pledge.made"}).type == "pledge.made.v1"


def test_an_amendment_replaces_an_event_and_no_correction() -> None:
    nested = {"target": "x", "type": "correction.retracted", "data": {"target": "y", "reason": "r"}}
    with pytest.raises(Invalid, match="retract the correction instead"):
        CATALOGUE.event({**RAW, "type": "correction.amended", "data": nested})


def test_an_amendment_of_an_amendment_of_an_amendment_is_refused_however_deep() -> None:
    data: dict[str, Any] = {"target": "y", "reason": "r"}
    kind = "correction.retracted"
    for _ in range(3000):
        data, kind = {"target": "x", "type": kind, "data": data}, "correction.amended"
    with pytest.raises(Invalid, match="retract the correction instead"):
        CATALOGUE.event({**RAW, "type": "correction.amended", "data": data})


def test_an_amendment_stays_in_its_family() -> None:
    nested = {"target": "x", "type": "campaign.ended", "data": {}}
    with pytest.raises(Invalid, match=r"campaign\.ended is not an event of pledge:"):
        CATALOGUE.event({**RAW, "type": "correction.amended", "data": nested})


def test_two_families_cannot_share_a_type() -> None:
    with pytest.raises(ValueError, match="is taken"):
        Catalogue([pledge.FAMILY, replace(pledge.FAMILY, name="other")])


# ---------------------------------------------------------------- upcasting
class MadeAnew(Payload):
    """The second version of pledge.made: `by_name` is gone, `maker` is new."""

    TYPE = "pledge.made"
    VERSION = 2
    maker: Slug
    name: str


class MadeAgain(MadeAnew):
    """The third version."""

    VERSION = 3
    solemn: bool


def _catalogue(cls: type[Payload]) -> Catalogue:
    old: Family[Any] = pledge.FAMILY
    family = replace(old, events=(cls, *(c for c in old.events if c.TYPE != "pledge.made")))
    return Catalogue([family], {
        ("pledge.made", 1): lambda data: {"maker": data["by"], "name": data["name"]},
        ("pledge.made", 2): lambda data: {**data, "solemn": False},
    })


def test_an_old_version_is_upcast_when_it_is_read() -> None:
    stored = CATALOGUE.dump(say("pledge.made", by="usa", name="a word"))
    event = _catalogue(MadeAnew).load("pledge.made.v1", stored)
    assert event.data == MadeAnew(maker="usa", name="a word")
    assert event.type == "pledge.made.v2"


def test_an_old_version_is_upcast_through_every_version_between() -> None:
    stored = CATALOGUE.dump(say("pledge.made", by="usa", name="a word"))
    catalogue = _catalogue(MadeAgain)
    event = catalogue.load("pledge.made.v1", stored)
    assert event.data == MadeAgain(maker="usa", name="a word", solemn=False)
    assert catalogue.load(event.type, catalogue.dump(event)) == event


@pytest.mark.parametrize("topic", CATALOGUE.topics)
def test_a_stored_event_is_read_in_one_pass_as_in_steps(topic: str) -> None:
    stored = path_of(topic).read_bytes()
    raw = json.loads(stored)
    loaded, read = CATALOGUE.load(topic, stored), CATALOGUE.event({**raw, "type": topic}, stored=True)
    assert (loaded, type(loaded), type(loaded.data), repr(loaded)) == (read, Event, type(read.data), repr(read))
    for name in raw:
        for damaged in ({k: v for k, v in raw.items() if k != name}, {**raw, name: {"no": "such"}}, {**raw, name: None}, {**raw, "type": "x"}):
            in_one = partial(CATALOGUE.load, topic, json.dumps(damaged).encode())
            in_steps = partial(CATALOGUE.event, {**damaged, "type": topic}, stored=True)
            assert _told(in_one) == _told(in_steps)


def _told(read: Callable[[], Event]) -> Event | str:
    try:
        return read()
    except Invalid as error:
        return str(error)


def test_an_old_version_inside_an_amendment_is_upcast() -> None:
    inner = say("pledge.made", by="usa", name="a word").content()["data"]
    amended = CATALOGUE.event({**RAW, "type": "correction.amended", "data": {"target": "x", "type": "pledge.made.v1", "data": inner}})
    catalogue = _catalogue(MadeAnew)
    event = catalogue.load(amended.type, CATALOGUE.dump(amended))
    assert isinstance(event.data, Amended)
    assert event.data.data == MadeAnew(maker="usa", name="a word")
    assert event.data.type == "pledge.made.v2"
    assert catalogue.load(event.type, catalogue.dump(event)) == event


def test_a_version_that_is_still_to_come_is_refused() -> None:
    with pytest.raises(Invalid, match="has no version '4'"):
        _catalogue(MadeAgain).payload("pledge.made.v4", {})
