"""The legacy delimited files of OFAC's two lists: sdn, add, alt, sdn_comments and cons_prim, cons_add, cons_alt, cons_comments.

OFAC's data specification (first released 2004, last updated 25 Sep 2023) and its FAQ on formats say: no header, ASCII, `-0-` for null,
`,` in .CSV, `|` in .PIP, `@` in .DEL; remarks hold 1,000 characters and spill over into the comments file. Snapshots follow each other
by a day and share nearly all their lines, so a line that the snapshot before had as well is not parsed again, and an entry is built only
when it is asked for.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import cast

from adapters.lists.containers import day_in
from adapters.lists.model import Damaged, Entry, Files, Snapshot
from domain.source import Source

Row = tuple[str, ...]

COLUMNS = {
    "main": ("ent_num", "SDN_Name", "SDN_Type", "Program", "Title", "Call_Sign", "Vess_type", "Tonnage", "GRT", "Vess_flag", "Vess_owner",
             "Remarks"),
    "add": ("ent_num", "Add_num", "Address", "City/State/Province/Postal Code", "Country", "Add_remarks"),
    "alt": ("ent_num", "alt_num", "alt_type", "alt_name", "alt_remarks"),
    "comments": ("ent_num", "Remarks"),
}
LISTS = {
    "OFAC-SDN": ("Specially Designated Nationals and Blocked Persons List", "https://www.treasury.gov/ofac/downloads/sdn.csv"),
    "OFAC-NONSDN": ("Consolidated Sanctions List (non-SDN)", "https://www.treasury.gov/ofac/downloads/consolidated/cons_prim.csv"),
}
NULLS = ("-0- ", "-0-", "", " ", "-0")  # as published, trimmed, saved again as nothing, cut at the end of a file
VESSEL = range(5, 11)  # columns that only vessels have
CUT = 1000  # characters of remarks; what follows is in the comments file
_NAME = re.compile(r"(?:^|[^a-z])(cons_prim|cons_add|cons_alt|cons_comments|sdn_comments|sdn|add|alt)(?![a-z]).*\.(csv|pip|del|txt)$")
_ENDINGS = ("csv", "pip", "del", "txt")  # of files that say the same, the first is read
_DELIMITERS = {",": "comma", "|": "pipe", "@": "@", "\t": "tab", ";": "semicolon"}
_TYPES = {"individual", "entity", "vessel", "aircraft", "-0-", ""}
_TAG = re.compile(r"(?=.{2,40}$)(?=.*[A-Z0-9]{2})[A-Z0-9][A-Za-z0-9]*(?:(?: - |[- ])[A-Z0-9][A-Za-z0-9]*)*")
_MEANS = {"name": "sdnname", "type": "sdntype", "programs": "program", "vesseltype": "vesstype", "grossregisteredtonnage": "grt",
          "grosstonnage": "grt", "vesselflag": "vessflag", "vesselowner": "vessowner", "citystateprovincepostalcode": "city"}
_WEAK = re.compile(r"(?:^|; )(?:alt\. )?[afn]\.k\.a\. '(.+?)'(?=;|\.?$)")
_CITIZEN = re.compile(r"(?:alt\. )?(?:nationality|citizen) (.+)")
_IDENTIFIER = re.compile(
    r"(?:alt\. )?(?:Vessel Registration Identification (IMO)"
    r"|(Email Address|Website|SWIFT/BIC|Digital Currency Address - \w+|C\.U\.R\.P\.|R\.F\.C\.|RFC)"
    r"|([^\d;]*\b(?:Number|No\b\.?|Passport|ID|Code|Card|Document|License|MMSI|NIT|RUC|RIF|RTN|SSN|FEIN|ISIN|BIK"
    r"|Identification|C\.U\.I\.[PT]\.|C\.U\.I\.|C\.I\.F\.|D\.N\.I\.|N\.I\.E\.|I\.F\.E\.|electoral|Identidad)"
    r"(?: \([A-Z]+\)| \(also called [^)]*\))?)(?= .*\d)) (?:# )?(.+)")


@dataclass(frozen=True, slots=True)
class Table:
    """A file, line by line."""

    lines: dict[str, Row]  # each line that differs from the others, parsed
    notes: tuple[str, ...]

    def by_number(self) -> dict[str, list[Row]]:
        """The rows of each entry, in the order of the file."""
        out: dict[str, list[Row]] = {}
        for row in self.lines.values():
            out.setdefault(row[0], []).append(row)
        return out


@dataclass(frozen=True, eq=False)
class Entries(Mapping[str, Entry]):
    """The entries of a snapshot by number: raw rows at once, an Entry when it is asked for."""

    tables: Mapping[str, Table]
    rows: Mapping[str, Row]  # of the main file
    more: Mapping[str, Mapping[str, list[Row]]] = field(default_factory=dict)  # of the other files that are there

    def __getitem__(self, number: str) -> Entry:
        return _entry(self.rows[number], {role: rows.get(number, []) for role, rows in self.more.items()})

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, number: object) -> bool:
        return number in self.rows

    @property
    def carries(self) -> frozenset[str]:
        """The groups of fields that the files of the set have: an entry without them is one of which they are not known."""
        return frozenset({"remarks", "identifiers"} | ({"aliases"} if "alt" in self.more else set())
                         | ({"addresses", "countries"} if "add" in self.more else set()))

    def raw(self, number: str) -> Row:
        """All that the files say of an entry, unparsed: equal rows make equal entries."""
        row = self.rows[number]
        for role, rows in self.more.items():
            row += (role, *chain.from_iterable(rows.get(number, ())))
        return row

    def programs_of(self, number: str) -> tuple[str, ...]:
        """The program tags of an entry, sorted, without building it."""
        return programs(self.rows[number][3])

    def differing(self, before: Entries) -> set[str]:
        """Numbers that only one of the two has, or whose raw rows differ."""
        if self.more or before.more:
            changed = {n for n in self.rows.keys() & before.rows.keys() if self.raw(n) != before.raw(n)}
        else:
            old = before.rows.get
            changed = {n for n, row in self.rows.items() if (was := old(n)) is not row and was is not None and was != row}
        return changed | (self.rows.keys() ^ before.rows.keys())


def is_file(name: str) -> bool:
    """Whether a base name is that of a file of these sets, with a stamp or without, in any case."""
    return _NAME.search(name.lower()) is not None


def lists(files: Files) -> list[Files]:
    """Files of both lists in one folder or archive, one set for each list."""
    named = {name: found[1] for name in files if (found := _NAME.search(name.lower()))}
    sets = ({n: files[n] for n, role in named.items() if role.startswith("cons_") is other} for other in (False, True))
    return [one for one in sets if one]


def read(files: Files, published: str | None, before: Snapshot | None = None) -> Snapshot:
    """A snapshot from its files. `before` is a neighbouring one, whose parsed lines are taken over. Raises Damaged."""
    code, chosen = _choose(files)
    earlier = before.entries.tables if before is not None and isinstance(before.entries, Entries) else {}
    tables = {role: _table(name, data, role, earlier[role].lines if role in earlier else {}) for role, (name, data) in chosen.items()}
    main = _by_number(tables["main"], chosen["main"][0])
    more = {role: table.by_number() for role, table in tables.items() if role != "main"}
    title, locator = LISTS[code]
    day = _day(published, [name for name, _ in chosen.values()])
    source = Source(publisher="US Department of the Treasury, Office of Foreign Assets Control", title=title, date=day, locator=locator)
    notes = tuple(chain(*(table.notes for table in tables.values()), _doubts(main, more)))
    return Snapshot(code, day, Entries(tables, main, more), source, _digest(chosen), notes)


def rows(data: bytes, before: Mapping[str, Row] | None = None) -> dict[str, Row]:
    """The raw rows of a main file by entry number; `before` maps lines to rows that were parsed already."""
    return _by_number(_table("sdn.csv", data, "main", before or {}), "sdn.csv")


def _choose(files: Files) -> tuple[str, dict[str, tuple[str, bytes]]]:
    """The list that the files are of, and for each role the file to read."""
    found: dict[str, list[tuple[int, str, bytes]]] = {}
    for name, data in files.items():
        if match := _NAME.search(name.lower()):
            found.setdefault(match[1], []).append((_ENDINGS.index(match[2]), name, data))
    other = "cons_prim" in found
    if other and "sdn" in found:
        raise Damaged("the files are of two lists, sdn and cons_prim: import each by itself")
    if not other and "sdn" not in found:
        raise Damaged(f"there is no sdn.csv or cons_prim.csv among {', '.join(sorted(files)) or 'no files'}")
    names = ({"main": "cons_prim", "add": "cons_add", "alt": "cons_alt", "comments": "cons_comments"} if other
             else {"main": "sdn", "add": "add", "alt": "alt", "comments": "sdn_comments"})
    chosen = {}
    for role, known in names.items():
        best = sorted(found.get(known, []), key=lambda one: one[:2])
        if len(best) > 1 and best[0][0] == best[1][0]:
            raise Damaged(f"{best[0][1]} and {best[1][1]} are both a {known} file: keep the one of this snapshot")
        if best:
            chosen[role] = best[0][1:]
    return "OFAC-NONSDN" if other else "OFAC-SDN", chosen


def _day(published: str | None, names: Iterable[str]) -> str:
    day = published or next((day for name in names if (day := day_in(name))), None)
    if day is None:
        raise Damaged("neither the names nor the contents of the files say when they were published: give --published YYYY-MM-DD")
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError as error:
        raise Damaged(f"published {day!r} is not a day: write YYYY-MM-DD") from error


def _digest(chosen: Mapping[str, tuple[str, bytes]]) -> str:
    """Of contents alone: the same snapshot under another name is the same."""
    digest = hashlib.sha256()
    for role, (_, data) in chosen.items():
        digest.update(f"{role} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def _doubts(rows: Mapping[str, Row], more: Mapping[str, Mapping[str, list[Row]]]) -> Iterator[str]:
    for role, found in more.items():
        if strays := len(found.keys() - rows.keys()):
            yield f"{role}: {strays} entries are not in the main file: the files may be of different days"
    if "comments" not in more and (cut := list(map(len, map(itemgetter(11), rows.values()))).count(CUT)):
        yield f"remarks of {cut} entries are cut at {CUT} characters, and the set has no comments file"


# From bytes to rows


def _table(name: str, data: bytes, role: str, before: Mapping[str, Row]) -> Table:
    """Rows of a file, checked. Lines in `before` are as they were."""
    if role == "comments" and not data.strip(b" \r\n\x1a"):  # nothing spilled over
        return Table({}, ())
    text, notes = _text(name, data)
    lines, ended, said = _lines(name, text, marked=role != "comments")
    delimiter = _delimiter(lines[0], COLUMNS[role])
    if delimiter != ",":
        said.append(f"{name}: {_DELIMITERS[delimiter]}-delimited")
    if _header(name, lines[0], delimiter, COLUMNS[role]):
        said.append(f"{name}: a header row that matches the specification")
        del lines[0]
    parsed = dict(zip(lines, map(before.get, lines), strict=True))
    if role == "main" and len(parsed) != len(lines):
        raise Damaged(f"{name} has the line of entry {_repeated(lines).partition(delimiter)[0]} twice")
    fresh = [line for line, row in parsed.items() if row is None]
    parsed.update(zip(fresh, _parse(name, fresh, delimiter, role, lines), strict=True))
    out = cast("dict[str, Row]", parsed)  # no None is left
    if lines and not ended and not _ends_whole(lines[-1], out[lines[-1]]):
        if role == "main" or out[lines[-1]][-1] != "-0":
            raise Damaged(f"{name} ends within a field, without a line end: {lines[-1][-40:]!r}: the file is cut")
        said.append(f"{name}: the null at its very end is cut")
    if role == "main" and 2 * len(fresh) > len(out):
        _in_order(name, list(out.values()))
    return Table(out, (*notes, *said))


def _lines(name: str, text: str, marked: bool) -> tuple[list[str], bool, list[str]]:
    """Lines without their ends, whether the last one has an end, and what is to be said of line ends and of 0x1A, which OFAC puts under
    every file but the comments."""
    body = text.rstrip("\r\n\x1a")
    tail = text[len(body):]
    lines, notes = body.split("\r\n"), []
    if (feeds := body.count("\n")) != len(lines) - 1 or body.count("\r") != feeds:
        kind = "mixed line ends" if len(lines) > 1 else "LF line ends" if feeds else "CR line ends"
        notes.append(f"{name}: {kind}")
        lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1].strip(',|@;\t"') == "\x1a":  # the mark, saved again as a row
        lines.pop()
        tail = "\n\x1a"
    if "" in lines:
        notes.append(f"{name}: blank lines")
        lines = [line for line in lines if line]
    if not lines:
        raise Damaged(f"{name} is empty")
    if marked or "\x1a" in tail:
        notes.append(f"{name}: {'a' if chr(26) in tail else 'no'} final 0x1A")
    return lines, tail.strip("\x1a") != "", notes


def _text(name: str, data: bytes) -> tuple[str, list[str]]:
    if not data.strip(b" \t\r\n\x1a"):
        raise Damaged(f"{name} is empty")
    if b"\0" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Damaged(f"{name} holds NUL bytes: it is UTF-16 or no text, where the list is ASCII")
    notes = [f"{name}: a byte order mark"] if data.startswith(b"\xef\xbb\xbf") else []
    if notes:
        data = data[3:]
    if data.lstrip()[:1] == b"<":
        raise Damaged(f"{name} is a page or XML, not delimited rows: {data.lstrip()[:40].decode(errors='replace')!r}")
    try:
        return data.decode(), notes
    except UnicodeDecodeError:
        try:
            return data.decode("cp1252"), [*notes, f"{name}: not UTF-8, read as Windows-1252"]
        except UnicodeDecodeError as error:
            raise Damaged(f"{name} is neither UTF-8 nor Windows-1252: byte 0x{data[error.start]:02x} at {error.start}") from error


def _delimiter(line: str, columns: Sequence[str]) -> str:
    for delimiter in _DELIMITERS:
        try:
            if len(next(csv.reader([line], delimiter=delimiter, strict=True), ())) == len(columns):
                return delimiter
        except csv.Error:
            continue
    return ","


def _header(name: str, line: str, delimiter: str, columns: Sequence[str]) -> bool:
    """Whether the first line is the header of the specification. A row that is neither that nor an entry is damage."""
    names = line.replace('"', "").split(delimiter)
    if names[0].strip().isdecimal():
        return False
    given, wanted = [_meant(one) for one in names], [_meant(one) for one in columns]
    if given == wanted:
        return True
    if sorted(given) == sorted(wanted):
        raise Damaged(f"{name} has its columns in another order: {line[:200]}")
    if not {*given} & {*wanted}:
        raise Damaged(f"{name}, first line, does not begin with an entry number: {line[:80]!r}")
    raise Damaged(f"{name} has a header row that does not match: {line[:200]!r}, where the specification has {', '.join(columns)}")


def _meant(column: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", column.lower())
    return _MEANS.get(plain, plain)


def _parse(name: str, fresh: Sequence[str], delimiter: str, role: str, lines: Sequence[str]) -> list[Row]:
    """Lines to rows, each with the columns of its file and values that can stand there."""
    width = len(COLUMNS[role])
    try:
        out = list(map(tuple, csv.reader(fresh, delimiter=delimiter, strict=True)))
    except csv.Error:
        out = []
    if len(out) != len(fresh) or {*map(len, out)} - {width} or any(line.count('"') % 2 for line in fresh):
        raise Damaged(_broken(name, fresh, delimiter, width, lines))
    numbers = [row[0] for row in out]
    if not all(numbers) or not (joined := "".join(numbers)).isascii() or (numbers and not joined.isdecimal()):
        bad = next(line for line, row in zip(fresh, out, strict=True) if not (row[0].isdecimal() and row[0].isascii()))
        raise Damaged(f"{_where(name, bad, lines)} does not begin with an entry number: {bad[:80]!r}")
    checks = {"main": ((2, _is_type, "type"), (3, _are_tags, "program"), (1, _value, "name")), "alt": ((2, _is_alt, "type"),)}
    for column, fits, what in checks.get(role, ()):
        for value in {row[column] for row in out}:
            if not fits(value):
                bad = next(line for line, row in zip(fresh, out, strict=True) if row[column] == value)
                raise Damaged(f"{_where(name, bad, lines)} has {value!r} as its {what}: fields have moved")
    return out


def _broken(name: str, fresh: Sequence[str], delimiter: str, width: int, lines: Sequence[str]) -> str:
    """What is wrong with the first line that does not parse by itself."""
    for line in fresh:
        cut = ": the file is cut" if line == lines[-1] else ""
        try:
            count = len(next(csv.reader([line], delimiter=delimiter, strict=True), ()))
        except csv.Error as error:
            return f"{_where(name, line, lines)} has quotes that do not match ({error}){cut}"
        if count != width:
            return f"{_where(name, line, lines)} has {count} columns, not {width}{cut}"
        if line.count('"') % 2:
            return f"{_where(name, line, lines)} has a quote without its other half"
    return f"{name} has quotes that do not match"


def _where(name: str, line: str, lines: Sequence[str]) -> str:
    return f"{name}, line {lines.index(line) + 1} of {len(lines)},"


def _repeated(lines: Iterable[str]) -> str:
    seen: set[str] = set()
    return next((line for line in lines if line and (line in seen or seen.add(line))), "")  # type: ignore[func-returns-value]


def _ends_whole(line: str, row: Row) -> bool:
    """Whether a last field without a line end shows by itself that nothing is missing: null, a closing quote or the final full stop."""
    return line.endswith('"') or row[-1].strip() == "-0-" or row[-1].endswith(".")


def _in_order(name: str, rows: Sequence[Row]) -> None:
    """Columns that were swapped show in the mass: only vessels have call signs and flags, everybody has a name and a program."""
    holders: Counter[tuple[int, bool]] = Counter()
    for (kind, *values), count in Counter(map(itemgetter(2, *VESSEL), rows)).items():
        holders.update({(at, kind.strip().lower() == "vessel"): count for at, value in zip(VESSEL, values, strict=True) if not _null(value)})
    for at in VESSEL:
        if holders[at, False] > holders[at, True]:
            raise Damaged(f"{name}: column {at + 1} should be {COLUMNS['main'][at]}, but most that have it are no vessels: columns have moved")
    for at in (1, 3):
        if 2 * sum(map(_null, map(itemgetter(at), rows))) > len(rows):
            raise Damaged(f"{name}: column {at + 1} should be {COLUMNS['main'][at]}, but most have none: columns have moved")


def _by_number(table: Table, name: str) -> dict[str, Row]:
    rows = table.lines.values()
    out = dict(zip(map(itemgetter(0), rows), rows, strict=True))
    if len(out) != len(rows):
        twice = next(number for number, found in table.by_number().items() if len(found) > 1)
        raise Damaged(f"{name} has entry {twice} twice")
    if not out:
        raise Damaged(f"{name} has no entries")
    return out


def _null(value: str) -> bool:
    return value in NULLS


def _value(value: str) -> str | None:
    return None if _null(value) or _null(plain := value.strip()) else plain


def _is_type(value: str) -> bool:
    return value.strip().lower() in _TYPES


def _are_tags(value: str) -> bool:
    return all(map(_TAG.fullmatch, programs(value)))


def _is_alt(value: str) -> bool:
    return re.fullmatch(r"[a-z.]{0,8}|-0-", value.strip().lower()) is not None


# From rows to an entry


@lru_cache(maxsize=4096)
def programs(value: str) -> tuple[str, ...]:
    """`IRAN] [SDGT] [IFSR` as sorted tags."""
    return () if _null(value) else tuple(sorted({tag.strip() for tag in value.strip("[] ").split("] [")}))


def weak_aliases(remarks: str) -> list[str]:
    """Weak aliases, which stand in the remarks alone."""
    return _WEAK.findall(remarks)


def _entry(row: Row, more: Mapping[str, list[Row]]) -> Entry:
    number, name, kind, tags, title, call_sign, vessel, tonnage, grt, flag, owner, remarks = (_value(one) for one in row)
    said, whole = _remarks(remarks or "", more.get("comments"))
    pieces = said.removesuffix(".").split("; ")[: None if whole else -1]
    facts = {"Title": title, "Vessel type": vessel, "Tonnage": tonnage, "Gross registered tonnage": grt, "Flag": flag, "Owner": owner}
    text = "\n".join(filter(None, [said if whole else said + "…", *(f"{label}: {fact}" for label, fact in facts.items() if fact)]))
    addresses = [[_value(one) for one in found[2:]] for found in more.get("add", ())]
    countries = {found[1] for piece in pieces if (found := _CITIZEN.fullmatch(piece))} | {flag} | {at[2] for at in addresses}
    return Entry(
        number=number or "", name=name or "", type=(kind or "entity").lower(), programs=programs(tags or ""),
        remarks=text or None,
        aliases=_sorted([*weak_aliases(said), *(_value(found[3]) for found in more["alt"])]) if "alt" in more else None,
        addresses=_sorted(", ".join(filter(None, at)) for at in addresses) if "add" in more else None,
        identifiers=_sorted([*map(_identifier, pieces), call_sign and f"Call sign: {call_sign}"]),
        countries=_sorted(countries - {"None Identified"}) if "add" in more else None)


def _remarks(text: str, spilled: Sequence[Row] | None) -> tuple[str, bool]:
    """Remarks with what spilled over, and whether that is all of them."""
    if spilled:
        return text + ("" if len(text) == CUT else " ") + "".join(row[1] for row in spilled).rstrip(), True
    return text, len(text) < CUT


def _identifier(piece: str) -> str | None:
    found = _IDENTIFIER.fullmatch(piece)
    return found and f"{(found[1] or found[2] or found[3]).strip()}: {found[4]}"


def _sorted(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
