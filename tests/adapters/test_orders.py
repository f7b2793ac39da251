"""Executive orders: their two days, which of them concern Iran, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters import chronology, orders
from adapters.lists.model import Damaged
from domain.catalogue import CATALOGUE
from tests.conftest import needs_shared

NEW = """# Executive Order {n}: {title}

## Summary

**Date:** August 06, 2018

**Document Details:**
- Document Number: 2018-99999
- Executive Order Number: {n}
- Citation: 83 FR 99999

## Sources
- [Federal Register](https://www.federalregister.gov/documents/2018/08/09/2018-99999/some-title)
- [XML Source](https://www.federalregister.gov/documents/full_text/xml/2018/08/09/2018-99999.xml)

---

## Executive Order {n}

### Authority

By the authority vested in me, including the International Emergency Economic Powers Act (50 U.S.C. 1701
et seq
.){more}, I hereby order:
### Section 1. Nobody shall trade with the persons below, in Iran or elsewhere.

---

*Filed by the Office of the Federal Register on August 06, 2018*
"""
OLD = """# Executive Order 12999—Agreement With Iran

## Summary

**Signed:** January 19, 1981
**Published:** January 19, 1981

**Document Details:**
- Document Number: None
- Executive Order Number: 12999
- Citation: None

## Sources
- [Federal Register HTML](https://www.presidency.ucsb.edu/documents/executive-order-12999-agreement)
- [XML Source](None)

---

## Executive Order 12999

DIRECTION TO TRANSFER
CERTAIN ASSETS
### Authority

By the authority vested in me, it is hereby ordered as follows:
1-101. Assets are transferred.

JIMMY CARTER
{filed}
---

*Filed by the Office of the Federal Register on January 19, 1981*
"""
FILED = "[Filed with the Office of the Federal Register, 9:17 a.m., January 22, 1981]"


def new(n: int = 13999, title: str = "Imposing Sanctions With Respect to Iran", more: str = "") -> str:
    return NEW.format(n=n, title=title, more=more)


def read(tmp_path: Path, *texts: str) -> list[dict[str, Any]]:
    for i, text in enumerate(texts):
        (tmp_path / f"{i}.md").write_text(text, encoding="utf-8")
    return orders.read_orders(tmp_path)


def test_an_order_counts_as_known_from_its_publication(tmp_path: Path) -> None:
    found = read(tmp_path, new())
    assert {k: found[0][k] for k in ("number", "title", "signed", "published", "citation", "document")} == {
        "number": "13999", "title": "Imposing Sanctions With Respect to Iran", "signed": "2018-08-06", "published": "2018-08-09",
        "citation": "83 FR 99999", "document": "2018-99999"}
    events, skipped = orders.order_events(found, set())
    event = CATALOGUE.event(events[0])
    assert not skipped
    assert (event.subject, event.record_id, event.type) == ("program:eo-13999", "fr/2018-99999", "program.instrument_issued.v1")
    assert (event.effective, event.known, event.confidence) == ("2018-08-06", "2018-08-09", "high")
    assert events[0]["data"]["signed"] == "2018-08-06"
    assert event.sources[0].publisher == "Federal Register"
    assert event.sources[0].locator == "83 FR 99999"


def test_an_old_order_counts_as_known_from_its_filing(tmp_path: Path) -> None:
    events, _ = orders.order_events(read(tmp_path, OLD.format(filed=FILED)), set())
    event = CATALOGUE.event(events[0])
    assert (event.record_id, event.effective, event.known) == ("eo/12999", "1981-01-19", "1981-01-22")
    assert events[0]["data"] == {"name": "E.O. 12999, Direction To Transfer Certain Assets", "issuer": "USA",
                                 "instrument": "executive_order", "signed": "1981-01-19"}
    assert event.sources[0].locator == "presidency.ucsb.edu/documents/executive-order-12999-agreement"


def test_an_order_without_either_day_counts_from_its_signature_and_says_so(tmp_path: Path) -> None:
    events, _ = orders.order_events(read(tmp_path, OLD.format(filed="")), set())
    assert (events[0]["known"], events[0]["confidence"]) == ("1981-01-19", "medium")
    assert "No day of publication" in events[0]["note"]


def test_the_authority_section_makes_it_an_order_on_iran_and_a_later_mention_does_not(tmp_path: Path) -> None:
    found = read(tmp_path, new(13998, "Blocking Property", ", in view of the actions of Iran"), new(13997, "Blocking Property"))
    events, skipped = orders.order_events(found, set())
    assert [event["subject"] for event in events] == ["program:eo-13998"]
    assert skipped == {"neither its title nor its authority section concerns Iran": 1}


def test_what_the_record_has_is_not_issued_again(tmp_path: Path) -> None:
    events, skipped = orders.order_events(read(tmp_path, new()), {"program:eo-13999"})
    assert (events, skipped) == ([], {"already in the record": 1})


@pytest.mark.parametrize(("text", "why"), [
    ("", "no title"),
    (new()[:300], "no title"),
    (new().replace("August 06", "Mordad 15"), "is not a day"),
    (new().replace("Order Number: 13999", "Order Number: 13998"), "order number"),
    (new().replace("Document Number: 2018-99999", "Document Number: 2018-1"), "contradicts"),
    (new().replace("August 06", "August 16"), "contradicts"),
])
def test_a_damaged_order_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(Damaged, match=rf"0\.md: .*{why}"):
        read(tmp_path, text)


def test_an_empty_folder_another_encoding_and_an_order_that_is_there_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="no executive order"):
        orders.read_orders(tmp_path)
    with pytest.raises(Damaged, match=r"13999 is there twice"):
        read(tmp_path, new(), new())
    (tmp_path / "0.md").write_bytes(new().encode("utf-16"))
    with pytest.raises(Damaged, match="not UTF-8"):
        orders.read_orders(tmp_path)


def test_the_real_orders_are_all_taken_or_counted() -> None:
    found = orders.read_orders(needs_shared("data/us/executive-orders"))
    subjects = {event.subject for event in chronology.read_file(chronology.FOLDER / "program.toml", CATALOGUE)}
    events, skipped = orders.order_events(found, subjects)
    assert len(found) == 45 == len(events) + skipped.total()
    assert all(order["published"] for order in found if order["signed"] > "2003")
    assert {"program:eo-12613", "program:eo-13606", "program:eo-13608"} <= {CATALOGUE.event(event).subject for event in events}
    assert not {"program:eo-13780", "program:eo-13846", "program:eo-14204"} & {event["subject"] for event in events}
