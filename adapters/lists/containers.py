"""Where the files of a list come from: a folder, a file, an archive or an address. One snapshot after another, in order of their days.

Archives are not extracted: members are read one snapshot at a time, and their names are never used as paths. A compressed archive is
first unpacked into a temporary file, so that its members can be read in order of their days with memory for one snapshot.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import date
from email.message import Message
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from adapters.lists.model import Damaged, Files
from domain.errors import TarikhError

MEMBER = 512 * 2**20  # bytes of one file; the largest list published so far has 120 MB
TOTAL = 16 * 2**30  # bytes of an archive, unpacked
COUNT = 100_000  # members of an archive
TIMEOUT = 60.0  # seconds without a byte
DEADLINE = 1800.0  # seconds for a whole download
_CHUNK = 2**20
_STAMP = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
                    r"(?:T\d\d:?\d\d(?::?\d\d)?Z?|\d{4}|\d{6})?(?!\d)", re.I)
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class Unreachable(TarikhError):
    """There is nothing at the path or the address, or it did not answer."""


class Member(NamedTuple):
    """A file inside a container, not yet read."""

    path: str
    size: int
    read: Callable[[], bytes]


Members = dict[str, Member]  # by lower-case base name
Snapshots = Iterator[tuple[str, Files, str | None]]


def snapshots(path: str, published: str | None = None, *, wanted: Callable[[str], bool] = lambda name: True,
              stated: Callable[[Files], str | None] | None = None, cache: Path | None = None,
              say: Callable[[str], None] = lambda text: None) -> Snapshots:
    """Each snapshot in `path` as (label, files, day), in order of days; of several on one day the last.

    `wanted` knows the list's own base names. The day is `published`, else the one in the names (a UTC day), else what `stated` finds in
    the files; without `stated` it may be None, and the parser of the files finds it or refuses. `cache` keeps ETag and Last-Modified of
    an address, once its snapshots were taken; an address that has not changed since yields nothing. `say` hears what was left out.
    Raises Damaged and Unreachable.
    """
    with ExitStack() as stack:
        if path.lower().startswith(("http://", "https://")):
            got = stack.enter_context(_download(path, cache, say))
            if got is None:
                return
            file, name = got
            members, home = stack.enter_context(_opened(file, name)), name
        elif (place := Path(path)).is_dir():
            members, home = _folder(place), place.resolve().name
        elif place.is_file():
            members = stack.enter_context(_opened(stack.enter_context(place.open("rb")), place.name))
            home = place.name if len(members) != 1 or members[0].path != place.name else place.resolve().parent.name
        else:
            raise Unreachable(f"there is no file or folder {path!r}")
        yield from _in_order(path, [m for m in members if wanted(_base(m.path))], home, published, stated, say)


def day_in(path: str) -> str | None:
    """The day in a name, or else in that of the nearest folder that has one: 20210818, 2021-08-18, 20210818T0939Z."""
    *folders, base = PurePosixPath(path).parts or ("",)
    stamp = _stamp(base)
    return stamp[1] if stamp else next((day for folder in reversed(folders) if (day := _sole_day(folder))), None)


def _stamp(name: str) -> tuple[int, str] | None:
    """Where the first day in a name begins, and the day."""
    for found in _STAMP.finditer(name):
        try:
            return found.start(), date(int(found[1]), int(found[3]), int(found[4])).isoformat()
        except ValueError:
            continue
    return None


def _sole_day(name: str) -> str | None:
    """The day in the name of a folder or an archive; none where it has two, which are the ends of a range."""
    stamp = _stamp(name)
    return stamp[1] if stamp and len(_STAMP.findall(name)) == 1 else None


def _in_order(path: str, members: Iterable[Member], home: str, published: str | None, stated: Callable[[Files], str | None] | None,
              say: Callable[[str], None]) -> Snapshots:
    sets = _sets(members, say)
    if not sets:
        raise Damaged(f"{path} holds no file of this list")
    if published and len(sets) > 1:
        raise Damaged(f"--published names one day, but {path} holds {len(sets)} snapshots: import them one by one, or put days in their names")
    only = _sole_day(home) if len(sets) == 1 else None
    dated = []
    for (folder, day), found in sets.items():
        label = next(iter(found.values())).path if len(found) == 1 else folder or home
        day = published or day or only or (stated(_read(found)) if stated else None)
        if day is None and stated:
            raise Damaged(f"neither the name nor the contents of {label} say when it was published: give --published YYYY-MM-DD")
        dated.append((day or "9999", label, found, day))
    dated.sort(key=lambda one: one[:2])
    for (_, label, found, day), (_, later, _, next_day) in zip(dated, [*dated[1:], ("", "", {}, None)], strict=True):
        if day is not None and day == next_day:
            say(f"{label} is left out: {later} is of {day} too, and the last of a day stands for it")
            continue
        yield label, _read(found), day


def _sets(members: Iterable[Member], say: Callable[[str], None]) -> dict[tuple[str, str | None], Members]:
    """Files that make one snapshot: of one folder and one day. Of two that differ in their stamps alone, the later one."""
    sets: dict[tuple[str, str | None], dict[str, Member]] = {}
    for member in sorted(members, key=lambda m: m.path):
        base = _base(member.path)
        stamp = _stamp(base)
        stem = base[:stamp[0]] + PurePosixPath(base).suffix if stamp else base
        same = sets.setdefault((str(PurePosixPath(member.path).parent).removeprefix("."), day_in(member.path)), {})
        if earlier := same.get(stem.lower()):
            if not stamp:
                raise Damaged(f"{earlier.path} and {member.path} are the same name")
            say(f"{earlier.path} is left out: {member.path} is of {stamp[1]} too, and the last of a day stands for it")
        same[stem.lower()] = member
    return {key: {_base(m.path).lower(): m for m in same.values()} for key, same in sets.items()}


def _read(members: Mapping[str, Member]) -> Files:
    out = {}
    for name, member in members.items():
        if member.size > MEMBER:
            raise Damaged(f"{member.path} has {member.size:,} bytes; more than {MEMBER:,} are not read")
        try:
            out[name] = member.read()
        except _BROKEN as error:
            raise Damaged(f"{member.path} cannot be read: {error}") from error
    return out


def _base(path: str) -> str:
    return PurePosixPath(path).name


# Folders, files and archives


def _folder(place: Path) -> list[Member]:
    out = []
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for file in (Path(folder, name) for name in names if not name.startswith(".")):
            if file.is_file():
                out.append(Member(file.relative_to(place).as_posix(), file.stat().st_size, file.read_bytes))
    return out


@contextmanager
def _opened(file: IO[bytes], name: str) -> Iterator[list[Member]]:
    """The members of an archive, or the file itself. What it is shows in its first bytes."""
    with ExitStack() as stack:
        try:
            plain, name = _unpacked(file, name, stack)
            start = _peek(plain, 512)
            if start.startswith((b"PK\3\4", b"PK\5\6")):
                members = _zip(stack.enter_context(zipfile.ZipFile(plain)))
            elif start[257:262] == b"ustar" or name.lower().endswith(".tar"):
                members = _tar(stack.enter_context(tarfile.open(fileobj=plain, mode="r:")))
            else:
                members = [Member(name, plain.seek(0, os.SEEK_END), partial(_whole, plain))]
        except _BROKEN as error:
            raise Damaged(f"{name} is not a whole archive: {error}") from error
        _bounded(name, members)
        yield members


def _unpacked(file: IO[bytes], name: str, stack: ExitStack) -> tuple[IO[bytes], str]:
    start = _peek(file, 6)
    known = ((b"\xfd7zXZ\0", lzma.open, (".xz", ".txz")), (b"\x1f\x8b", gzip.open, (".gz", ".tgz")), (b"BZh", bz2.open, (".bz2", ".tbz2")))
    opening, endings = next(((opening, endings) for magic, opening, endings in known if start.startswith(magic)), (None, ()))
    if opening is None:
        return file, name
    plain = stack.enter_context(TemporaryFile())  # noqa: SIM115
    with opening(file) as stream:
        while chunk := stream.read(_CHUNK):
            if plain.tell() + len(chunk) > TOTAL:
                raise Damaged(f"{name} unpacks to more than {TOTAL:,} bytes")
            plain.write(chunk)
    for ending in endings:
        if name.lower().endswith(ending) and len(name) > len(ending):  # a file may be named .gz, and nothing more
            return plain, name[: -len(ending)] + (".tar" if ending.startswith(".t") else "")
    return plain, name


def _peek(file: IO[bytes], size: int) -> bytes:
    file.seek(0)
    start = file.read(size)
    file.seek(0)
    return start


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _tar(archive: tarfile.TarFile) -> list[Member]:
    out: dict[str, Member] = {}
    for info in archive:
        if info.isreg():  # links and devices are no files of a list
            path = _inside(info.name)
            out[path] = Member(path, info.size, partial(_from_tar, archive, info))
        if len(out) > COUNT:
            break
    return list(out.values())


def _from_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    assert stream is not None  # a regular file
    with stream:
        data = stream.read(info.size)  # a size that is far too large would be allocated at once
    if len(data) != info.size:
        raise tarfile.ReadError("unexpected end of data")
    return data


def _zip(archive: zipfile.ZipFile) -> list[Member]:
    return [Member(path, info.file_size, partial(_from_zip, archive, info)) for info in archive.infolist()[: COUNT + 1]
            if info.filename and not info.is_dir() and (path := _inside(info.filename))]


def _from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as stream:
        return stream.read(info.file_size + 1)  # where the size it states is false, the checksum shows it


def _inside(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise Damaged(f"the archive has a member outside itself: {name!r}")
    return path.as_posix()


def _bounded(name: str, members: list[Member]) -> None:
    if len(members) > COUNT:
        raise Damaged(f"{name} has more than {COUNT:,} members")
    for member in members:
        if member.size > MEMBER:
            raise Damaged(f"{member.path} has {member.size:,} bytes; more than {MEMBER:,} are not read")
    if sum(member.size for member in members) > TOTAL:
        raise Damaged(f"{name} unpacks to more than {TOTAL:,} bytes")


# Addresses


@contextmanager
def _download(url: str, cache: Path | None, say: Callable[[str], None]) -> Iterator[tuple[IO[bytes], str] | None]:
    """What stands at an address, in a temporary file, with its name; None if it is as it was when it was last taken.

    What the server says of its age is kept only after the caller came back for more, so that a refused import is fetched again.
    """
    kept = _kept(cache)
    known = kept.get(url, {})
    request = Request(url, headers={"User-Agent": "tarikh", "Accept-Encoding": "identity"})
    for header, field in (("If-None-Match", "etag"), ("If-Modified-Since", "last_modified")):
        if field in known:
            request.add_header(header, known[field])
    with TemporaryFile() as file:
        try:
            with closing(_opener().open(request, timeout=TIMEOUT)) as answer:
                _fetch(url, answer, file)
                headers, name = answer.headers, _name_of(answer, url)
        except HTTPError as error:
            error.close()
            if error.code != 304:
                raise Unreachable(f"{url} answered {error.code} {error.reason}") from error
            name = ""
        except HTTPException as error:
            raise Damaged(f"{url} broke off: {error!r}") from error
        except (OSError, ValueError) as error:
            raise Unreachable(f"{url} did not answer: {error}") from error
        if not name:
            say(f"{url} is as it was when it was last imported")
        yield (file, name) if name else None
    if cache and name:
        marks = {"etag": headers.get("ETag"), "last_modified": headers.get("Last-Modified")}
        _keep(cache, kept | {url: {field: value for field, value in marks.items() if value}})


def _opener() -> OpenerDirector:
    """HTTP and HTTPS, through the environment's proxy; a redirect to file: or ftp: goes nowhere."""
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler, HTTPErrorProcessor, HTTPDefaultErrorHandler, UnknownHandler):
        opener.add_handler(handler())
    return opener


def _fetch(url: str, answer: HTTPResponse, file: IO[bytes]) -> None:
    length = answer.headers.get("Content-Length", "")
    if coding := answer.headers.get("Content-Encoding"):
        raise Damaged(f"{url} came as {coding}, which was not asked for")
    until = time.monotonic() + DEADLINE
    while chunk := answer.read1(_CHUNK):
        file.write(chunk)
        if file.tell() > MEMBER:
            raise Damaged(f"{url} has more than {MEMBER:,} bytes")
        if time.monotonic() > until:
            raise Unreachable(f"{url} took more than {DEADLINE:.0f} seconds")
    if length.isdecimal() and file.tell() != int(length):
        raise Damaged(f"{url} broke off after {file.tell():,} of {int(length):,} bytes")


def _name_of(answer: HTTPResponse, url: str) -> str:
    """The name that the server gives the file, else the last part of the address that names one."""
    header = Message()
    header["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
    names = [_base(header.get_filename() or ""), *(_base(unquote(urlsplit(at).path)) for at in (url, answer.url))]
    return next((name for name in names if "." in name), "download")


def _kept(cache: Path | None) -> dict[str, dict[str, str]]:
    try:
        kept = json.loads(cache.read_text()) if cache else {}
    except (OSError, ValueError):  # a lost cache costs a download
        return {}
    return kept if isinstance(kept, dict) else {}


def _keep(cache: Path, kept: Mapping[str, Mapping[str, str]]) -> None:
    with NamedTemporaryFile("w", dir=cache.parent, prefix=cache.name, delete=False) as file:
        json.dump(kept, file)
    os.replace(file.name, cache)
