"""What can be wrong with what somebody wants to record or ask. The doors map these to statuses in one place."""

from __future__ import annotations


class TarikhError(Exception):
    """Base of all errors that say what is wrong and what to do."""


class Invalid(TarikhError):
    """An event is not well formed: an unknown type, an impossible date, a missing field."""


class Refused(TarikhError):
    """`decide` found that the final timeline of a subject cannot be."""


class Conflict(TarikhError):
    """A record_id is taken by an event with other content."""


class WrongVersion(TarikhError):
    """The subject is not at the version that the writer expected."""


class KeyReused(TarikhError):
    """An Idempotency-Key came with another request."""


class Busy(TarikhError):
    """Other writers were first, again and again."""


class NotFound(TarikhError):
    """There is no such thing on the basis."""


class BadQuestion(TarikhError):
    """A parameter of a question is malformed."""


class Behind(TarikhError):
    """The log has not come so far here: a replica that lags."""
