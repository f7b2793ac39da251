"""Every ratio beside its goal: `python -m bench [--quick] [PART ...]`. Writes build/bench.json and the table of docs/performance.md."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from adapters.process import settle
from bench import asof, importing, peers, record, series, serving, writing
from bench.measure import Target

PARTS: dict[str, Callable[[bool], Iterable[Target]]] = {
    "asof": asof.run, "series": series.run, "serving": serving.run, "writing": writing.run, "peers": peers.run, "importing": importing.run,
    "record": record.run}
OUT, PAGE = Path("build/bench.json"), Path("docs/performance.md")
_TABLE = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- end -->)", re.DOTALL)


def table(targets: Iterable[Target]) -> str:
    """The targets for the page, in Markdown."""
    lines = ["| what | engine | ratio | goal | met | measured |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [f"| {t['name']} | {t['engine']} | {t['ratio']:g} | {t['goal']} | {'yes' if t['met'] else '**no**'} | {t['told']} |" for t in targets]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them where none is named")
    parser.add_argument("--quick", action="store_true", help="smaller tables, fewer rounds: two to three minutes; the page is left as it is")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {min(unknown)}")
    targets: list[Target] = []
    settle()  # as the command line and the server do
    for name in asked.parts or PARTS:
        for target in PARTS[name](asked.quick):
            targets.append(target)
            print(f"{'met   ' if target['met'] else 'MISSED'}  {target['name']}, {target['engine']}: {target['ratio']:g} "
                  f"({target['goal']}); {target['told']}", flush=True)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(targets, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if not asked.quick and not asked.parts:
        PAGE.write_text(_TABLE.sub(lambda _: table(targets), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{sum(target['met'] for target in targets)} of {len(targets)} goals are met")


if __name__ == "__main__":
    main()
