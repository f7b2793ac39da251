"""API keys: made, found, rotated and revoked. The database holds digests; a key itself is shown once and kept nowhere."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from hmac import compare_digest
from itertools import pairwise
from time import time_ns
from typing import Any

import sqlalchemy as sa

from adapters.database import Database
from adapters.schema import api_key
from domain.errors import BadQuestion, NotFound

SCOPES = ("read", "record", "admin")  # each holds those before it
_FORM = re.compile("tarikh_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_COMMON = re.compile("change|replace|placeholder|password|passwd|secret|example|sample|default|insecure|apikey|api|key|token|test|admin|root|user|"
                     "tarikh|qwerty|letmein|welcome|please|your|this|here|the|me|my|to")


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key. Instants are microseconds since 1970."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None
    revoked_at: int | None

    def allows(self, scope: str) -> bool:
        """Whether it holds the scope, or one above it."""
        return any(SCOPES.index(held) >= SCOPES.index(scope) for held in self.scopes)

    def stands(self, now: int) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


ENVIRONMENT = Key("environment", "TARIKH_API_KEY", ("read", "record"), 0, None, None)


class Keys:
    """The keys of a database. Each is read where it is used, so that a revocation holds for the next request, whichever process gets it."""

    def __init__(self, database: Database, clock: Callable[[], int] | None = None) -> None:
        self.database = database
        self.clock = clock or (lambda: time_ns() // 1000)

    def create(self, name: str, scopes: Iterable[str], expires_at: int | None = None) -> tuple[Key, str]:
        """A new key, and its text. Raises BadQuestion where a scope is unknown or the expiry is past."""
        held = tuple(scope for scope in SCOPES if scope in set(scopes))
        if unknown := set(scopes) - set(held):
            raise BadQuestion(f"{min(unknown)!r} is no scope: a key reads (read), records (record) or administers (admin)")
        if not held:
            raise BadQuestion(f"say what the key is for: one of {', '.join(SCOPES)}")
        if not name.strip():
            raise BadQuestion("a key needs a name: whose it is, or what for")
        if expires_at is not None and expires_at <= self.clock():
            raise BadQuestion("the key would be expired already")
        with self.database.transaction(write=True) as connection:
            return self._make(connection, name, held, expires_at)

    def _make(self, connection: sa.Connection, name: str, scopes: tuple[str, ...], expires_at: int | None) -> tuple[Key, str]:
        key = Key(secrets.token_hex(6), name, scopes, self.clock(), expires_at, None)
        text = f"tarikh_{key.id}_{secrets.token_urlsafe(32)}"
        connection.execute(api_key.insert().values(asdict(key) | {"scopes": " ".join(scopes), "digest": digest(text)}))
        return key, text

    def all(self) -> list[Key]:
        """Every key, the expired and the revoked ones too, the oldest first."""
        with self.database.transaction() as connection:
            return [_key(row) for row in connection.execute(_QUERY.order_by(api_key.c.created_at, api_key.c.id))]

    def find(self, text: str) -> Key | None:
        """The key with this text, where it stands."""
        if not (form := _FORM.fullmatch(text)):
            return None
        with self.database.transaction() as connection:
            row = connection.execute(_QUERY.where(api_key.c.id == form[1])).first()
        if row is None or not compare_digest(bytes(row.digest), digest(text)):
            return None
        key = _key(row)
        return key if key.stands(self.clock()) else None

    def any(self) -> bool:
        """Whether a key was ever made."""
        with self.database.transaction() as connection:
            return connection.execute(sa.select(api_key.c.id).limit(1)).first() is not None

    def revoke(self, id_: str) -> Key:
        """Ends a key at once and for good. A second time changes nothing. Raises NotFound."""
        with self.database.transaction(write=True) as connection:
            connection.execute(api_key.update().where(api_key.c.id == id_, api_key.c.revoked_at.is_(None)).values(revoked_at=self.clock()))
            return _one(connection, id_)

    def rotate(self, id_: str, overlap: int) -> tuple[Key, str]:
        """A successor with the same name, scopes and length of life, and its text; the old key expires after `overlap` microseconds,
        unless it does so sooner. Raises NotFound, and BadQuestion where the key stands no more."""
        with self.database.transaction(write=True) as connection:
            old, now = _one(connection, id_), self.clock()
            if not old.stands(now):
                raise BadQuestion(f"the key {id_} is {'expired' if old.revoked_at is None else 'revoked'}: create a new one")
            made = self._make(connection, old.name, old.scopes, None if old.expires_at is None else now + old.expires_at - old.created_at)
            ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
            connection.execute(api_key.update().where(api_key.c.id == id_).values(expires_at=ends))
        return made


_QUERY = sa.select(api_key)


def _key(row: Any) -> Key:
    return Key(row.id, row.name, tuple(row.scopes.split()), row.created_at, row.expires_at, row.revoked_at)


def _one(connection: sa.Connection, id_: str) -> Key:
    row = connection.execute(_QUERY.where(api_key.c.id == id_)).first()
    if row is None:
        raise NotFound(f"there is no key {id_!r}: `tarikh keys list` has them all")
    return _key(row)


def digest(text: str) -> bytes:
    """SHA-256 of a whole key. A slow hash would gain nothing: it makes the guessing of passwords dear, and 256 random bits are not guessed."""
    return hashlib.sha256(text.encode()).digest()


def same(one: str, other: str) -> bool:
    """Whether two keys are equal, in a time that tells nothing of either."""
    return compare_digest(digest(one), digest(other))


def weakness(text: str) -> str | None:
    """Why a key that somebody made up could be guessed, or None. Made by `secrets.token_urlsafe(32)` it never is weak."""
    if len(text) < 16:
        return "it has fewer than 16 characters"
    if not re.fullmatch("[!-~]+", text):
        return "it has characters that a header does not carry: blanks, or others than those of ASCII"
    if len(set(text)) < 8:
        return "it has fewer than 8 different characters"
    letters = re.sub("[^a-z0-9]", "", text.lower())
    rest = _COMMON.sub("", letters)
    if 2 * sum(abs(ord(a) - ord(b)) > 1 for a, b in pairwise(rest)) < len(letters):  # a step of 1 counts up or down, of 0 repeats
        return "most of it is words that stand for a key in examples, or counting"
    return None
