"""Record batches as bytes in each format, a part at a time: what is not yet taken is not yet made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from json.encoder import encode_basestring as quoted
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

GROUP_ROWS, GROUP_BYTES = 65536, 8 * 2**20  # a row group of Parquet is full at either


class Part:
    """A record batch, and its canonical lines, which are made once."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch

    @cached_property
    def lines(self) -> bytes:
        """A JSON object to a row: the columns in order, no blanks, null where there is nothing. The content hash is of these."""
        parts: list[Any] = []
        for i, (field, column) in enumerate(zip(self.batch.schema, self.batch.columns, strict=True)):
            parts += [f"{',' if i else '{'}{quoted(field.name)}:", _json(column, field.type)]
        lines = pc.binary_join_element_wise(*parts, "}\n", "")
        return bytes(lines.buffers()[2].to_pybytes()[: pc.sum(pc.binary_length(lines)).as_py()])


def _json(column: pa.Array, type_: pa.DataType) -> pa.Array:
    """The JSON of each value, as texts."""
    if pa.types.is_string(type_):
        texts = pa.array([None if value is None else quoted(value) for value in column.to_pylist()], pa.string())
    elif pa.types.is_list(type_):
        texts = pa.array([None if value is None else f"[{','.join(map(quoted, value))}]" for value in column.to_pylist()], pa.string())
    elif pa.types.is_floating(type_):
        texts = pa.array([None if value is None else json.dumps(value, allow_nan=False) for value in column.to_pylist()], pa.string())
    elif pa.types.is_integer(type_) or pa.types.is_boolean(type_):
        texts = pc.cast(column, pa.string())
    else:
        texts = pc.binary_join_element_wise('"', _days(column), '"', "")
    return pc.fill_null(texts, "null")


def _days(column: pa.Array) -> pa.Array:
    """Days as YYYY-MM-DD, instants as RFC 3339 in UTC with microseconds."""
    return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ") if pa.types.is_timestamp(column.type) else pc.cast(column, pa.string())


class _Sink:
    """A file that gives out what was written to it since the last time."""

    closed = False

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return None

    def take(self) -> bytes:
        held, self._held = self._held, []
        return b"".join(held)


def _parquet(schema: pa.Schema, parts: Iterable[Part]) -> Iterator[bytes]:
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for group in _groups(parts):
            writer.write_table(pa.Table.from_batches(group, schema), row_group_size=GROUP_ROWS)
            yield sink.take()
    yield sink.take()


def _groups(parts: Iterable[Part]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for part in parts:
        group.append(part.batch)
        rows, size = rows + part.batch.num_rows, size + part.batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _arrow(schema: pa.Schema, parts: Iterable[Part]) -> Iterator[bytes]:
    sink = _Sink()
    with pa.ipc.new_file(pa.PythonFile(sink, mode="w"), schema) as writer:  # not compressed, so that it can be mapped into memory
        for part in parts:
            writer.write_batch(part.batch)
            yield sink.take()
    yield sink.take()


def _csv(schema: pa.Schema, parts: Iterable[Part]) -> Iterator[bytes]:
    flat = pa.schema([pa.field(f.name, pa.string() if _nested(f.type) or pa.types.is_timestamp(f.type) else f.type) for f in schema])
    sink = _Sink()
    with pa_csv.CSVWriter(pa.PythonFile(sink, mode="w"), flat) as writer:
        for part in parts:
            columns = [pc.if_else(pc.is_valid(c), _json(c, c.type), None) if _nested(c.type) else
                       _days(c) if pa.types.is_timestamp(c.type) else c for c in part.batch.columns]
            writer.write_batch(pa.record_batch(columns, schema=flat))
            yield sink.take()
    yield sink.take()


def _nested(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_))


def _ndjson(_: pa.Schema, parts: Iterable[Part]) -> Iterator[bytes]:
    for part in parts:
        yield part.lines


ENCODERS: dict[str, Callable[[pa.Schema, Iterable[Part]], Iterator[bytes]]] = {
    "parquet": _parquet, "arrow": _arrow, "csv": _csv, "ndjson": _ndjson}
