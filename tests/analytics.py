"""docs/analytics.md, run from top to bottom: `python -m tests.analytics` writes what its blocks print, tests/api/test_exports.py compares it."""

from __future__ import annotations

import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from api import cli
from tests.generate import ROOT, record_under_a_fixed_clock

PAGE = ROOT / "docs" / "analytics.md"
_BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n(?:```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def run(page: str, url: str, folder: Path) -> str:
    """The page with what its blocks print in this folder, on the record of a database."""
    names: dict[str, Any] = {}

    def ran(block: re.Match[str]) -> str:
        kind, body = block.groups()
        printed = io.StringIO()
        if kind == "sh":
            for line in body.splitlines():
                result = CliRunner().invoke(cli.app, shlex.split(line)[1:])
                assert result.exit_code == 0, result.output
        else:
            with redirect_stdout(printed):
                exec(body, names)  # the page's own code
        told = "\n".join(line.rstrip() for line in printed.getvalue().rstrip().splitlines())
        return f"```{kind}\n{body}```\n" + (f"```text\n{told}\n```\n" if told else "")

    with _url(url), chdir(folder):
        return _BLOCK.sub(ran, page)


@contextmanager
def _url(url: str) -> Iterator[None]:
    before = os.environ.get("TARIKH_DATABASE_URL")
    os.environ["TARIKH_DATABASE_URL"] = url
    try:
        yield
    finally:
        if before is None:
            del os.environ["TARIKH_DATABASE_URL"]
        else:
            os.environ["TARIKH_DATABASE_URL"] = before


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, record_under_a_fixed_clock(Path(folder)) as core:
        PAGE.write_text(run(PAGE.read_text(encoding="utf-8"), core.settings.database_url, Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
