# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""django-simple-history: `Model.history.as_of(instant)` with the day and the known day as filters, on an SQLite file.

It keeps the recorded clock; the valid and the known one are columns that its user adds. A subject that is opened is a record "+" at
its instant, one that is closed a record "-". Columns are asked for and not model instances, which take twice the time to build.

It is asked with two sets of indexes. As documented: the composite index on (history_date, id) that its documentation recommends, beside
the one on id that it always makes. Tuned by hand: two indexes on the box, and none on history_date, for SQLite prefers that to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connection, models, transaction

from bench.data import Point, instant
from domain.family import RELATION
from projections.boxes import OPEN, Span

BATCH = 5000
_COLUMNS = ("subject", "family", "key", "kind", "status", "body")


class History:
    """The spans as historical records. Django is configured for this one database, so there is one for a process."""

    def __init__(self, path: Path, spans: Iterable[Span]) -> None:
        settings.configure(
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}}, INSTALLED_APPS=["bench", "simple_history"],
            USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", SIMPLE_HISTORY_DATE_INDEX="Composite")
        django.setup()
        self._fact = _model()
        historical = self._fact.history.model
        with connection.schema_editor() as editor:
            editor.create_model(self._fact)
            editor.create_model(historical)
        some: list[Any] = []
        with transaction.atomic():
            for number, span in enumerate(spans, 1):
                said = {"id": number, **span.row._asdict()}
                some.append(historical(history_type="+", history_date=instant(span.opened), **said))
                if span.closed < OPEN:
                    some.append(historical(history_type="-", history_date=instant(span.closed), **said))
                if len(some) >= BATCH:
                    historical.objects.bulk_create(some)
                    some = []
            historical.objects.bulk_create(some)
        self._execute("ANALYZE")

    def tune(self) -> None:
        """From now on with indexes made by hand."""
        table = self._fact.history.model._meta.db_table
        dated = next(index.name for index in self._fact.history.model._meta.indexes if index.fields[0] == "history_date")
        self._execute(f"DROP INDEX {dated}")
        for axis in ("valid_from, valid_to", "valid_to, valid_from"):
            self._execute(f"CREATE INDEX {table}_{axis.partition(',')[0]} ON {table} ({axis}, known_from, known_to, history_date)")
        self._execute("ANALYZE")

    def ask(self, point: Point, position: int) -> list[Any]:
        """What is told of a point, as recorded by a position."""
        return list(self._fact.history.as_of(instant(position)).filter(
            relation=RELATION, valid_from__lte=point.as_of, valid_to__gt=point.as_of, known_from__lte=point.known_at,
            known_to__gt=point.known_at).values_list(*_COLUMNS))

    def close(self) -> None:
        connection.close()

    @staticmethod
    def _execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _model() -> Any:
    """The model of a fact; it can be made once Django is configured."""
    from simple_history.models import HistoricalRecords

    class Fact(models.Model):
        subject = models.TextField()
        family = models.TextField()
        relation = models.TextField()
        key = models.TextField()
        kind = models.TextField()
        status = models.TextField()
        valid_from = models.IntegerField()
        valid_to = models.IntegerField()
        known_from = models.IntegerField()
        known_to = models.IntegerField()
        body = models.BinaryField()
        history = HistoricalRecords(history_user_id_field=models.IntegerField(null=True))

        class Meta:
            app_label = "bench"

    return Fact
