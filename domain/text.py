"""Finding a name however it is written."""

from __future__ import annotations

import unicodedata


def fold_text(text: str) -> str:
    """Case and accents folded."""
    if text.isascii():
        return text.casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
