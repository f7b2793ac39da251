"""Reading XML safely: what is refused, and that memory stays bounded."""

from __future__ import annotations

import tracemalloc

import pytest

from adapters.lists.model import Damaged, Entry
from adapters.lists.xml import add, day_of, elements, every, line, root, text, texts
from domain.errors import Invalid

WANTED = {"item": "list"}
LAUGHS = b"".join([b'<?xml version="1.0"?>\n<!DOCTYPE list [\n<!ENTITY l0 "lol">\n',
                   *(b'<!ENTITY l%d "%s">\n' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10)), b"]>\n<list><item>&l9;</item></list>"])
QUADRATIC = b'<!DOCTYPE list [<!ENTITY a "' + b"a" * 50_000 + b'">]><list><item>' + b"&a;" * 50_000 + b"</item></list>"
BOMBS = {
    "billion laughs": LAUGHS,
    "quadratic blow-up": QUADRATIC,
    "external entity": b'<!DOCTYPE list [<!ENTITY x SYSTEM "file:///etc/passwd">]><list><item>&x;</item></list>',
    "external DTD": b'<!DOCTYPE list SYSTEM "http://127.0.0.1:9/list.dtd"><list><item/></list>',
    "parameter entity": b'<!DOCTYPE list [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><list><item/></list>',
    "internal subset without entities": b"<!DOCTYPE list [<!ELEMENT list ANY>]><list><item/></list>",
    "DTD in UTF-16": '<!DOCTYPE list [<!ENTITY a "a">]><list><item>&a;</item></list>'.encode("utf-16"),
    "DTD hidden in UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE list><list><item/></list>',
    "deep nesting": b"<list>" + b"<item>" * 10_000 + b"</item>" * 10_000 + b"</list>",
    "a text of more than 10 MB": b"<list><item>" + b"a" * 10_500_000 + b"</item></list>",
    "an attribute of more than 10 MB": b'<list><item a="' + b"a" * 10_500_000 + b'"/></list>',
}
BROKEN = {
    "empty": (b"", "empty"),
    "blank": (b" \r\n", "empty"),
    "cut within an element": (b"<list>\n<item>1</item>\n<item>2", "line 3"),
    "cut between elements": (b"<list>\n<item>1</item>\n", "line 3"),
    "cut within a tag": (b"<list>\n<item>1</item>\n<it", "line 3"),
    "ill-formed": (b"<list>\n<item>1</list>", "line 2"),
    "a bare ampersand": (b"<list>\n<item>A & B</item></list>", "line 2"),
    "an entity that is not declared": (b"<list>\n<item>&eacute;</item></list>", "line 2"),
    "something after the root": (b"<list>\n<item/></list>\n<list/>", "line 3"),
    "not XML": (b'36,"AEROCARIBBEAN AIRLINES",-0- ,"CUBA"\r\n', "line 1"),
    "Latin-1 bytes": ("<list>\n<item>é</item></list>".encode("latin-1"), "line 2"),
    "another encoding, declared": ('<?xml version="1.0" encoding="windows-1251"?><list/>'.encode("cp1251"), "windows-1251"),
    "UTF-16": ("<list/>".encode("utf-16"), "UTF-8"),
    "NUL bytes": (b"<list>\0</list>", "UTF-8"),
}


def all_of(data: bytes) -> list[str]:
    return [text(element) for _, element in elements(data, WANTED)]


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_an_xml_bomb_is_refused_before_it_grows(bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(Damaged):
        all_of(bomb)
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("bomb", [LAUGHS, QUADRATIC], ids=["billion laughs", "quadratic"])
def test_an_xml_bomb_is_refused_by_its_root_too(bomb: bytes) -> None:
    with pytest.raises(Damaged, match="DTD"):
        root(bomb)


@pytest.mark.parametrize(("data", "why"), BROKEN.values(), ids=BROKEN)
def test_what_is_cut_or_ill_formed_is_refused_with_its_line(data: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        all_of(data)


def test_a_namespace_and_a_byte_order_mark_do_not_matter() -> None:
    for start in (b"<list>", b'<list xmlns="urn:a">', b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<list xmlns="urn:b">'):
        assert root(start + b"</list>") == "list"
        assert all_of(start + b"<item> a \n b </item><!-- c --><item/></list>") == ["a b", ""]


def test_a_comment_does_not_cut_a_text() -> None:
    assert all_of(b"<list><item>a<!-- b -->c<?p?></item></list>") == ["ac"]


def test_only_elements_under_their_own_parent_are_given() -> None:
    assert all_of(b"<list><item>1</item><other><item>2</item></other></list>") == ["1"]


def test_paths_find_texts_in_any_namespace() -> None:
    for _, element in elements(b'<list xmlns:x="urn:x">\n<item><x:a><b> 1 </b><b/><b>2</b></x:a></item></list>', WANTED):
        assert (text(element, "a/b"), texts(element, "a/b"), text(element, "c"), len(every(element, "a/b"))) == ("1", ["1", "2"], "", 3)
        assert line(element) == 2


def test_only_the_elements_of_one_block_of_the_file_are_in_memory() -> None:
    data = b"<list>" + b"<item><a>some text that takes memory</a></item>" * 50_000 + b"</list>"
    left = {len(element.getroottree().getroot()) for _, element in elements(data, WANTED)}
    assert max(left) < 1000


def test_the_day_is_the_files_own_unless_it_was_published_later() -> None:
    assert day_of("2020-01-02", None, "it") == ("2020-01-02", ())
    assert day_of("2020-01-02", "2020-01-02", "it") == ("2020-01-02", ())
    assert day_of("", "2020-01-03", "it") == ("2020-01-03", ())
    day, notes = day_of("2020-01-02", "2020-01-03", "it")
    assert day == "2020-01-03"
    assert "2020-01-02" in notes[0]


@pytest.mark.parametrize(("own", "published"), [("2020-01-02", "2020-01-01"), ("2020-01-02", "yesterday"), ("", None), ("", "2020-1-1")])
def test_a_publication_that_cannot_be_is_invalid(own: str, published: str | None) -> None:
    with pytest.raises(Invalid):
        day_of(own, published, "it")


def test_a_file_whose_own_day_is_none_is_damaged() -> None:
    with pytest.raises(Damaged):
        day_of("2020-02-30", "2020-03-01", "it")


def test_an_entry_is_there_once_and_has_a_number_and_a_name() -> None:
    entries: dict[str, Entry] = {}
    add(entries, Entry("1", "A", "entity", ()), 5)
    for bad, why in ((Entry("1", "B", "entity", ()), "twice"), (Entry("2", "", "entity", ()), "a name"), (Entry("", "C", "entity", ()), "a number")):
        with pytest.raises(Damaged, match=f"line 7.*{why}"):
            add(entries, bad, 7)
    assert list(entries) == ["1"]
