"""API keys: what is kept of them, how long they stand, and which made-up ones are too weak."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from random import Random

import pytest
import sqlalchemy as sa

from adapters.database import Database
from adapters.keys import ENVIRONMENT, SCOPES, Keys, weakness
from adapters.schema import api_key
from domain.errors import BadQuestion, NotFound

DAY = 86_400 * 10**6  # microseconds


class Clock:
    def __init__(self) -> None:
        self.now = 1_769_817_600 * 10**6

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(fresh: Callable[[], str]) -> Iterator[Database]:
    made = Database(fresh())
    yield made
    made.close()


@pytest.fixture
def keys(database: Database, clock: Clock) -> Keys:
    return Keys(database, clock)


def test_a_key_is_found_by_its_text_and_by_no_other(keys: Keys) -> None:
    key, text = keys.create("a reader", ["read"])
    other = keys.create("another", ["read"])[1]
    assert keys.find(text) == key
    mixed = f"tarikh_{key.id}_{other.rpartition('_')[2]}"
    for wrong in ("", "x", key.id, text[:-1], text + "A", text.upper(), text.swapcase(), f" {text}", f"{text}\n", text[1:], mixed):
        assert keys.find(wrong) is None, wrong


def test_a_key_has_256_random_bits_and_its_id_shows_whose_it_is(keys: Keys) -> None:
    made = [keys.create("n", ["read"]) for _ in range(20)]
    assert {text.split("_", 2)[0] for _, text in made} == {"tarikh"}
    assert [text.split("_", 2)[1] for _, text in made] == [key.id for key, _ in made]
    parts = {text.split("_", 2)[2] for _, text in made}
    assert len(parts) == 20
    assert {len(part) for part in parts} == {43}  # of 64 letters each: 258 bits, the last two of them 0


def test_what_is_kept_does_not_tell_the_key(keys: Keys, database: Database) -> None:
    _, text = keys.create("a reader", ["read"])
    with database.transaction() as connection:
        [row] = connection.execute(sa.select(api_key))
    assert len(row.digest) == 32
    for value in row:
        kept = value if isinstance(value, bytes) else str(value).encode()
        assert text.split("_", 2)[2].encode() not in kept


def test_each_scope_holds_those_before_it(keys: Keys) -> None:
    allowed = {scope: [s for s in SCOPES if keys.create("n", [scope])[0].allows(s)] for scope in SCOPES}
    assert allowed == {"read": ["read"], "record": ["read", "record"], "admin": ["read", "record", "admin"]}


def test_the_key_of_the_environment_records_and_does_not_administer() -> None:
    assert [scope for scope in SCOPES if ENVIRONMENT.allows(scope)] == ["read", "record"]


def test_a_key_expires_at_its_instant(keys: Keys, clock: Clock) -> None:
    _, text = keys.create("n", ["read"], clock.now + DAY)
    clock.now += DAY - 1
    assert keys.find(text)
    clock.now += 1
    assert keys.find(text) is None


def test_a_revoked_key_is_dead_at_once_in_every_process(keys: Keys, clock: Clock, database: Database) -> None:
    key, text = keys.create("n", ["read"])
    elsewhere = Database(database.url)
    try:
        others = Keys(elsewhere, clock)
        assert others.find(text) == key
        keys.revoke(key.id)
        assert others.find(text) is None
    finally:
        elsewhere.close()


def test_a_key_is_revoked_once(keys: Keys, clock: Clock) -> None:
    key, _ = keys.create("n", ["read"])
    first = keys.revoke(key.id).revoked_at
    clock.now += DAY
    assert keys.revoke(key.id).revoked_at == first == clock.now - DAY


def test_while_keys_are_rotated_both_stand(keys: Keys, clock: Clock) -> None:
    old, old_text = keys.create("n", ["record"])
    new, text = keys.rotate(old.id, DAY)
    assert (new.name, new.scopes, new.expires_at) == (old.name, old.scopes, None)
    assert new.id != old.id
    clock.now += DAY - 1
    assert keys.find(old_text)
    clock.now += 1
    assert keys.find(old_text) is None
    assert keys.find(text) == new


def test_rotation_gives_the_new_key_as_long_a_life_and_the_old_one_no_longer_one(keys: Keys, clock: Clock) -> None:
    old, _ = keys.create("n", ["read"], clock.now + 10 * DAY)
    clock.now += 9 * DAY
    new, _ = keys.rotate(old.id, 5 * DAY)
    assert new.expires_at == clock.now + 10 * DAY
    assert {key.id: key.expires_at for key in keys.all()}[old.id] == old.expires_at


def test_a_dead_key_has_no_successor(keys: Keys, clock: Clock) -> None:
    revoked, expired = keys.create("n", ["read"])[0], keys.create("n", ["read"], clock.now + DAY)[0]
    keys.revoke(revoked.id)
    clock.now += DAY
    for key, why in ((revoked, "revoked"), (expired, "expired")):
        with pytest.raises(BadQuestion, match=why):
            keys.rotate(key.id, DAY)
    assert len(keys.all()) == 2


def test_keys_are_listed_the_oldest_first_with_the_dead_ones(keys: Keys, clock: Clock) -> None:
    made = []
    for name in "abc":
        made.append(keys.create(name, ["read"])[0])
        clock.now += 1
    keys.revoke(made[0].id)
    assert [(key.name, key.revoked_at is None) for key in keys.all()] == [("a", False), ("b", True), ("c", True)]


def test_it_is_known_whether_there_is_any_key(keys: Keys) -> None:
    assert not keys.any()
    key, _ = keys.create("n", ["read"])
    keys.revoke(key.id)
    assert keys.any()


def test_a_key_needs_a_name_a_scope_and_a_future(keys: Keys, clock: Clock) -> None:
    for name, scopes, expires in (("", ["read"], None), ("n", [], None), ("n", ["read", "write"], None), ("n", ["read"], clock.now)):
        with pytest.raises(BadQuestion):
            keys.create(name, scopes, expires)
    assert keys.all() == []


def test_a_key_that_is_not_there_cannot_be_ended(keys: Keys) -> None:
    for do in (lambda: keys.revoke("nobody"), lambda: keys.rotate("nobody", 0)):
        with pytest.raises(NotFound, match="nobody"):
            do()


# ---------------------------------------------------------------- made-up keys
@pytest.mark.parametrize("text", [
    "short", "0123456789abcde", "a" * 40, "abababababababababab", "changeme-changeme", "ChangeMe_ChangeMe!", "password12345678",
    "your-secret-api-key-here", "my-secret-password", "tarikh-admin-token", "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz",
    "please-change-this-key", "zyxwvutsrqponmlkji", "schlüssel-aus-köln-und-bonn", "b7Qz 1kXw 9mRt 4pLs 2vNc"])
def test_a_key_that_could_be_guessed_is_weak(text: str) -> None:
    assert weakness(text)


@pytest.mark.parametrize("size", [16, 32])
def test_a_random_key_is_not_weak(size: int) -> None:
    dice = Random(size)
    for made in (dice.randbytes(size) for _ in range(300)):
        assert weakness(made.hex()) is None
        assert weakness(urlsafe_b64encode(made).decode()) is None
