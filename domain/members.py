"""Who was on a list: all entry numbers of a snapshot, packed, so that an absence can be proved."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable
from itertools import pairwise

LARGEST = 8 * 2**20  # bytes, unpacked


def _integers(numbers: Iterable[str]) -> list[int] | None:
    """Entry numbers as integers in order, or None where one of them is not written as a plain integer."""
    texts = list(numbers)
    try:
        values = sorted(map(int, texts))
    except ValueError:
        return None
    return values if values and values[0] >= 0 and sorted(map(str, values)) == sorted(texts) else None


def pack(numbers: Iterable[str]) -> str:
    """Entry numbers, small: differences where all are integers, lines otherwise; zlib, base64."""
    texts = list(numbers)
    values = _integers(texts)
    lines = "\n".join(sorted(texts))
    text = "\n" * lines.startswith("+") + lines if values is None else "+" + ",".join([str(b - a) for a, b in pairwise([0, *values])])
    return base64.b64encode(zlib.compress(text.encode())).decode()


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
        return frozenset(text.removeprefix("\n").split("\n")) if text else frozenset()  # the first of them may begin with a +
    total, out = 0, []
    for step in filter(None, text[1:].split(",")):
        total += int(step)
        out.append(str(total))
    return frozenset(out)


class Members:
    """Who was on a list: a bitmap where the numbers are integers, so that hundreds of snapshots fit in memory."""

    def __init__(self, numbers: Iterable[str]) -> None:
        texts = list(numbers)
        self.count = len(texts)
        self._bits: bytearray | None = None
        self._set: frozenset[str] = frozenset()
        values = _integers(texts)
        if values is not None and values[-1] < 10**7:
            bits = bytearray(values[-1] // 8 + 1)
            for n in values:
                bits[n >> 3] |= 1 << (n & 7)
            self._bits = bits
        else:
            self._set = frozenset(texts)

    def __contains__(self, number: str) -> bool:
        if self._bits is None:
            return number in self._set
        if not (number.isascii() and number.isdigit() and len(number) < 8):
            return False
        n = int(number)
        return n >> 3 < len(self._bits) and bool(self._bits[n >> 3] >> (n & 7) & 1)
