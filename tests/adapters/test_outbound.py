"""Nothing is sent to an address that is not public, whatever the name leads to and however the address is written."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from adapters.outbound import Sender, check_url, is_public
from domain.errors import BadQuestion

CLOSED = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3", "192.0.0.8",
          "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "233.252.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
          "192.88.99.1", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::8.8.8.8", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
          "64:ff9b:1::808:808", "2002:7f00:1::1", "2002:a9fe:a9fe::", "2001:0:7f00:1::1", "2001:db8::1", "fc00::1", "fd12:3456::1", "fe80::1",
          "fe80::1%eth0", "fec0::1", "ff02::1", "100::1", "3fff::1", "5f00::1"]
OPEN = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_public_is_closed(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_open(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", [
    "", "example.org", "ftp://example.org", "file:///etc/passwd", "https://", "https://user:secret@example.org/", "https://127.0.0.1/", "https://[::1]/",
    "https://[::ffff:10.0.0.1]:8443/x", "http://example.org/", "https://exa mple.org/", "https://example.org:99999/", "https://example.org/\n",
    "https://" + "x" * 2000])
def test_an_address_that_could_never_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(BadQuestion, match="url"):
        check_url(url, private=False)


@pytest.mark.parametrize("url", ["https://example.org/hook", "https://8.8.8.8/", "https://example.org:8443/a?b=c"])
def test_a_public_https_address_is_taken(url: str) -> None:
    check_url(url, private=False)


class Local:
    """A server on loopback that counts what it gets, and answers with one status."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        seen = self.seen = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                seen.append(self.rfile.read(int(self.headers["content-length"])).decode())
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.thread = Thread(target=self.server.serve_forever)

    def __enter__(self) -> Local:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]"])
def test_no_spelling_of_loopback_gets_a_request(host: str) -> None:
    with Local() as local:
        sender = Sender(private=False, seconds=2)
        reply = sender.post(f"http://{host}:{local.port}/", b"{}", {"content-length": "2"})
        sender.close()
    assert reply.status == 0
    assert local.seen == []


def test_where_a_setting_allows_it_a_private_address_gets_the_request() -> None:
    with Local() as local:
        sender = Sender(private=True)
        reply = sender.post(f"http://localhost:{local.port}/", b"{}", {"content-length": "2"})
        sender.close()
    assert reply.status == 200
    assert local.seen == ["{}"]


def test_a_redirect_is_not_followed() -> None:
    with Local() as secret, Local(302, Location=f"http://127.0.0.1:{secret.port}/", Retry_After="7") as local:
        sender = Sender(private=True)
        reply = sender.post(f"http://127.0.0.1:{local.port}/", b"{}", {"content-length": "2"})
        sender.close()
    assert (reply.status, reply.retry_after) == (302, 7)
    assert secret.seen == []


def test_a_server_that_is_not_there_is_told_in_the_reply() -> None:
    with Local() as local:
        port = local.port
    sender = Sender(private=True, seconds=1)
    for url in (f"http://127.0.0.1:{port}/", "http://no-such-host.invalid/"):
        reply = sender.post(url, b"{}", {"content-length": "2"})
        assert reply.status == 0
        assert reply.said
    sender.close()
