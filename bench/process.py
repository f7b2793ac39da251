"""A peer's server as a process of its own: waited for until it answers, and told why where it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from typing import Any

from bench.measure import Absent

START_SECONDS = 60


def wait_for(name: str, process: Popen[Any], ready: Callable[[], bool], output: Path) -> None:
    """Returns once it is ready. Raises Absent, with the end of its output, where it ended or takes too long."""
    until = monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or monotonic() > until:
            raise Absent(f"{name} did not come up: {output.read_text('utf-8', 'replace')[-500:]}")
        sleep(0.1)
