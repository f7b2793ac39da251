"""Checkpoints: a head of the log, signed, to be kept where nobody who can write to the database can write.

The text is a signed note (C2SP signed-note, Ed25519 of RFC 8032), so other people's tools read and verify it:

    tarikh/5c1f0a9be2d34c77
    825
    <hash of event 825, base64>
    2026-01-31T12:00:00.000000Z

    — tarikh/5c1f0a9be2d34c77 <key hash and signature, base64>

The hash is that of our chain (adapters.chain), not of a Merkle tree: whoever checks it needs the log.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from adapters.chain import head
from domain.errors import BadQuestion, Invalid, NotFound
from projections.basis import format_instant, parse_instant

_ED25519 = b"\x01"  # the algorithm's byte in key hashes and keys of signed notes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of the log: how many events, the hash of the last of them, and when it was recorded (microseconds since 1970)."""

    position: int
    recorded_at: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verifier:
    """Who signs the checkpoints of a log: a name made from the public key, and the key."""

    public: bytes  # 32 bytes

    @property
    def name(self) -> str:
        return f"tarikh/{sha256(self.public).hexdigest()[:16]}"

    @property
    def key_hash(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """As signed notes write keys: name+hash+key."""
        return f"{self.name}+{self.key_hash.hex()}+{b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """The reverse of `str`. Raises BadQuestion."""
        try:
            name, key_hash, key = text.strip().split("+", 2)
            raw = b64decode(key, validate=True)
            verifier = cls(raw[1:])
            if len(raw) == 33 and raw[:1] == _ED25519 and (name, bytes.fromhex(key_hash)) == (verifier.name, verifier.key_hash):
                return verifier
        except (ValueError, BadBase64):
            pass
        raise BadQuestion(f"{text.strip()[:80]!r} is no verification key: `tarikh checkpoint --key` prints one, name+hash+key")

    def read(self, note: str) -> Checkpoint:
        """The checkpoint of a note that this key signed. Raises Invalid."""
        body, separator, signatures = note.partition("\n\n")
        lines = body.split("\n")
        try:
            name, position, head_hash, recorded_at = lines
            read = Checkpoint(int(position), parse_instant(recorded_at), b64decode(head_hash, validate=True))
        except (ValueError, BadBase64):
            raise Invalid("this is no checkpoint: it must be the text that `tarikh checkpoint` wrote, unchanged") from None
        if name != self.name:
            raise Invalid(f"the checkpoint is of {name}, the key is that of {self.name}")
        for line in signatures.splitlines():
            dash, signer, signature = [*line.split(" "), "", ""][:3]
            if separator and (dash, signer) == ("—", self.name) and _signed(self, f"{body}\n", signature):
                return read
        raise Invalid("the checkpoint's signature is not by this key: it was changed, or another key made it")


def _signed(verifier: Verifier, text: str, signature: str) -> bool:
    try:
        raw = b64decode(signature, validate=True)
        if raw[:4] != verifier.key_hash:
            return False
        Ed25519PublicKey.from_public_bytes(verifier.public).verify(raw[4:], text.encode())
    except (ValueError, BadBase64, InvalidSignature):
        return False
    return True


class Signer:
    """Signs checkpoints with the key of a PEM file (PKCS #8)."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def of_file(cls, path: Path) -> Signer:
        """Reads the key. Raises BadQuestion."""
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise BadQuestion(f"TARIKH_SIGNING_KEY: {path} cannot be read as a private key in PEM without a password: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise BadQuestion(f"TARIKH_SIGNING_KEY: {path} is no Ed25519 key: `openssl genpkey -algorithm ed25519` makes one")
        return cls(key)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note. Ed25519 is deterministic: the same checkpoint gives the same text."""
        verifier = self.verifier
        text = (f"{verifier.name}\n{checkpoint.position}\n{b64encode(checkpoint.hash).decode()}\n"
                f"{format_instant(checkpoint.recorded_at)}\n")
        signature = b64encode(verifier.key_hash + self._key.sign(text.encode())).decode()
        return f"{text}\n— {verifier.name} {signature}\n"


def make_key(path: Path) -> bool:
    """Makes a new private key that only its owner may read, where there is no file yet. Returns whether it did."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except FileExistsError:
        return False
    return True


def take(connection: sa.Connection, position: int | None = None) -> Checkpoint:
    """The head of the log, or its head as it was at a position. Raises NotFound."""
    at, recorded_at, head_hash = head(connection, position)
    if position is not None and at != position:
        raise NotFound(f"the log has no position {position}")
    return Checkpoint(at, recorded_at, head_hash)


def contradictions(connection: sa.Connection, kept: Sequence[Checkpoint]) -> Iterator[str]:
    """Where the log is not the one that kept checkpoints were taken of; between which events it departs."""
    last, agreed = head(connection)[0], 0
    for checkpoint in sorted(kept, key=lambda item: item.position):
        taken = f"the checkpoint of {format_instant(checkpoint.recorded_at)} at position {checkpoint.position}"
        if checkpoint.position > last:
            gone = f"position {checkpoint.position} is" if checkpoint.position == last + 1 else f"positions {last + 1} to {checkpoint.position} are"
            yield f"log: it is cut off: {gone} gone, of which {taken} tells"
            return
        at, recorded_at, head_hash = head(connection, checkpoint.position)
        if (at, recorded_at, head_hash) != (checkpoint.position, checkpoint.recorded_at, checkpoint.hash):
            yield f"log: an event in positions {agreed + 1} to {checkpoint.position} was rewritten after {taken}"
            return
        agreed = checkpoint.position
