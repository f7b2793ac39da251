"""What is recorded cannot be changed without it showing: the hash chain, and checkpoints that are kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from adapters import chain
from adapters.checkpoint import Checkpoint, Signer, Verifier, contradictions, make_key, take
from adapters.log import LogRecorder
from adapters.rebuild import verify
from adapters.schema import log
from api.wiring import Settings, Tarikh
from domain.errors import BadQuestion, Invalid, NotFound
from tests.api.ask import concluded, withdrew
from tests.conftest import TODAY

Row = tuple[Any, ...]
URLs = Callable[[], str]
EVENTS = [concluded(record_id="a", subject=f"agreement:a{i}") for i in range(6)] + [withdrew(subject="agreement:a3")]


@pytest.fixture
def core(fresh: URLs) -> Iterator[Tarikh]:
    """A log of seven events in four batches."""
    tarikh = Tarikh(Settings(database_url=fresh()), today=lambda: TODAY)
    for batch in (EVENTS[:2], EVENTS[2:3], EVENTS[3:6], EVENTS[6:]):
        tarikh.writer.record(tarikh.events_from(batch))
    yield tarikh
    tarikh.close()


def rows(core: Tarikh) -> list[Row]:
    with core.database.transaction() as connection:
        return list(chain.walk(connection))


def heads(core: Tarikh, *positions: int) -> list[Checkpoint]:
    with core.database.transaction() as connection:
        return [take(connection, position) for position in positions]


def rewrite(core: Tarikh, changed: list[Row]) -> None:
    """What somebody who owns the database can do: the log, replaced by other rows."""
    names = [column.name for column in log.c]
    with core.database.unguarded() as connection, connection.begin():
        if core.database.sqlite:
            for trigger in ("update", "delete", "replace"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS log_no_{trigger}")
        else:
            connection.exec_driver_sql("ALTER TABLE log DISABLE TRIGGER ALL")
        connection.exec_driver_sql("DELETE FROM log")
        statement = sa.text(f"INSERT INTO log ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})")
        for row in changed:
            connection.execute(statement, dict(zip(names, row, strict=True)))


def rechained(changed: list[Row]) -> list[Row]:
    """The rows with every hash made anew, as a forger would."""
    out: list[Row] = []
    before = chain.GENESIS
    for position, batch, recorded_at, latest_known, stream, version, topic, state, _ in changed:
        of = stream if isinstance(stream, UUID) else UUID(stream)
        before = chain.link(before, position, batch, recorded_at, latest_known, of.bytes, version, topic, state)
        out.append((position, batch, recorded_at, latest_known, stream, version, topic, state, before))
    return out


# ---------------------------------------------------------------- the chain
def test_a_log_as_it_was_recorded_has_no_fault(core: Tarikh) -> None:
    assert list(chain.faults(rows(core))) == []
    assert verify(core.database).faults == []


def test_every_change_of_a_single_byte_is_found_and_its_event_is_named(core: Tarikh) -> None:
    whole, tried = rows(core), 0
    for i, row in enumerate(whole):
        for column in range(1, 9):
            for changed in _changed(row[column]):
                tried += 1
                found = list(chain.faults([*whole[:i], (*row[:column], changed, *row[column + 1 :]), *whole[i + 1 :]]))
                assert len(found) == 1, (i, column, changed, found)
                assert f"position {i + 1} (" in found[0]
    assert tried > 2000


def _changed(value: Any) -> Iterator[Any]:
    """The value with each of its bytes, or bits of a number, changed."""
    if isinstance(value, int):
        yield from (value ^ (1 << bit) for bit in range(0, 62, 3))
    elif isinstance(value, UUID):
        yield from (UUID(int=value.int ^ (1 << bit)) for bit in range(0, 128, 5))
    elif isinstance(value, str):
        yield from (value[:i] + chr(ord(c) ^ 0x20 if c.isalpha() else ord(c) ^ 1) + value[i + 1 :] for i, c in enumerate(value))
    else:
        yield from (value[:i] + bytes([c ^ 1 << i % 8]) + value[i + 1 :] for i, c in enumerate(value))


@pytest.mark.parametrize("other", [None, "text", b"bytes", 1.5, ""])
def test_a_value_of_another_type_is_a_fault_and_no_crash(core: Tarikh, other: object) -> None:
    whole = rows(core)
    for column in range(1, 9):
        assert list(chain.faults([whole[0], (*whole[1][:column], other, *whole[1][column + 1 :]), *whole[2:]]))


def test_every_missing_event_is_found_by_its_position(core: Tarikh) -> None:
    whole = rows(core)
    for i in range(len(whole) - 1):
        found = list(chain.faults(whole[:i] + whole[i + 1 :]))
        assert len(found) == 1
        assert f"position {i + 1} is missing" in found[0]
    assert "positions 2 to 4 are missing" in next(chain.faults([whole[0], *whole[4:]]))


def test_events_that_changed_places_are_found(core: Tarikh) -> None:
    whole = rows(core)
    for i in range(len(whole)):
        for j in range(i + 1, len(whole)):
            swapped = list(whole)
            swapped[i], swapped[j] = (whole[i][0], *whole[j][1:]), (whole[j][0], *whole[i][1:])
            found = "\n".join(chain.faults(swapped))
            assert f"position {i + 1} (" in found
            assert f"position {j + 1} (" in found


def test_an_event_put_in_between_is_found(core: Tarikh) -> None:
    whole = rows(core)
    put_in = rechained([*whole[:3], (4, *whole[0][1:5], 2, *whole[0][6:])])
    moved = [(row[0] + 1, *row[1:]) for row in whole[3:]]
    assert list(chain.faults([*put_in, *moved]))


@given(st.binary(max_size=40), st.text(max_size=20), st.binary(max_size=40), st.text(max_size=20))
def test_no_two_rows_are_hashed_alike(state: bytes, topic: str, other: bytes, other_topic: str) -> None:
    links = {chain.link(chain.GENESIS, 1, 1, 1, 1, bytes(16), 1, t, s) for t, s in {(topic, state), (other_topic, other)}}
    assert len(links) == len({(topic, state), (other_topic, other)})


# ---------------------------------------------------------------- verify, on the database
def test_verify_names_what_was_changed_and_does_not_compare_facts_with_it(core: Tarikh) -> None:
    whole = rows(core)
    rewrite(core, [*whole[:4], (*whole[4][:7], whole[4][7].replace(b"2015", b"2016"), whole[4][8]), *whole[5:]])
    found = core.verify(lambda _: None).faults
    assert "position 5 (agreement:a4@1)" in found[0]
    assert found[-1].startswith("facts: not compared")


def test_verify_reads_a_log_whose_events_are_no_json(core: Tarikh) -> None:
    whole = rows(core)
    rewrite(core, [*whole[:6], (*whole[6][:7], b"\xff{", whole[6][8])])
    assert "position 7" in core.verify(lambda _: None).faults[0]


@pytest.mark.parametrize("cut", range(7))
def test_a_log_that_was_cut_off_is_found_by_its_facts_which_name_the_events(core: Tarikh, cut: int) -> None:
    ids = [f"agreement:a{i}@1" for i in range(6)] + ["agreement:a3@2"]
    rewrite(core, rows(core)[:cut])
    found = "\n".join(core.verify(lambda _: None).faults)
    for id_ in ids[cut:]:
        assert f"{id_} is gone" in found
    for id_ in ids[:cut]:
        assert f"{id_} is gone" not in found


@pytest.mark.parametrize("cut", range(7))
def test_a_log_that_was_cut_off_is_found_by_a_kept_checkpoint_even_where_the_facts_were_made_anew(core: Tarikh, cut: int) -> None:
    kept = heads(core, 7)
    rewrite(core, rows(core)[:cut])
    core.rebuild(lambda _: None)
    assert "cut off" in core.verify(lambda _: None, kept).faults[0]


def test_a_chain_that_was_rewritten_whole_is_found_by_a_kept_checkpoint_and_between_which_events(core: Tarikh) -> None:
    whole, kept = rows(core), heads(core, 2, 5, 7)
    for i in range(7):
        row = whole[i]
        rewrite(core, rechained([*whole[:i], (*row[:7], row[7].replace(b"record_id\":\"", b"record_id\":\"x"), row[8]), *whole[i + 1 :]]))
        with core.database.transaction() as connection:
            assert list(chain.faults(chain.walk(connection))) == []
            (found,) = contradictions(connection, kept)
        first, last = next((a, b) for a, b in ((1, 2), (3, 5), (6, 7)) if a <= i + 1 <= b)
        assert f"positions {first} to {last} was rewritten" in found
        assert found in core.verify(lambda _: None, kept).faults


def test_a_log_that_went_on_holds_to_its_checkpoints(core: Tarikh) -> None:
    kept = heads(core, 0, 1, 4, 7)
    core.writer.record(core.events_from(concluded(subject="agreement:z")))
    assert core.verify(lambda _: None, kept).faults == []


def test_batches_of_every_recorder_are_chained(fresh: URLs, core: Tarikh) -> None:
    assert isinstance(core.log.recorder, LogRecorder)
    core.load()
    assert list(chain.faults(rows(core))) == []


# ---------------------------------------------------------------- signed checkpoints
@pytest.fixture
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


HEAD = Checkpoint(825, 1_769_860_800_000_001, bytes(range(32)))


def test_a_checkpoint_is_read_back_from_its_note(signer: Signer) -> None:
    assert Verifier.parse(str(signer.verifier)).read(signer.sign(HEAD)) == HEAD
    assert signer.sign(HEAD) == signer.sign(HEAD)


def test_every_change_of_a_note_is_refused(signer: Signer) -> None:
    note = signer.sign(HEAD)
    for i, c in enumerate(note[:-1]):
        with pytest.raises(Invalid):
            signer.verifier.read(note[:i] + chr(ord(c) ^ 1) + note[i + 1 :])


def test_a_note_of_another_key_is_refused(signer: Signer) -> None:
    with pytest.raises(Invalid, match="the key is that of"):
        Signer(Ed25519PrivateKey.generate()).verifier.read(signer.sign(HEAD))


@pytest.mark.parametrize("text", ["", "tarikh", "tarikh/1+00000000+AQ==", "a+b+c", "tarikh/1+zz+!!"])
def test_a_malformed_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion, match="verification key"):
        Verifier.parse(text)


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    assert make_key(path)
    made = path.read_bytes()
    assert not make_key(path)
    assert path.read_bytes() == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.of_file(path).verifier == Signer.of_file(path).verifier


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(BadQuestion, match="TARIKH_SIGNING_KEY"):
        Signer.of_file(tmp_path / "key.pem")


def test_a_position_that_the_log_has_not_reached_has_no_checkpoint(core: Tarikh) -> None:
    with pytest.raises(NotFound):
        heads(core, 8)
