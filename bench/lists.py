"""What it costs to import a daily series of the SDN list, against parsing the same files with Python's csv module in the same run.

`python -m bench.lists ARCHIVE`: an archive or folder of daily sdn.csv files.
"""

from __future__ import annotations

import csv
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from adapters.lists import run
from adapters.lists.containers import snapshots
from adapters.lists.importer import MAKERS, Importer
from adapters.lists.model import Snapshot
from adapters.lists.ofac_csv import is_file
from api.wiring import Settings, Tarikh

GOAL = 4.0
OUT = Path("build/bench.json")


def main(archive: str) -> None:
    """Prints the ratio and writes it to build/bench.json."""
    floor = ours = 0.0
    memory: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        core = Tarikh(Settings(database_url=f"sqlite:///{folder}/bench.sqlite"))
        core.init()
        core.load()
        importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
        before: Snapshot | None = None
        for _, files, day in snapshots(archive, wanted=is_file):
            start = time.process_time()
            for data in files.values():
                for _row in csv.reader(io.StringIO(data.decode("latin-1"), newline="")):
                    pass
            floor += time.process_time() - start
            start = time.process_time()
            before = run.read("ofac-sdn", files, None, day, before)
            importer.take(before)
            ours += time.process_time() - start
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        start = time.process_time()
        importer.link()
        ours += time.process_time() - start
        core.close()
    if not memory:
        sys.exit(f"{archive} holds no snapshot")
    ratio = ours / floor
    tenth = max(len(memory) // 10, 1)
    print(f"daily lists: {len(memory)} snapshots, csv {floor:.2f} s, import {ours:.2f} s CPU, ratio {ratio:.2f} (goal at most {GOAL})")
    print(f"memory: {memory[tenth]} MB after {tenth} snapshots, {memory[-1]} MB at the end")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps([{"name": "import of daily lists against csv", "ratio": round(ratio, 3), "goal": GOAL, "met": ratio <= GOAL,
                                "snapshots": len(memory), "memory_mb": [memory[tenth], memory[-1]]}], indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
