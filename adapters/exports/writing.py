"""An export on its way out: counted and hashed as it goes, told of in a manifest, written to a file whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from adapters.exports import FORMATS
from adapters.exports.columns import Export
from adapters.exports.formats import ENCODERS, Part
from domain.errors import BadQuestion


def encoded(export: Export, form: str) -> Iterator[bytes]:
    """The export in a format, a part at a time."""
    parts = (Part(batch) for batch in export.batches(export.schema))
    return (chunk for chunk in ENCODERS[form](export.schema, parts) if chunk)


class Counted:
    """An export in a format, a part at a time, with what its manifest tells once it has all gone out."""

    def __init__(self, export: Export, form: str, progress: Callable[[int], None] = lambda _: None) -> None:
        self.export, self.form, self._progress = export, form, progress
        self.rows = self.size = 0
        self._file, self._content = sha256(), sha256()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in ENCODERS[self.form](self.export.schema, self._parts()):
            self._file.update(chunk)
            self.size += len(chunk)
            yield chunk

    def _parts(self) -> Iterator[Part]:
        for batch in self.export.batches(self.export.schema):
            part = Part(batch)
            self._content.update(part.lines)
            self.rows += batch.num_rows
            self._progress(batch.num_rows)
            yield part

    def manifest(self, checkpoint: dict[str, Any] | None) -> dict[str, Any]:
        """What was written, on which basis. `content_sha256` is the SHA-256 of the export as NDJSON, whatever its format."""
        return {**self.export.about, "format": self.form, "media_type": FORMATS[self.form].media_type, "rows": self.rows, "bytes": self.size,
                "sha256": self._file.hexdigest(), "content_sha256": self._content.hexdigest(),
                "columns": [column.told() for column in self.export.columns], "checkpoint": checkpoint}


def write(counted: Counted, path: Path, checkpoint: dict[str, Any] | None, force: bool = False) -> dict[str, Any]:
    """Writes an export and its manifest (`FILE.manifest.json`), each whole or not at all, the export last. Returns the manifest.

    Raises BadQuestion where one of the two is there, and not `force`; OSError.
    """
    beside = path.with_name(f"{path.name}.manifest.json")
    for file in (path, beside):
        if file.exists() and not (force and file.is_file()):
            raise BadQuestion(f"{file} is there already: name another file, or give --force to put this export in its place")
    with _appearing(path) as out:
        for chunk in counted:
            out.write(chunk)
        told = counted.manifest(checkpoint)
        with _appearing(beside) as text:
            text.write(json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")
    return told


@contextmanager
def _appearing(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when all of it is on the disk; if anything fails, nothing does."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
