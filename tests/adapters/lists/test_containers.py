"""Snapshots out of folders, files, archives and addresses."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapters.lists import containers
from adapters.lists.containers import Unreachable, day_in, snapshots
from adapters.lists.model import Damaged, Files
from tests.conftest import needs_shared

Days = list[tuple[str | None, Files]]
THREE = {"sdn_20210820T1850Z_35ab.csv": b"c", "sdn_20210818T0939Z_f2da.csv": b"a", "sdn_20210819.csv": b"b"}
IN_ORDER: Days = [("2021-08-18", {"sdn_20210818t0939z_f2da.csv": b"a"}), ("2021-08-19", {"sdn_20210819.csv": b"b"}),
                  ("2021-08-20", {"sdn_20210820t1850z_35ab.csv": b"c"})]


def days(path: Path | str, published: str | None = None, **options: Any) -> Days:
    return [(day, files) for _, files, day in snapshots(str(path), published, **options)]


def folder(place: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


PACKED: Mapping[str, Callable[[Mapping[str, bytes]], bytes]] = {
    "all.tar": tar, "all.tar.gz": lambda f: gzip.compress(tar(f)), "all.tar.xz": lambda f: lzma.compress(tar(f)),
    "all.tar.bz2": lambda f: bz2.compress(tar(f)), "all.zip": zipped}


# ---------------------------------------------------------------- days


@pytest.mark.parametrize(("name", "day"), [
    ("sdn_20210818T0939Z_f2dad11314.csv", "2021-08-18"), ("sdn-2021-08-18.csv", "2021-08-18"), ("20190104-moov/sdn.csv", "2019-01-04"),
    ("2019/2021-08-18/sdn.csv", "2021-08-18"), ("20190104/sdn_20210818.csv", "2021-08-18"), ("sdn_20210818093912.csv", "2021-08-18"),
    ("sdn.csv", None), ("sdn_20211399.csv", None), ("sdn_20210231.csv", None), ("sdn_1202108181.csv", None),
    ("2021-08-18_2023-06-30/sdn.csv", None), ("", None)])
def test_a_day_is_read_from_the_name_and_else_from_the_nearest_folder(name: str, day: str | None) -> None:
    assert day_in(name) == day


def test_published_wins_over_the_name_and_the_name_over_the_contents(tmp_path: Path) -> None:
    stated: dict[str, Any] = {"stated": lambda files: "2000-01-01"}
    named, bare = folder(tmp_path, {"sdn_20210818.csv": b"a", "sdn.csv": b"b"}) / "sdn_20210818.csv", tmp_path / "sdn.csv"
    assert days(named, "2021-09-01", **stated)[0][0] == "2021-09-01"
    assert days(named, **stated)[0][0] == "2021-08-18"
    assert days(bare, **stated)[0][0] == "2000-01-01"


def test_a_day_that_nothing_states_is_asked_for(tmp_path: Path) -> None:
    folder(tmp_path / "x", {"sdn.csv": b"a"})
    with pytest.raises(Damaged, match="--published"):
        days(tmp_path / "x", stated=lambda files: None)
    assert days(tmp_path / "x") == [(None, {"sdn.csv": b"a"})]  # its parser may know


def test_one_published_day_does_not_fit_several_snapshots(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="holds 3 snapshots"):
        days(folder(tmp_path, THREE), "2021-08-20")


# ---------------------------------------------------------------- folders and files


def test_a_folder_of_files_without_days_is_one_snapshot_of_the_day_in_its_name(tmp_path: Path) -> None:
    place = folder(tmp_path / "20190104-moov", {"SDN.CSV": b"a", "add.csv": b"b", ".hidden": b"x"})
    assert days(place) == [("2019-01-04", {"sdn.csv": b"a", "add.csv": b"b"})]


def test_a_single_file_has_the_day_of_its_name_or_of_its_folder(tmp_path: Path) -> None:
    place = folder(tmp_path / "20190104-moov", {"sdn.csv": b"a", "add.csv": b"b"})
    assert days(place / "sdn.csv") == [("2019-01-04", {"sdn.csv": b"a"})]


def test_a_folder_of_stamped_files_is_a_snapshot_a_day_in_order(tmp_path: Path) -> None:
    assert days(folder(tmp_path, THREE)) == IN_ORDER


def test_a_folder_of_folders_is_a_snapshot_each(tmp_path: Path) -> None:
    place = folder(tmp_path, {"2021-08-20/sdn.csv": b"c", "2021-08-18/sdn.csv": b"a", "2021-08-18/alt.csv": b"x", "notes/readme.txt": b"-"})
    assert days(place, wanted=lambda name: name.endswith(".csv")) == [
        ("2021-08-18", {"sdn.csv": b"a", "alt.csv": b"x"}), ("2021-08-20", {"sdn.csv": b"c"})]


def test_of_several_snapshots_of_one_day_the_last_stands_and_the_others_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    place = folder(tmp_path, {"sdn_20210820T0138Z_be39.csv": b"early", "sdn_20210820T1850Z_35ab.csv": b"late", "add_20210820T0138Z.csv": b"add"})
    assert days(place, say=said.append)[0] == ("2021-08-20", {"sdn_20210820t1850z_35ab.csv": b"late", "add_20210820t0138z.csv": b"add"})
    folder(tmp_path / "y", {"2021-12-02a/sdn.csv": b"early", "2021-12-02b/sdn.csv": b"late"})
    assert days(tmp_path / "y", say=said.append) == [("2021-12-02", {"sdn.csv": b"late"})]
    assert [text.partition(" is left out")[0] for text in said] == ["sdn_20210820T0138Z_be39.csv", "2021-12-02a/sdn.csv"]


def test_a_folder_without_files_of_the_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="no file of this list"):
        days(folder(tmp_path, THREE), wanted=lambda name: name.endswith(".xml"))
    with pytest.raises(Unreachable, match="no file or folder"):
        days(tmp_path / "absent")


# ---------------------------------------------------------------- archives


@pytest.mark.parametrize("name", PACKED)
def test_the_members_of_an_archive_come_in_order_of_their_days(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name](THREE))
    assert days(tmp_path / name) == IN_ORDER


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_of_one_set_has_the_day_of_its_own_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"2021-08-18-{name}"
    path.write_bytes(PACKED[name]({"list/sdn.csv": b"a", "list/add.csv": b"b"}))
    assert days(path) == [("2021-08-18", {"sdn.csv": b"a", "add.csv": b"b"})]


def test_a_compressed_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "sdn_20210818.csv.gz").write_bytes(gzip.compress(b"a"))
    assert days(tmp_path / "sdn_20210818.csv.gz") == [("2021-08-18", {"sdn_20210818.csv": b"a"})]


def test_a_file_that_is_named_by_its_compression_alone_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / ".gz").write_bytes(gzip.compress(b"a"))
    assert [(label, files) for label, files, _ in snapshots(str(tmp_path / ".gz"))] == [(".gz", {".gz": b"a"})]


def test_a_member_without_a_name_is_no_file_of_a_list(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("", "sdn_20210818.csv"):
            archive.writestr(zipfile.ZipInfo(name), b"a")
    assert days(tmp_path / "all.zip") == [("2021-08-18", {"sdn_20210818.csv": b"a"})]


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("path", ["../../etc/sdn_20210818.csv", "/etc/sdn_20210818.csv", "a/../../sdn_20210818.csv"])
def test_a_member_outside_the_archive_is_refused(tmp_path: Path, name: str, path: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name]({path: b"a"}))
    with pytest.raises(Damaged, match="outside itself"):
        days(tmp_path / name)


def test_links_and_devices_in_an_archive_are_no_files_of_a_list(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("sdn_20210818.csv")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    with pytest.raises(Damaged, match="no file of this list"):
        days(tmp_path / "all.tar")


@pytest.mark.parametrize("name", ["all.tar.gz", "all.tar.xz", "all.tar.bz2", "all.zip", "all.tar"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_archive_is_refused_before_anything_of_it_is_read(tmp_path: Path, name: str, share: float) -> None:
    noise = {f"sdn_202108{n}.csv": bytes((n * i * i) % 251 for i in range(20_000)) for n in (18, 19)}
    whole = PACKED[name](noise) if name != "all.tar" else tar(noise)[:40_500]
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(Damaged):
        next(snapshots(str(tmp_path / name)))


@pytest.mark.parametrize("what", ["CRC", "file_size"])
def test_a_zip_that_lies_about_a_member_is_refused_with_memory_for_what_it_states(tmp_path: Path, what: str) -> None:
    data = zipped({"sdn_20210818.csv": bytes(50_000_000)})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        true: int = getattr(archive.getinfo("sdn_20210818.csv"), what)
    (tmp_path / "all.zip").write_bytes(data.replace(true.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        with pytest.raises(Damaged, match="cannot be read"):
            days(tmp_path / "all.zip")
        assert what == "CRC" or tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_that_unpacks_to_more_than_the_limits_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name]({"sdn_20210818.csv": bytes(200_000), "sdn_20210819.csv": bytes(200_000)}))
    for limit, value in (("MEMBER", 100_000), ("TOTAL", 300_000), ("COUNT", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(containers, limit, value)
            with pytest.raises(Damaged, match="more than"):
                days(path)


def test_a_file_of_more_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MEMBER", 10)
    for path in (folder(tmp_path, {"sdn_20210818.csv": bytes(11)}), tmp_path / "sdn_20210818.csv"):
        with pytest.raises(Damaged, match="11 bytes; more than 10 are not read"):
            days(path)


def test_memory_is_that_of_one_snapshot(tmp_path: Path) -> None:
    (tmp_path / "all.tar.xz").write_bytes(lzma.compress(tar({f"sdn_202108{n}.csv": bytes(2**21) for n in range(10, 31)}), preset=0))
    tracemalloc.start()
    try:
        assert sum(1 for _ in snapshots(str(tmp_path / "all.tar.xz"))) == 21
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**21
    finally:
        tracemalloc.stop()


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "all.tar.xz").write_bytes(PACKED["all.tar.xz"](THREE))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    stream = snapshots(str(tmp_path / "all.tar.xz"))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not list((tmp_path / "temporary").iterdir())


# ---------------------------------------------------------------- addresses


class Served:
    """A server on loopback: what it answers, and what it was asked."""

    def __init__(self) -> None:
        self.body, self.headers, self.status = b"a", dict[str, str](), 200
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Answers any GET with what the test sets; 304 where the validators match, as RFC 9110 has it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append((self.path, asked))
            same = "if-none-match" in asked and asked["if-none-match"] == state.headers.get("ETag")
            same = same or ("if-none-match" not in asked and asked.get("if-modified-since") == state.headers.get("Last-Modified") is not None)
            target = state.headers.get("Location") if self.path == "/moved" else None
            self.send_response(304 if same else 302 if target else state.status)
            for name, value in {"Content-Length": str(len(state.body)), **state.headers}.items():
                if name != "Location" or target:
                    self.send_header(name, "0" if name == "Content-Length" and (same or target) else value)
            self.end_headers()
            if not same and not target:
                self.wfile.write(state.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state
        server.shutdown()
        thread.join()


def test_a_file_and_an_archive_are_read_from_an_address(served: Served) -> None:
    assert days(f"{served.url}/lists/SDN_20210818.CSV?x=1") == [("2021-08-18", {"sdn_20210818.csv": b"a"})]
    served.body = lzma.compress(tar(THREE))
    assert days(f"{served.url}/all.tar.xz") == IN_ORDER


def test_the_server_may_name_the_file_but_not_a_folder(served: Served) -> None:
    served.headers = {"Content-Disposition": 'attachment; filename="../../sdn_20210818.csv"'}
    assert days(f"{served.url}/export") == [("2021-08-18", {"sdn_20210818.csv": b"a"})]


def test_a_redirect_is_followed_within_the_web_alone(served: Served, tmp_path: Path) -> None:
    served.headers = {"Location": f"{served.url}/sdn_20210818.csv"}
    assert days(f"{served.url}/moved")[0][0] == "2021-08-18"
    for target in (folder(tmp_path, {"sdn.csv": b"x"}).joinpath("sdn.csv").as_uri(), "ftp://127.0.0.1/sdn.csv"):
        served.headers = {"Location": target}
        with pytest.raises(Unreachable):
            days(f"{served.url}/moved")


@pytest.mark.parametrize(("header", "value", "asked"), [("ETag", '"v1"', "if-none-match"),
                                                         ("Last-Modified", "Wed, 18 Aug 2021 09:39:00 GMT", "if-modified-since")])
def test_what_has_not_changed_since_it_was_taken_is_not_fetched_again(served: Served, tmp_path: Path, header: str, value: str, asked: str) -> None:
    said: list[str] = []
    cache, url = tmp_path / "cache.json", f"{served.url}/sdn_20210818.csv"
    served.headers = {header: value}
    assert len(days(url, cache=cache)) == 1
    assert days(url, cache=cache, say=said.append) == []
    assert asked not in served.asked[0][1]
    assert served.asked[1][1][asked] == value
    assert "is as it was" in said[0]
    served.headers = {header: value.replace("1", "2")}
    assert len(days(url, cache=cache)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cache.json"]


def test_what_was_not_taken_to_the_end_is_fetched_again(served: Served, tmp_path: Path) -> None:
    cache, url = tmp_path / "cache.json", f"{served.url}/sdn_20210818.csv"
    served.headers = {"ETag": '"v1"'}
    stream = snapshots(url, cache=cache)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not cache.exists()
    cache.write_text("not json")
    assert len(days(url, cache=cache)) == 1


def test_an_answer_that_breaks_off_is_refused(served: Served) -> None:
    served.headers = {"Content-Length": "100"}
    with pytest.raises(Damaged, match="broke off after 1 of 100 bytes"):
        days(f"{served.url}/sdn_20210818.csv")


def test_an_answer_without_an_end_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.body = bytes(1000)
    monkeypatch.setattr(containers, "MEMBER", 999)
    with pytest.raises(Damaged, match="more than 999 bytes"):
        days(f"{served.url}/sdn_20210818.csv")


def test_an_error_and_silence_are_told_apart_from_damage(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.status = 404
    with pytest.raises(Unreachable, match="answered 404"):
        days(f"{served.url}/sdn_20210818.csv")
    served.status, served.headers = 200, {"Content-Length": "100"}
    monkeypatch.setattr(containers, "DEADLINE", -1.0)
    with pytest.raises(Unreachable, match="took more than"):
        days(f"{served.url}/sdn_20210818.csv")
    with pytest.raises(Unreachable, match="did not answer"):
        days("http://127.0.0.1:1/sdn_20210818.csv")


def test_an_answer_that_is_compressed_unasked_is_refused(served: Served) -> None:
    served.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(Damaged, match="came as gzip"):
        days(f"{served.url}/sdn_20210818.csv")


# ---------------------------------------------------------------- the real lists


def test_the_daily_archive_has_a_snapshot_for_each_of_its_days() -> None:
    said: list[str] = []
    stream = snapshots(str(needs_shared("data/ofac/daily-2021-08-18_2023-06-30.tar.xz")), say=said.append)
    found = [(label, day) for label, _, day in stream]
    assert (len(found), len(said)) == (192, 7)
    assert found == sorted(found, key=lambda one: str(one[1]))
    assert ("sdn_20210820T1850Z_35ab429dd2.csv", "2021-08-20") in found
