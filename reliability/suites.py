"""What the test suite judges: the library's own test cases, and the attacks of the application's role on the log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from reliability.figures import Figure, figure

LIBRARY = "tests/adapters/test_library.py"
ROLES = "tests/adapters/test_roles.py"
ATTACKS = {"postgresql": "::test_the_application_cannot_change", "sqlite": "::test_sql_of_the_application_cannot_change"}  # a test for each kind
KINDS = 20


def library(_: bool) -> Iterator[Figure]:
    """Recorders, infrastructure factory, applications and projections."""
    cases = results(LIBRARY)
    failed = [name for name, passed in cases.items() if not passed]
    yield figure("test cases of the eventsourcing library, failed", len(failed), "0", bool(cases) and not failed, cases=len(cases), failed=failed)


def roles(_: bool) -> Iterator[Figure]:
    """Attacks on append-only."""
    cases = results(ROLES)
    for engine, attack in ATTACKS.items():
        kinds = {name: passed for name, passed in cases.items() if attack in name}
        refused = sum(kinds.values())
        yield figure(f"append-only on {engine}: attacks as the application, refused", f"{100 * refused / max(len(kinds), 1):g} %",
                     f"100 % of at least {KINDS} kinds", len(kinds) >= KINDS and refused == len(kinds), kinds=len(kinds),
                     passed_through=[name for name, passed in kinds.items() if not passed])


def results(path: str) -> dict[str, bool]:
    """The tests of a file by name, and whether each passed; one that was skipped did not."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run([sys.executable, "-m", "pytest", "-q", "--junitxml", str(report), path], stdout=subprocess.DEVNULL, check=False)
        cases = ElementTree.parse(report).iter("testcase")
        return {f"{case.get('classname')}::{case.get('name')}": not list(case.iterfind("*")) for case in cases}
