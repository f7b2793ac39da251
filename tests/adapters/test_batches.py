"""Events of a file, recorded in batches with the help of other processes: what comes of it is what one batch after the other comes to."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from adapters import batches
from adapters.batches import Done, lines, record_batches
from adapters.rebuild import verify
from adapters.schema import log
from api.wiring import Settings, Tarikh
from domain.errors import Busy, Invalid, Refused, TarikhError
from domain.event import Event
from tests.build import amend, retract, say
from tests.conftest import TODAY

WHAT_IS_SAID = (log.c.position, log.c.batch, log.c.originator_id, log.c.originator_version, log.c.topic, log.c.state)


def text(event: Event) -> bytes:
    return event.model_dump_json(exclude_defaults=True).encode()


def texts(events: Iterable[Event]) -> list[bytes]:
    """As a file has them, with an empty line among them."""
    return [b"\n", *(text(event) + b"\n" for event in events)]


def crossing() -> list[Event]:
    """Subjects that every batch has a part of, corrections of what the batch before said, and repeats."""
    told: list[Event] = []
    for month in range(1, 13):
        day, kind = f"2019-{month:02d}-03", "pledge.made" if month == 1 else "pledge.reaffirmed"
        told += [say("campaign.launched", day, subject=f"campaign:c{month}", name=f"Pressure {month}"),
                 say(kind, day, subject="pledge:p", id=f"made/{month}", by="USA"),
                 amend(f"made/{month}", kind, day, subject="pledge:p", id=f"mended/{month}", known=f"2019-{month:02d}-20", by="IRN")]
    return [*told, *told[:5], retract("made/3", subject="pledge:p", id="gone", known="2020-01-05")]


def whole(core: Tarikh) -> list[Any]:
    """The log without its instants, once the facts are found to be those of the fold."""
    assert verify(core.database).faults == []
    with core.database.transaction() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*WHAT_IS_SAID).order_by(log.c.position))]


def recorded(url: str, told: list[bytes], workers: int) -> tuple[list[Any], list[Done]]:
    with closing(Tarikh(Settings(database_url=url), today=lambda: TODAY)) as core:
        done = list(record_batches(core.writer, lines(told), 4, workers))
        return whole(core), done


def test_what_several_processes_decide_is_what_one_batch_after_the_other_comes_to(fresh: Callable[[], str]) -> None:
    told = texts(crossing())
    assert recorded(fresh(), told, workers=3) == recorded(fresh(), told, workers=1)


def test_a_batch_that_was_decided_too_early_is_decided_anew(fresh: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Unfinished(Future[Any]):
        """Is decided, and does not say so: nothing is written before all are handed in."""

        def done(self) -> bool:
            return False

    class Early:
        """Decides whatever is handed in at once, on the log as it is then."""

        def __init__(self, *_: Any) -> None: ...
        def __enter__(self) -> Early: return self
        def __exit__(self, *_: object) -> None: ...
        def shutdown(self, **_: Any) -> None: ...

        def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
            decided = Unfinished()
            try:
                decided.set_result(work(*given))
            except TarikhError as error:
                decided.set_exception(error)
            return decided

    alone = recorded(fresh(), texts(crossing()), workers=1)
    monkeypatch.setattr(batches, "ProcessPoolExecutor", Early)
    monkeypatch.setattr(batches, "AHEAD", 100)
    anew: list[Any] = []
    record = batches._record

    def again(writer: Any, batch: Any) -> Done:
        anew.append(batch)
        return record(writer, batch)

    monkeypatch.setattr(batches, "_record", again)
    assert recorded(fresh(), texts(crossing()), workers=2) == alone
    assert len(anew) == len(alone[1]) - 1  # all but the first, which nothing came before


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("bad", "error", "says"), [
    (b"{", Invalid, "line 7: no JSON: EOF while parsing an object"),
    (b'{"type": "campaign.exploded"}', Invalid, "line 7: unknown event type"),
    (text(say("campaign.ended", "2020-01-01", subject="campaign:never")), Refused, "lines 6 to 9: campaign:never"),
    (text(say("campaign.launched", "2030-01-01", subject="campaign:x", name="X")), Invalid, "lines 6 to 9: .* is not over yet"),
])
def test_the_first_batch_that_cannot_be_is_named_and_those_before_it_stay(core: Tarikh, bad: bytes, error: Any, says: str, workers: int) -> None:
    told = texts(crossing())
    told.insert(6, bad)
    with pytest.raises(error, match=says):
        list(record_batches(core.writer, lines(told), 4, workers))
    assert len(whole(core)) == 4
    del told[6]
    again = list(record_batches(core.writer, lines(told), 4, workers))
    assert sum(len(done.ids) - done.recorded for done in again) == 4 + 5
    assert len(whole(core)) == 37


def test_where_a_process_is_killed_nothing_is_lost_and_the_file_can_be_recorded_again(core: Tarikh) -> None:
    told = texts(say("campaign.launched", "2020-01-01", subject=f"campaign:c{n}", name=f"C {n}") for n in range(400))
    running = record_batches(core.writer, lines(told), 4, 2)
    first = next(running)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(Busy, match="record the file again"):
        list(running)
    assert first.recorded == 4
    before = len(whole(core))
    assert 4 <= before < 400
    assert sum(done.recorded for done in record_batches(core.writer, lines(told), 50)) == 400 - before
    assert len(whole(core)) == 400
