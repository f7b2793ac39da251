"""A fuzzer of all that reads what others wrote: files of lists, orders, series and records, the body of an event, days, cursors, questions.

Each input is either read or refused with an error of the project's own: never another exception, never more than `LIMIT` seconds or
`ROOM` bytes, and nothing is recorded by a refused one. What is read obeys what must hold of it (`reliability.targets`).

The long form runs each target in a process of its own, guided by coverage (atheris, where it is installed) and else by the words of the
answers: an input that is answered as none before it is changed further. The same seed and search give the same inputs.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import mmap
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from reliability.mutations import LONGEST, mutate
from reliability.targets import TARGETS, Broken

SEED = 20210112
LIMIT = 5.0  # seconds of the processor for one input
ROOM = 2**30  # bytes of address space beyond what the process has when it begins
ROOT = Path(__file__).parents[1]
_WORDING = re.compile(r"'[^']*'|\"[^\"]*\"|[\d٠-٩]+")  # what differs between two answers that say the same
STALLED = 120.0  # seconds of the clock without an execution: it hangs without working


@dataclass
class Found:
    """What became of the executions of one target."""

    executions: int = 0
    read: int = 0
    answers: int = 0  # that differ in words
    failures: list[dict[str, str]] = field(default_factory=list)


# ---------------------------------------------------------------- executions
class Runner:
    """Executes inputs of one target, and keeps count."""

    def __init__(self, name: str, folder: Path, note: Callable[[int, bytes], None] = lambda count, data: None) -> None:
        self.name, self.found = name, Found()
        self.seeds = TARGETS[name].seeds()
        self._refuses, self._read, self._note = TARGETS[name].refuses, TARGETS[name].open(folder), note
        self._answers: set[str] = set()
        self._faults: set[str] = set()

    def __call__(self, data: bytes) -> tuple[bool, bool]:
        """Whether the input was read, and whether it was answered as none before."""
        self.found.executions += 1
        self._note(self.found.executions, data)
        began, read = time.process_time(), False
        try:
            answer = f"{self._read(data)}"
            read = True
            self.found.read += 1
        except self._refuses as error:
            answer = f"{type(error).__name__} {error}"
        except Exception as error:  # MemoryError too
            answer = self._failed(data, error)
        if (took := time.process_time() - began) > LIMIT:
            answer = self._failed(data, Broken(f"it took {took:.0f} seconds"))
        shape = f"{read} {answer}" if read else _WORDING.sub("_", answer)
        before = len(self._answers)
        self._answers.add(shape[:200])
        self.found.answers = len(self._answers)
        return read, self.found.answers > before

    def _failed(self, data: bytes, error: Exception) -> str:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(ROOT)) and "site-packages" not in f.filename]
        at = next((f"{Path(f.filename).relative_to(ROOT)}:{f.lineno}" for f in reversed(frames) if f.name != "must"), "")
        if (fault := f"{type(error).__name__} {at}") not in self._faults:
            self._faults.add(fault)
            self.found.failures.append(failure(self.name, f"{type(error).__name__}: {error}"[:500], at, data))
        return fault


def failure(target: str, says: str, at: str, data: bytes) -> dict[str, str]:
    """A fault, with the input that shows it."""
    return {"target": target, "says": says, "at": at, "input": repr(data[:2000]), "base64": base64.b64encode(data).decode()}


def explore(runner: Runner, runs: int, seed: int) -> None:
    """The project's own search: changes of the seeds, of what was read, and less often of what was refused, in words that are new."""
    random = Random(f"{seed} {runner.name}")
    taken, refused = list(runner.seeds), list(runner.seeds)
    for data in runner.seeds[:runs]:
        runner(data)
    while runner.found.executions < runs:
        data = mutate(random.choice(taken if random.random() < 0.7 else refused), random, runner.seeds)
        read, new = runner(data)
        if new:
            (taken if read else refused).append(data)


def guided(runner: Runner, runs: int, seed: int, finish: Callable[[], None]) -> None:
    """The search of libFuzzer, by coverage, with the same changes beside its own. It does not return: `finish` is called."""
    atheris: Any = importlib.import_module("atheris")

    def one(data: bytes) -> None:
        runner(data)
        if runner.found.executions >= runs:
            finish()
            os._exit(0)  # libFuzzer would leave without a word

    def change(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if not data or random.random() < 0.25:
            data = random.choice(runner.seeds)
        return mutate(data, random, runner.seeds)[:longest] if random.random() < 0.7 else bytes(atheris.Mutate(data, longest))

    with tempfile.TemporaryDirectory() as corpus:
        for i, data in enumerate(runner.seeds):
            Path(corpus, f"{i}").write_bytes(data)
        options = [f"-seed={seed % 2**32}", f"-max_len={LONGEST}", "-runs=-1", "-timeout=1000000", "-rss_limit_mb=0",
                   f"-artifact_prefix={corpus}/"]
        atheris.Setup([sys.argv[0], *options, corpus], one, custom_mutator=change)
        atheris.Fuzz()


@contextmanager
def bounded() -> Iterator[None]:
    """Within it the process cannot have more than `ROOM` bytes of address space beyond what it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# ---------------------------------------------------------------- a process for each target
def child(name: str, runs: int, seed: int, engine: str, told: str) -> None:
    """One target, in this process; writes what it found to `told`, and each input, before it is read, beside it."""
    with Path(f"{told}.input").open("r+b") as file, mmap.mmap(file.fileno(), 16 + LONGEST) as memory, tempfile.TemporaryDirectory() as folder:
        def note(n: int, data: bytes) -> None:
            memory[:16] = n.to_bytes(8, "little") + len(data).to_bytes(8, "little")
            memory[16 : 16 + len(data)] = data

        runner = Runner(name, Path(folder), note)

        def finish() -> None:
            Path(told).write_text(json.dumps(asdict(runner.found)), encoding="utf-8")

        with bounded():
            if engine == "atheris":
                guided(runner, runs, seed, finish)
            explore(runner, runs, seed)
        finish()


_CHILD = """
import sys
name, runs, seed, engine, told = sys.argv[1:]
if engine == "atheris":
    import atheris
    with atheris.instrument_imports(include=["adapters", "domain", "projections", "api"]):
        import reliability.fuzz
import reliability.fuzz
reliability.fuzz.child(name, int(runs), int(seed), engine, told)
"""


def watched(name: str, runs: int, seed: int, engine: str) -> Found:
    """One target in a process of its own, ended where an input keeps it for longer than `LIMIT`."""
    with tempfile.TemporaryDirectory() as folder:
        told, current = Path(folder, "told"), Path(folder, "told.input")
        current.write_bytes(bytes(16 + LONGEST))
        environment = {**os.environ, "PYTHONHASHSEED": "0", "TMPDIR": folder}
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-c", _CHILD, name, str(runs), str(seed), engine, str(told)], cwd=ROOT, env=environment,
                                       stdout=log, stderr=log)
        why = _wait(process, current)
        if told.exists():
            return Found(**json.loads(told.read_text(encoding="utf-8")))
        raw = current.read_bytes()
        count, size = int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:16], "little")
        said = why or f"the process ended with {process.returncode}: {Path(folder, 'log').read_text(errors='replace')[-500:]}"
        return Found(count, failures=[failure(name, said, "", raw[16 : 16 + size])])


def _wait(process: subprocess.Popen[bytes], current: Path) -> str | None:
    """None when the process has ended by itself; else it was ended, and why."""
    seen, cpu, clock = -1, 0.0, time.monotonic()
    while True:
        try:
            process.wait(1)
            return None
        except subprocess.TimeoutExpired:
            with current.open("rb") as file:
                count = int.from_bytes(file.read(8), "little")
            now = _worked(process.pid)
            if count != seen:
                seen, cpu, clock = count, now, time.monotonic()
            elif count and (now - cpu > 2 * LIMIT or time.monotonic() - clock > STALLED):
                process.kill()
                process.wait()
                return f"it took more than {now - cpu:.0f} seconds of the processor, {time.monotonic() - clock:.0f} of the clock"


def _worked(pid: int) -> float:
    """Seconds of the processor that a process has had; 0 where it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- the two forms
def engine_here() -> str:
    """`atheris` where it is installed, else `own`."""
    return "atheris" if importlib.util.find_spec("atheris") else "own"


def short(name: str, runs: int, seed: int = SEED) -> Found:
    """One target, in this process, by the project's own search."""
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(name, Path(folder))
        with bounded():
            explore(runner, runs, seed)
        return runner.found


def run(long: bool, seed: int = SEED) -> dict[str, object]:
    """Every target. The figures: executions, how many inputs were read, kinds of answer, failures, seconds."""
    began = time.monotonic()
    engine = engine_here() if long else "own"
    found = {name: watched(name, target.runs, seed, engine) if long else short(name, max(20, target.runs // 50), seed)
             for name, target in TARGETS.items()}
    return {"engine": engine, "seed": seed, "executions": sum(f.executions for f in found.values()), "read": sum(f.read for f in found.values()),
            "targets": {name: {"executions": f.executions, "read": f.read, "answers": f.answers} for name, f in found.items()},
            "failures": [failed for f in found.values() for failed in f.failures], "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run("--short" not in sys.argv), indent=2, ensure_ascii=False) + "\n")
