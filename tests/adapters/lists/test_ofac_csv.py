"""OFAC's legacy files: what they say, what is read all the same, and what is refused whole."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterable

import pytest

from adapters.lists import ofac_csv
from adapters.lists.containers import snapshots
from adapters.lists.model import Damaged, Entry, Files, Snapshot
from adapters.lists.ofac_csv import COLUMNS, Entries, lists, read, rows
from tests.conftest import LONG, needs_shared

NULL = "-0- "
DAY = "2021-07-07"


def row(number: int = 1, name: str = "ALPHA, S.A.", kind: str = NULL, program: str = "IRAN", *rest: str, remarks: str = NULL) -> str:
    """A line as OFAC writes it: numbers and nulls bare, all else quoted. `rest` is title, call sign, type, tonnage, GRT, flag, owner."""
    return line(str(number), name, kind, program, *rest, *[NULL] * (7 - len(rest)), remarks)


def line(*values: str) -> str:
    return ",".join(value if value == NULL or value.isdecimal() else f'"{value}"' for value in values)


def publish(*rows: str) -> bytes:
    return "".join(f"{one}\r\n" for one in rows).encode() + b"\x1a"


def snapshot(*rows: str, **others: bytes) -> Snapshot:
    return read({"sdn.csv": publish(*rows), **{f"{name}.csv": data for name, data in others.items()}}, DAY)


def entry(*rows: str, **others: bytes) -> Entry:
    return next(iter(snapshot(*rows, **others).entries.values()))


def notes(data: bytes, name: str = "sdn.csv") -> str:
    return " / ".join(read({name: data}, DAY).notes)


def concerns_iran(tags: Iterable[str]) -> bool:
    return any(tag.startswith("IRAN") or tag in ("IFSR", "IRGC", "HRIT-IR", "CAATSA - IRAN") for tag in tags)


ALPHA, BETA, GAMMA = row(1), row(2, "BETA, Ali", "individual", "SDGT] [IRAN"), row(3, "GAMMA", "vessel", "NPWMD", NULL, "9HDS9")
THREE = publish(ALPHA, BETA, GAMMA)


# ---------------------------------------------------------------- what the files say


def test_a_null_type_is_an_entity() -> None:
    assert {e.number: e.type for e in read({"sdn.csv": THREE}, DAY).entries.values()} == {"1": "entity", "2": "individual", "3": "vessel"}


def test_joined_programs_are_tags_and_a_tag_may_hold_blanks() -> None:
    assert entry(row(1, "A", NULL, "SDGT] [IFSR] [CAATSA - IRAN")).programs == ("CAATSA - IRAN", "IFSR", "SDGT")
    assert entry(row(1, "A", NULL, "561-Related] [SOUTH SUDAN")).programs == ("561-Related", "SOUTH SUDAN")


def test_what_a_vessel_is_stands_in_its_remarks_and_its_call_sign_identifies_it() -> None:
    vessel = entry(row(1, "NEDA", "vessel", "IRAN", NULL, "5IM 592", "Tanker", "318,000", "163,660", "Iran", "NITC",
                       remarks="Vessel Registration Identification IMO 9187629; MMSI 572469210."))
    assert vessel.identifiers == ("Call sign: 5IM 592", "IMO: 9187629", "MMSI: 572469210")
    assert vessel.remarks == ("Vessel Registration Identification IMO 9187629; MMSI 572469210.\nVessel type: Tanker\nTonnage: 318,000\n"
                              "Gross registered tonnage: 163,660\nFlag: Iran\nOwner: NITC")


@pytest.mark.parametrize(("piece", "identifier"), [
    ("Passport X123 (Iran)", "Passport: X123 (Iran)"),
    ("alt. Passport X124 (Iran) issued 1999", "Passport: X124 (Iran) issued 1999"),
    ("National ID No. 660000 73767 (Belgium)", "National ID No.: 660000 73767 (Belgium)"),
    ("Identification Number IMO 5342883", "Identification Number: IMO 5342883"),
    ("NIT # 800146749-7 (Colombia)", "NIT: 800146749-7 (Colombia)"),
    ("Business Registration Document # F01 (Panama)", "Business Registration Document: F01 (Panama)"),
    ("Aircraft Manufacturer's Serial Number (MSN) 1023", "Aircraft Manufacturer's Serial Number (MSN): 1023"),
    ("alt. Digital Currency Address - XBT 1Kuf2", "Digital Currency Address - XBT: 1Kuf2"),
    ("SWIFT/BIC HAVIGB2L", "SWIFT/BIC: HAVIGB2L"),
    ("Email Address a@b.ir", "Email Address: a@b.ir"),
])
def test_numbers_in_the_remarks_are_identifiers(piece: str, identifier: str) -> None:
    assert entry(row(remarks=f"DOB 1946; {piece}; Gender Male.")).identifiers == (identifier,)


@pytest.mark.parametrize("piece", [
    "DOB 15 Jan 1955", "POB Tehran, Iran", "Linked To: BANK 1", "Executive Order 13662 Directive Determination - Subject to Directive 4",
    "Additional Sanctions Information - Subject to Secondary Sanctions", "nationality Iran", "Aircraft Manufacture Date 1992"])
def test_what_else_is_in_the_remarks_identifies_nobody(piece: str) -> None:
    assert entry(row(remarks=f"{piece}.")).identifiers == ()


def test_aliases_are_those_of_alt_and_the_weak_ones_of_the_remarks() -> None:
    alt = publish(line("1", "12", "aka", "ALPHA TRADING", NULL), line("1", "13", "fka", "OLD ALPHA", NULL))
    found = entry(row(remarks="DOB 1946; a.k.a. 'AL-QA'IDA'; alt. a.k.a. 'ABU X'."), alt=alt)
    assert found.aliases == ("ABU X", "AL-QA'IDA", "ALPHA TRADING", "OLD ALPHA")


def test_addresses_are_one_line_each_and_give_countries() -> None:
    add = publish(line("1", "25", NULL, "Havana", "Cuba", NULL), line("1", "26", "P.O. Box 1, Azadi St", "Tehran", "Iran", NULL))
    found = entry(row(remarks="nationality Iraq."), add=add)
    assert found.addresses == ("Havana, Cuba", "P.O. Box 1, Azadi St, Tehran, Iran")
    assert found.countries == ("Cuba", "Iran", "Iraq")


def test_what_the_set_does_not_carry_is_none_and_what_is_empty_is_empty() -> None:
    alone, with_all = entry(row()), entry(row(), add=publish(line("1", "2", NULL, NULL, NULL, NULL)), alt=publish(line("1", "2", "aka", NULL, NULL)))
    assert (alone.aliases, alone.addresses, alone.countries, alone.remarks) == (None, None, None, None)
    assert (with_all.aliases, with_all.addresses, with_all.countries) == ((), (), ())


def test_remarks_that_were_cut_continue_in_the_comments() -> None:
    whole = "; ".join(f"Passport {n:05d} (Iran)" for n in range(60)) + "."
    main, comments = row(remarks=whole[:1000]), line("1", whole[1000:]).encode() + b"\r\n"
    joined = snapshot(main, sdn_comments=comments)
    assert joined.entries["1"].remarks == whole
    assert len(joined.entries["1"].identifiers or ()) == 60


def test_remarks_that_were_cut_and_have_no_continuation_say_so() -> None:
    whole = "; ".join(f"Passport {n:05d} (Iran)" for n in range(60))
    cut = snapshot(row(remarks=whole[:1000]))
    assert cut.entries["1"].remarks == whole[:1000] + "…"
    assert f"Passport: {whole[:1000].rpartition(' ')[2]}" not in (cut.entries["1"].identifiers or ())
    assert any("cut at 1000 characters" in note for note in cut.notes)


def test_comments_may_be_empty() -> None:
    assert entry(row(), sdn_comments=b"").remarks is None


def test_the_consolidated_list_is_read_in_the_same_way() -> None:
    files = {"cons_prim.csv": publish(ALPHA), "cons_alt.csv": publish(line("1", "2", "aka", "A", NULL)), "cons_add.csv": publish(
        line("1", "2", NULL, NULL, "Iran", NULL)), "cons_comments.csv": b"\x1a"}
    read_ = read(files, DAY)
    assert read_.list == "OFAC-NONSDN"
    assert (read_.entries["1"].aliases, read_.entries["1"].addresses) == (("A",), ("Iran",))


def test_files_of_both_lists_are_told_apart() -> None:
    files: Files = {"sdn.csv": publish(ALPHA), "add.csv": b"x", "cons_prim.csv": publish(BETA), "readme.txt": b"x"}
    assert [list(one) for one in lists(files)] == [["sdn.csv", "add.csv"], ["cons_prim.csv"]]
    with pytest.raises(Damaged, match="two lists"):
        read(files, DAY)


# ---------------------------------------------------------------- names and days


@pytest.mark.parametrize("name", ["sdn_20210818T0939Z_f2dad11314.csv", "SDN.CSV", "sdn (1).csv", "2021-08-18_sdn.csv", "old_sdn.del"])
def test_a_name_may_have_a_stamp_and_any_case(name: str) -> None:
    assert ofac_csv.is_file(name)
    assert set(read({name: THREE}, DAY).entries) == {"1", "2", "3"}


@pytest.mark.parametrize("name", ["daily_manifest.csv", "sdn.xml", "cobalt.csv", "sdnlist.txt", "address.csv", "README.md"])
def test_other_files_are_not_of_the_set(name: str) -> None:
    assert not ofac_csv.is_file(name)


def test_comments_are_not_taken_for_the_list() -> None:
    with pytest.raises(Damaged, match=r"no sdn\.csv"):
        read({"sdn_comments_20210818.csv": b'1,"x"\r\n'}, DAY)


def test_the_day_is_the_given_one_else_that_of_the_name_and_else_asked_for() -> None:
    stamped = {"sdn_20210818T0939Z_f2dad11314.csv": THREE}
    assert read(stamped, None).day == "2021-08-18"
    assert read(stamped, DAY).day == DAY
    with pytest.raises(Damaged, match="--published"):
        read({"sdn.csv": THREE}, None)
    with pytest.raises(Damaged, match="not a day"):
        read({"sdn.csv": THREE}, "7 July 2021")


def test_the_same_files_under_another_name_have_the_same_digest_and_source() -> None:
    one, other = read({"sdn.csv": THREE}, DAY), read({"SDN_20210707.CSV": THREE}, None)
    assert (one.digest, one.source) == (other.digest, other.source)
    assert one.digest != read({"sdn.csv": publish(ALPHA, BETA)}, DAY).digest


def test_of_files_that_say_the_same_the_comma_delimited_is_read() -> None:
    assert set(read({"sdn.pip": publish("9|A"), "sdn.csv": THREE}, DAY).entries) == {"1", "2", "3"}
    with pytest.raises(Damaged, match=r"both a sdn file"):
        read({"sdn_a.csv": THREE, "sdn_b.csv": THREE}, DAY)


# ---------------------------------------------------------------- what is read all the same, and said


@pytest.mark.parametrize(("data", "note"), [
    (THREE, "a final 0x1A"),
    (THREE.removesuffix(b"\x1a"), "no final 0x1A"),
    (THREE.replace(b"\r\n", b"\n"), "LF line ends"),
    (THREE.replace(b"\r\n", b"\r"), "CR line ends"),
    (THREE.replace(b"\r\n", b"\n", 1), "mixed line ends"),
    (THREE.replace(b"\r\n", b"\r\r\n"), "blank lines"),
    (b"\xef\xbb\xbf" + THREE, "byte order mark"),
    (",".join(COLUMNS["main"]).encode() + b"\r\n" + THREE, "header row that matches"),
    (b'"Ent_num","Name","Type","Programs","Title","Call sign","Vessel type","Tonnage","GRT","Vessel flag","Vessel owner","Remarks"\n'
     + THREE, "header row that matches"),
    (THREE[:-3], "no final 0x1A"),
    (THREE[:-1] + b"\x1a,,,,,,,,,,,\r\n", "a final 0x1A"),
])
def test_what_can_be_read_safely_is_read_and_said(data: bytes, note: str) -> None:
    assert note in notes(data)
    assert list(rows(data)) == ["1", "2", "3"]


@pytest.mark.parametrize(("name", "delimiter", "note"), [("sdn.pip", "|", "pipe-delimited"), ("sdn.del", "@", "@-delimited"),
                                                         ("sdn.csv", "|", "pipe-delimited")])
def test_other_delimiters_are_read_and_said(name: str, delimiter: str, note: str) -> None:
    data = publish(f'1{delimiter}"A{delimiter}B"{delimiter}' + delimiter.join([NULL, '"IRAN"', *[NULL] * 7, '"Email Address x@y.ir."']))
    assert note in notes(data, name)
    found = read({name: data}, DAY).entries["1"]
    assert (found.name, found.remarks) == (f"A{delimiter}B", "Email Address x@y.ir.")


def test_nulls_may_be_trimmed_or_saved_as_nothing() -> None:
    as_published = read({"sdn.csv": THREE}, DAY).entries
    assert read({"sdn.csv": THREE.replace(b"-0- ", b"-0-")}, DAY).entries == as_published
    assert read({"sdn.csv": THREE.replace(b"-0- ", b"")}, DAY).entries == as_published


def test_letters_beyond_ascii_are_utf_8_and_else_windows_1252() -> None:
    peña = row(1, "PEÑA – ‘El Niño’")
    assert "1252" not in notes(publish(peña))
    data = peña.encode("cp1252") + b"\r\n"
    assert "read as Windows-1252" in notes(data)
    assert read({"sdn.csv": data}, DAY).entries["1"].name == "PEÑA – ‘El Niño’"


def test_a_null_that_is_cut_at_the_end_of_addresses_is_read_and_said() -> None:
    found = snapshot(ALPHA, add=line("1", "2", NULL, "Tehran", "Iran", NULL)[:-2].encode())
    assert found.entries["1"].addresses == ("Tehran, Iran",)
    assert "add.csv: the null at its very end is cut" in found.notes


def test_addresses_of_an_entry_that_is_not_there_are_said() -> None:
    assert any("1 entries are not in the main file" in n for n in snapshot(ALPHA, add=publish(line("9", "2", NULL, "X", "Iran", NULL))).notes)


# ---------------------------------------------------------------- damage

WITHOUT_QUOTES = ALPHA.replace('"', "")
CLIPPED = ",".join(WITHOUT_QUOTES.split(",")[:12])  # what a tool with twelve columns leaves of it
HEADER = list(COLUMNS["main"])


def moved(of: str, first: int, second: int) -> str:
    values = next(csv.reader([of]))
    values[first], values[second] = values[second], values[first]
    return line(*values)


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "is empty"),
    (b" \r\n\x1a", "is empty"),
    (b"\x1a", "is empty"),
    ((",".join(HEADER) + "\r\n").encode(), "no entries"),
    (publish(ALPHA, BETA[:30]), "line 2 of 2, has .*the file is cut"),
    (publish(ALPHA)[:-1] + BETA[:12].encode(), "quotes that do not match.*the file is cut"),
    (publish(ALPHA)[:-1] + BETA[:14].encode(), "3 columns, not 12: the file is cut"),
    (publish(ALPHA)[:-1] + BETA[:-2].encode(), "ends within a field"),
    (publish(ALPHA)[:-1] + BETA[:-4].encode(), "ends within a field"),
    (publish(ALPHA, WITHOUT_QUOTES), "13 columns, not 12"),
    (publish(BETA, CLIPPED), "' S.A.' as its type: fields have moved"),
    (publish(ALPHA, ALPHA.replace('"ALPHA', "ALPHA").replace('1,', '2,')), "13 columns"),
    (publish(ALPHA, BETA.replace('Ali"', "Ali")), "quotes that do not match"),
    (publish(ALPHA, GAMMA.replace('"GAMMA', "GAMMA")), "a quote without its other half"),
    (publish(ALPHA, BETA.replace(',"IRAN', ",IRAN").replace("SDGT] [IRAN", "SDGT, Tehran] [IRAN")), "as its program|columns"),
    (publish(ALPHA, BETA.replace("individual", "person")), "'person' as its type"),
    (publish(ALPHA, row(2, "B", NULL, "Brigadier General")), "'Brigadier General' as its program"),
    (publish(ALPHA, line("2", "B", NULL, "IRAN", NULL, NULL)), "6 columns, not 12"),
    (publish(ALPHA, BETA, row(1, "OTHER")), "entry 1 twice"),
    (publish(ALPHA, BETA, ALPHA), "entry 1 twice"),
    (publish(ALPHA, BETA.replace("2,", "B2,", 1)), "entry number"),
    (publish(ALPHA, BETA.replace("2,", "٢,", 1)), "entry number"),
    (publish("No. 1" + ALPHA[1:], BETA), "entry number"),
    (publish(",".join([HEADER[0], HEADER[2], HEADER[1], *HEADER[3:]]), ALPHA), "another order"),
    (publish(",".join([*HEADER[:11], "Comment"]), ALPHA), "header row that does not match"),
    (publish(ALPHA, ",".join(HEADER), BETA), "entry number"),
    (publish(moved(ALPHA, 1, 2), moved(BETA, 1, 2)), "as its type"),
    (publish(moved(ALPHA, 2, 3), moved(BETA, 2, 3)), "as its type"),
    (publish(*(moved(row(n, "A", "individual", "IRAN", "Colonel"), 4, 5) for n in (1, 2))), "should be Call_Sign.*columns have moved"),
    (publish(*(moved(row(n, remarks="x."), 10, 11) for n in (1, 2))), "should be Vess_owner.*columns have moved"),
    (publish(*(moved(row(n), 1, 4) for n in (1, 2))), "as its name: fields have moved"),
    (THREE.decode().encode("utf-16"), "UTF-16"),
    (THREE.decode().encode("utf-16-le"), "UTF-16"),
    (THREE[:40] + b"\0" * 20 + THREE[40:], "NUL"),
    (THREE.replace(b"Ali", b"\x81\x8d"), "neither UTF-8 nor Windows-1252"),
    (THREE.decode().encode("cp500"), "entry number|neither"),
    (b"<!DOCTYPE html><html>Not found</html>", "is a page or XML"),
    (b"  <?xml version='1.0'?><sdnList/>", "is a page or XML"),
    (b'{"error": "not found"}', "does not begin with an entry number"),
    (THREE + THREE, "twice"),
])
def test_a_damaged_file_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Damaged, match=reason):
        read({"sdn.csv": data}, DAY)


@pytest.mark.parametrize(("name", "data", "reason"), [
    ("add", b"", "add.csv is empty"),
    ("add", publish('1,2,Azadi St, 4,"Tehran","Iran",-0- '), "7 columns, not 6"),
    ("alt", publish('1,2,"ALPHA TRADING","aka",-0- '), "'ALPHA TRADING' as its type"),
    ("alt", publish('1,2,"aka","ALPHA"'), "4 columns, not 5"),
    ("sdn_comments", b'1,a, b\r\n', "3 columns, not 2"),
])
def test_a_set_is_refused_if_one_of_its_files_is_damaged(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(Damaged, match=reason):
        snapshot(ALPHA, **{name: data})


@pytest.mark.parametrize("cut", range(1, len(publish(ALPHA, BETA)) - 1))
def test_a_file_that_is_cut_anywhere_is_refused_or_whole_up_to_there(cut: int) -> None:
    try:
        found = rows(publish(ALPHA, BETA)[:cut])
    except Damaged:
        return
    assert cut >= len(ALPHA) - 1
    whole = {number: tuple(v.strip() for v in row) for number, row in rows(publish(ALPHA, BETA)).items()}
    assert all(tuple(v.strip() for v in row) == whole[number] for number, row in found.items())


# ---------------------------------------------------------------- one snapshot after another


def test_lines_that_the_snapshot_before_had_are_not_parsed_again() -> None:
    before = read({"sdn.csv": THREE}, "2021-07-06")
    after = read({"sdn.csv": publish(ALPHA, BETA, row(4, "DELTA"))}, DAY, before)
    assert isinstance(before.entries, Entries)
    assert isinstance(after.entries, Entries)
    assert after.entries.raw("1") is before.entries.raw("1")
    assert after.entries.differing(before.entries) == {"3", "4"}
    assert after.entries == read({"sdn.csv": publish(ALPHA, BETA, row(4, "DELTA"))}, DAY).entries


def test_a_line_that_is_known_does_not_hide_damage_beside_it() -> None:
    before = read({"sdn.csv": THREE}, "2021-07-06")
    for damaged in (publish(ALPHA, BETA, ALPHA), publish(ALPHA, row(1, "OTHER")), publish(ALPHA, CLIPPED.replace("1,", "4,", 1))):
        with pytest.raises(Damaged):
            read({"sdn.csv": damaged}, DAY, before)


def test_an_entry_differs_when_only_its_addresses_do() -> None:
    before = snapshot(ALPHA, BETA, add=publish(line("1", "2", NULL, "Tehran", "Iran", NULL)))
    after = snapshot(ALPHA, BETA, add=publish(line("1", "2", NULL, "Shiraz", "Iran", NULL)))
    assert isinstance(before.entries, Entries)
    assert isinstance(after.entries, Entries)
    assert after.entries.differing(before.entries) == {"1"}
    assert after.entries.raw("2") == before.entries.raw("2")


def test_keys_programs_and_raw_rows_need_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Entry:
        raise AssertionError

    entries = read({"sdn.csv": THREE}, DAY).entries
    monkeypatch.setattr(ofac_csv, "_entry", fail)
    assert isinstance(entries, Entries)
    assert (list(entries), len(entries), "2" in entries, "9" in entries) == (["1", "2", "3"], 3, True, False)
    assert entries.programs_of("2") == ("IRAN", "SDGT")
    assert entries.raw("2")[1] == "BETA, Ali"


# ---------------------------------------------------------------- the real lists


@pytest.mark.parametrize(("folder", "day", "count", "iran"), [
    ("20150117-seavoyage", "2015-01-17", 5_876, 785), ("20180126-archerimpact", "2018-01-26", 6_068, 419),
    ("20190104-moov", "2019-01-04", 7_379, 1_220), ("20210425-garybogle", "2021-04-25", 8_890, 1_778),
    ("20210707-moov-bench", "2021-07-07", 8_976, 1_774)])
def test_single_snapshots_have_the_rows_that_are_documented(folder: str, day: str, count: int, iran: int) -> None:
    (_, files, found), = snapshots(str(needs_shared(f"data/ofac/{folder}")), wanted=ofac_csv.is_file)
    assert found == day
    entries = read(files, found).entries
    assert len(entries) == count
    assert sum(concerns_iran(e.programs) for e in entries.values()) == iran
    assert all(e.name and e.programs for e in entries.values())


def test_daily_snapshots_have_the_rows_of_the_manifest() -> None:
    """Every fifth, in the long form all."""
    archive = needs_shared("data/ofac/daily-2021-08-18_2023-06-30.tar.xz")
    with needs_shared("data/ofac/daily_manifest.csv").open(newline="") as file:
        manifest = {one["file"]: one for one in csv.DictReader(file)}
    before, seen = None, 0
    with tarfile.open(archive) as tar:
        for member in list(tar)[:: 1 if LONG else 5]:
            stream = tar.extractfile(member)
            assert stream is not None
            before = read({member.name: stream.read()}, None, before)
            entries, said = before.entries, manifest[member.name]
            assert isinstance(entries, Entries)
            iran = sum(concerns_iran(entries.programs_of(number)) for number in entries)
            assert (len(entries), iran, max(map(int, entries))) == tuple(int(said[k]) for k in ("rows", "iran_programme_rows", "max_ent_num"))
            seen += 1
    assert len(manifest) == 199
    assert seen == (199 if LONG else 40)
