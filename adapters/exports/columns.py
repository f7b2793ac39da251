"""What an export is: columns that say what they hold, and rows of them in record batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]

TYPES = {"text": pa.string(), "texts": pa.list_(pa.string()), "integer": pa.int64(), "number": pa.float64(), "truth": pa.bool_(),
         "day": pa.date32(), "instant": pa.timestamp("us", "UTC")}
EPOCH = 719163  # the ordinal of 1970-01-01: Arrow counts days from there
BATCH = 2048  # rows to a record batch


class Column(NamedTuple):
    """A column: its name and type, what it says, in which unit, and on which of the three clocks."""

    name: str
    type: str  # one of TYPES
    says: str
    unit: str | None = None
    clock: str | None = None

    def told(self) -> dict[str, str | None]:
        """As manifests and the metadata of files have it."""
        return {"name": self.name, "type": str(TYPES[self.type]), "unit": self.unit, "clock": self.clock, "description": self.says}


@dataclass(frozen=True)
class Export:
    """Rows with a schema that says what they are. The same `about` and the same columns give the same rows in the same batches."""

    columns: Sequence[Column]
    about: Mapping[str, Any]  # what, basis, after, projection: JSON values
    batches: Callable[[pa.Schema], Iterator[pa.RecordBatch]]

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns with description, unit and clock in their metadata; for readers that see only the file's, all of it there as well."""
        told = {**self.about, "columns": [column.told() for column in self.columns]}
        fields = [pa.field(c.name, TYPES[c.type], metadata={name: value for name, value in (
            ("description", c.says), ("unit", c.unit), ("clock", c.clock)) if value}) for c in self.columns]
        return pa.schema(fields, metadata={f"tarikh.{name}": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                                           for name, value in told.items()})


def batched(schema: pa.Schema, rows: Iterable[Sequence[Any]], size: int = BATCH) -> Iterator[pa.RecordBatch]:
    """Rows, values in the order of the schema, as record batches of exactly `size` rows but for the last."""
    left = iter(rows)
    while chunk := list(islice(left, size)):
        columns = zip(*chunk, strict=True)
        yield pa.record_batch([pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema)


def day(ordinal: int) -> int:
    """An ordinal as Arrow counts days."""
    return ordinal - EPOCH
