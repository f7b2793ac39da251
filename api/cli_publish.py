"""`tarikh publish`: the log, followed into a message broker."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from api.terminal import opened, out
from domain.errors import BadQuestion


def publish(
    servers: Annotated[list[str], typer.Argument(help="nats://host:port of one or more servers of a cluster")],
    stream: Annotated[str, typer.Option(help="name of the JetStream stream; it is made where there is none")] = "tarikh",
    replicas: Annotated[int, typer.Option(min=1, max=5, help="on how many servers a new stream is kept")] = 1,
) -> None:
    """Follow the log into NATS JetStream until interrupted, from where the last run came to."""
    if wrong := [server for server in servers if not server.startswith(("nats://", "tls://"))]:
        raise typer.BadParameter(f"{wrong[0]!r} is no address of a NATS server: one looks like nats://127.0.0.1:4222")
    with opened() as core:

        async def run() -> int:
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            try:
                return await core.publish(servers, stream, replicas, stop)
            except (OSError, TimeoutError) as error:
                raise BadQuestion(f"no NATS server with JetStream at {', '.join(servers)}: {error}") from None

        out.print(f"{asyncio.run(run())} events published")
