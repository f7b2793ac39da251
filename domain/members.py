"""Who was on a list: all entry numbers of a snapshot, packed, so that an absence can be proved."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable

LARGEST = 8 * 2**20  # bytes, unpacked


def pack(numbers: Iterable[str]) -> str:
    """Entry numbers, small: differences where all are integers, lines otherwise; zlib, base64."""
    ordered = sorted(numbers)
    if all(n.isascii() and n.isdigit() and str(int(n)) == n for n in ordered):
        values = sorted(map(int, ordered))
        text = "+" + ",".join(str(b - a) for a, b in zip([0, *values], values, strict=False))
    else:
        text = "\n".join(ordered)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def unpack(packed: str) -> frozenset[str]:
    """The numbers that `pack` was given. Raises ValueError."""
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(base64.b64decode(packed, validate=True), LARGEST).decode()
        if inflate.unconsumed_tail or not inflate.eof:
            raise ValueError("it is too long, or cut")
        return _numbers(text)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(f"members cannot be unpacked: {error}") from None


def _numbers(text: str) -> frozenset[str]:
    if not text.startswith("+"):
        return frozenset(text.split("\n")) if text else frozenset()
    total, out = 0, []
    for step in filter(None, text[1:].split(",")):
        total += int(step)
        out.append(str(total))
    return frozenset(out)


class Members:
    """Who was on a list: a bitmap where the numbers are integers, so that hundreds of snapshots fit in memory."""

    def __init__(self, numbers: Iterable[str]) -> None:
        numbers = list(numbers)
        self.count = len(numbers)
        self._bits: bytearray | None = None
        self._set: frozenset[str] = frozenset()
        if numbers and all(n.isascii() and n.isdigit() and len(n) < 8 for n in numbers):
            bits = bytearray(max(map(int, numbers)) // 8 + 1)
            for n in map(int, numbers):
                bits[n >> 3] |= 1 << (n & 7)
            self._bits = bits
        else:
            self._set = frozenset(numbers)

    def __contains__(self, number: str) -> bool:
        if self._bits is None:
            return number in self._set
        if not (number.isascii() and number.isdigit() and len(number) < 8):
            return False
        n = int(number)
        return n >> 3 < len(self._bits) and bool(self._bits[n >> 3] >> (n & 7) & 1)
