"""Requests to addresses that other people named: only to public ones, to the address that was checked, and never along a redirect.

`ipaddress.is_global` alone lets IPv6 addresses through that lead to private IPv4 ones; so what is embedded is taken out and judged too.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic
from typing import Any, NamedTuple

import httpcore2
import httpx2

from domain.errors import BadQuestion

# not for servers of the public, whatever `is_global` of this Python says (IANA special-purpose registries, RFC 6890)
_DENIED = tuple(map(ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
    "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
    "fec0::/10", "ff00::/8")))
_NAT64 = ip_network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an IP address is one that anybody may be asked to send to."""
    ip = ip_address(text.partition("%")[0])
    if isinstance(ip, IPv6Address) and (embedded := list(_embedded(ip))):
        return all(is_public(str(inner)) for inner in embedded)
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _DENIED if network.version == ip.version)


def _embedded(ip: IPv6Address) -> Iterator[IPv4Address]:
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if ip in _NAT64:
        yield IPv4Address(int(ip) & 0xFFFFFFFF)


class NotPublic(Exception):
    """The name leads to an address that is not public."""


class _Pinned(httpcore2.NetworkBackend):
    """Resolves a name once, judges every address that it gives, and connects to one of just those."""

    def __init__(self, private: bool) -> None:
        self._private, self._inner = private, httpcore2.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            found = [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} has no address: {error}") from None
        if not self._private and (closed := [text for text in found if not is_public(text)]):
            raise NotPublic(f"{host} leads to {closed[0]}, which is not public")
        return self._inner.connect_tcp(found[0], port, timeout, local_address, socket_options)


class Reply(NamedTuple):
    """What became of a request: a status, or 0 and why there is none."""

    status: int
    said: str
    retry_after: int  # seconds that the other side asked for; 0 where it did not


class Sender:
    """Posts to other people's addresses."""

    def __init__(self, private: bool = False, seconds: float = 10) -> None:
        self.private, self.seconds = private, seconds
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(), network_backend=_Pinned(private), max_connections=64, keepalive_expiry=30)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """One attempt. Whatever goes wrong is told in the reply."""
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self.seconds)
        try:
            with self._pool.stream("POST", url, headers=list(headers.items()), content=body, extensions={"timeout": timeout}) as response:
                until = monotonic() + self.seconds
                for i, _ in enumerate(response.iter_stream()):  # read, so that the connection can be used again; but no long one
                    if i > 16 or monotonic() > until:
                        break
                after = next((value.decode("latin-1") for name, value in response.headers if name.lower() == b"retry-after"), "")
                return Reply(response.status, f"it answered {response.status}", min(int(after), 86_400) if after.isdecimal() else 0)
        except NotPublic as error:
            return Reply(0, str(error), 0)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol, OSError) as error:
            return Reply(0, f"{type(error).__name__}: {error}"[:300], 0)

    def close(self) -> None:
        self._pool.close()


def check_url(url: str, private: bool) -> None:
    """Raises BadQuestion for an address that could never be sent to. Where a name leads is judged at each connection."""
    try:
        parsed = httpcore2.URL(url)
        host, scheme = parsed.host.decode("ascii"), parsed.scheme.decode("ascii")
    except (TypeError, ValueError) as error:  # the first: what is not ASCII
        raise BadQuestion(f"url: {url[:200]!r} is no address: {error}") from None
    if scheme not in ("https", "http") or not host or len(url) > 2000 or not url.isascii() or not url.isprintable() or " " in url:
        raise BadQuestion(f"url: {url[:200]!r} must be an https address")
    if "@" in url.partition("//")[2].partition("/")[0]:
        raise BadQuestion("url: it must not hold a user or a password")
    if private:
        return
    if scheme != "https":
        raise BadQuestion("url: it must be https (TARIKH_WEBHOOK_PRIVATE=1 allows http and private addresses)")
    try:
        public = is_public(host.strip("[]"))
    except ValueError:
        public = True  # a name
    if not public:
        raise BadQuestion(f"url: {host} is not a public address (TARIKH_WEBHOOK_PRIVATE=1 allows it)")
