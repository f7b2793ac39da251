"""What the fuzzer begins with: the small fixtures that the tests of each reader are written with."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import re
from collections.abc import Mapping

from adapters import chronology
from adapters.lists import uk
from projections.answers import encode_cursor
from projections.basis import Basis
from tests.adapters import test_orders
from tests.adapters.lists import test_containers, test_eu, test_ofac_csv, test_ofac_xml, test_uk, test_un
from tests.api.ask import HERE, concluded, withdrew
from tests.golden_files import FOLDER

Seeds = list[bytes]
FRESH = b"n-n"
_FILE = re.compile(rb"== ([^\n=]{0,100}) ==\n")


def bundle(files: Mapping[str, bytes]) -> bytes:
    """Files by name as one text: what `unbundle` takes apart."""
    return b"".join(b"== %s ==\n%s" % (name.encode(), data) for name, data in files.items())


def unbundle(data: bytes) -> dict[str, bytes]:
    """Files by lower-case name."""
    parts = _FILE.split(data)
    return {parts[i].decode("utf-8", "replace").lower(): parts[i + 1] for i in range(1, len(parts), 2)}


def _ofac_csv() -> list[dict[str, bytes]]:
    row, line, publish = test_ofac_csv.row, test_ofac_csv.line, test_ofac_csv.publish
    texts = {"sdn.csv": test_ofac_xml.SDN_CSV, "alt.csv": test_ofac_xml.ALT_CSV, "add.csv": test_ofac_xml.ADD_CSV}
    long = "; ".join(f"Passport {n:05d} (Iran)" for n in range(60)) + "."
    return [
        {name: text.replace("\n", "\r\n").encode() + b"\x1a" for name, text in texts.items()},
        {"sdn.csv": test_ofac_csv.THREE},
        {"sdn.csv": publish(row(remarks=long[:1000])), "sdn_comments.csv": line("1", long[1000:]).encode() + b"\r\n"},
        {"sdn.pip": test_ofac_csv.THREE.replace(b",", b"|")},
        {"sdn.csv": publish(test_ofac_csv.BETA), "cons_prim.csv": publish(row(9, program="NS-PLC")), "cons_alt.csv": b'9,1,"aka","B",-0- \r\n\x1a'},
    ]


LISTS: dict[str, list[dict[str, bytes]]] = {
    "ofac-sdn csv": _ofac_csv(),
    "ofac-sdn legacy xml": [{"sdn.xml": test_ofac_xml.legacy()}],
    "ofac-sdn enhanced xml": [{"sdn_enhanced.xml": test_ofac_xml.enhanced(test_ofac_xml.entities(lists))}
                              for lists in (test_ofac_xml.ON_SDN, test_ofac_xml.ON_SDN + test_ofac_xml.ON_CONS)],
    "ofac-sdn advanced xml": [{"sdn_advanced.xml": test_ofac_xml.advanced()}],
    "un xml": [{"un.xml": test_un.un(test_un.INDIVIDUAL, test_un.ENTITY)}, {"un.xml": test_un.un(test_un.ENTITY)}],
    "eu csv": [{"a.csv": test_eu.table(test_eu.WORKSHOP), "b.csv": test_eu.table(test_eu.CHIEF)}],
    "uk csv": [{"conlist.csv": test_uk.table(test_uk.CHIEF, test_uk.ALIAS, test_uk.SHIP)},
               {"conlist.csv": test_uk.table(test_uk.OLD_CHIEF, header=uk.OLD, top="Last Updated,13/04/2018,,,")}],
}


def files_of(name: str) -> Seeds:
    return [bundle(files) for files in LISTS[name]]


def archives() -> Seeds:
    """`<compression> <file name>` on the first line, then what is to be compressed."""
    tar, zipped, flat = test_containers.tar, test_containers.zipped, test_containers.THREE
    nested = {"2021-08-20/sdn.csv": b"c", "2021-08-18/sdn.csv": b"a", "2021-08-18/alt.csv": b"x"}
    return [b"- all.tar\n" + tar(flat), b"xz all.tar.xz\n" + tar(nested), b"gz all.tgz\n" + tar(flat), b"bz2 all.tar.bz2\n" + tar(nested),
            b"- 2021-08-18-all.zip\n" + zipped(nested), b"- all.zip\n" + zipped(flat), b"gz sdn_20210818.csv.gz\na",
            *(b"- all\n" + packed(tar(flat)) for packed in (lzma.compress, gzip.compress, bz2.compress))]


def executive_orders() -> Seeds:
    return [test_orders.new().encode(), test_orders.OLD.format(filed=test_orders.FILED).encode(),
            test_orders.new(1, "Blocking Property", ", in view of the actions of Iran").encode()]


def series() -> Seeds:
    """Headings of the columns on the first line, then the file."""
    return [b"date value\ndate,value\n2020/05/13,170000\n2020-05-12,165000.5\n", b"Period Close Out\nPeriod,Low,Close,Out\n2019,1,2,2020-03-04\n",
            b"date value\n\xef\xbb\xbfdate,value\r\n2019,-1e3\r\n2020-01,3\r\n2.5.2021,\"4\"\r\n"]


def record_files() -> Seeds:
    return [(chronology.FOLDER / "relations.toml").read_bytes()[:5000].rpartition(b"\n\n")[0] + b"\n"]


def events() -> Seeds:
    """A batch or two, and an event of every type with every field filled."""
    stored = [{**json.loads(path.read_bytes()), "type": path.stem} for path in sorted(FOLDER.glob("*.json"))]
    batch = {"events": [concluded("b"), withdrew("b")], "expected_version": {"agreement:b": 0}}
    return [json.dumps(body).encode() for body in (concluded(), [concluded(), withdrew()], batch, *stored)]


def posts() -> Seeds:
    """Headers in JSON on the first line, then the body; `FRESH` stands for a number that is given once."""
    bodies = [re.sub(rb"sample\.slug_1-a|accord", FRESH, body) for body in events()]
    headers = [b'{"idempotency-key": "%s", "if-match": "\\"0\\""}' % FRESH, b'{"content-type": "text/plain"}', b'{"idempotency-key": "a"}']
    return [b"{}\n" + body for body in bodies] + [head + b"\n" + bodies[0] for head in headers]


def days() -> Seeds:
    return [b"2018-05-08", b"2018-05", b"2018", b"[2018-05-01..2018-05-04]", b"201X", b"2018-XX", b"[2018,2019]", b"2018~", b"2018-21",
            b"[2018-05..2019]", b"[..2018]", b"2018-02-30"]


def cursors() -> Seeds:
    """Cursors, and instants after an @."""
    mine = encode_cursor(Basis(737000, 737001, 12, 1_600_000_000_000_000), 200).encode()
    return [mine, base64.urlsafe_b64encode(b'["2021-01-12","2021-01-12","2026-01-31",5]').rstrip(b"="), b"@2026-01-31T12:00:00.123456Z",
            b"@2026-01-31", b"@2026-01-31t12:00:00+03:30"]


def questions() -> Seeds:
    """Targets of GET."""
    cursor = cursors()[0].decode()
    asked = [HERE, f"{HERE}/agreements?party=USA&limit=1", f"{HERE}/diff?from=2018-05-07&to=2018-05-08&to_known_at=2018-05-08",
             f"{HERE}/timeline?from=2018-05-01&family=agreements&limit=2", "/v1/subjects?q=jcpoa&family=agreement", "/v1/subjects/agreement:jcpoa",
             "/v1/subjects/agreement%3Ajcpoa/history", "/v1/series", "/v1/series/programs_in_force?from=2018-01-01&to=2018-12-31&step=month",
             "/v1/series/indicator:iran-gdp-growth?from=2018-01-01&to=2018-12-31&point_in_time=true", "/v1/lists", "/v1/lists/OFAC-SDN/9649",
             "/v1/events?after=3&limit=2&type=agreement.concluded", "/v1/events/agreement:jcpoa@1", "/v1/catalogue", "/v1/checkpoint?position=3",
             f"{HERE}/agreements?from=2015-01-01&to=2018-12-31&q=nuclear%20deal&cursor={cursor}"]
    basis = "as_of=2018-05-08&known_at=2018-05-08&recorded_at=2099-12-31T12:00:00Z"
    return [target.encode() for path in asked for target in (path, f"{path}{'&' if '?' in path else '?'}{basis}")]


def imports() -> Seeds:
    """`<list> <day> <whether to force it>` on the first line, then the files of one snapshot."""
    return [f"{name.partition(' ')[0]} 2026-07-01{force}\n".encode() + bundle(files)
            for name, found in LISTS.items() for files in found for force in ("", " force")]
