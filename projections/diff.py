"""What changed between two bases: what was learned, what happened, what was corrected in the record itself."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from projections.ports import Found


def changes(before: Iterable[Found], after: Iterable[Found]) -> list[dict[str, Any]]:
    """Entries `{subject, key, before, after}` for every key whose facts are not told in the same words.

    `before` and `after` are a fact or null, or a list where a key has several possible facts.
    """
    sides: dict[tuple[str, str], tuple[list[bytes], list[bytes]]] = defaultdict(lambda: ([], []))
    for side, found in enumerate((before, after)):
        for item in found:
            sides[item.subject, item.key][side].append(item.body)
    return [
        {"subject": subject, "key": key, "before": _told(old), "after": _told(new)}
        for (subject, key), (old, new) in sorted(sides.items()) if sorted(old) != sorted(new)
    ]


def _told(bodies: list[bytes]) -> Any:
    facts = [json.loads(body) for body in sorted(bodies)]
    return facts[0] if len(facts) == 1 else facts or None
