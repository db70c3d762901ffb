"""A cluster of three members on this host, whose members can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chamois
from chamois.cluster.v1 import ClusterServiceStub, GetStatusRequest

BINARY = Path(os.environ.get("CHAMOIS_BIN", Path(__file__).resolve().parents[4] / "target/debug/chamois"))
UP_AT_MOST_S = 120.0


class LiveCluster:
    """`chamois demo --keep`, stopped (SIGSTOP) once it is up: it would end with the first member that is killed. With BMCs it
    goes on, because it is them."""

    def __init__(self, folder: Path, *options: str, members: int = 3, stands_still: bool = True) -> None:
        self.folder = folder
        log = (folder / "demo.log").open("w")
        command = [str(BINARY), "demo", "--keep", "--members", str(members), "--state-dir", str(folder / "demo")]
        command += options or ("--nodes", "0")
        self._demo = subprocess.Popen(command, stdout=log, stderr=log)
        described = folder / "demo" / "endpoints.json"
        wait_for(lambda: described.exists() or self._demo.poll() is not None, UP_AT_MOST_S)
        if self._demo.poll() is not None:
            raise RuntimeError((folder / "demo.log").read_text())
        told = json.loads(described.read_text())
        self.endpoints: list[str] = told["grpc"]
        self.ca: str = told["ca"]
        self.token: str = told["token"]
        self._pids: dict[int, int] = {member["id"]: member["pid"] for member in told["members"]}
        self._commands = {id: _command(pid) for id, pid in self._pids.items()}
        self._restarted: dict[int, subprocess.Popen[bytes]] = {}
        # A member ends with the thread that has started it.
        self._starter = ThreadPoolExecutor(1)
        if stands_still:
            self._demo.send_signal(signal.SIGSTOP)

    def arguments(self, **other: Any) -> dict[str, Any]:
        """For `chamois.Client` and `chamois.aio.Client`."""
        return {"endpoints": self.endpoints, "ca": self.ca, "token": self.token, **other}

    def environment(self) -> dict[str, str]:
        named = {"CHAMOIS_ENDPOINTS": ",".join(self.endpoints), "CHAMOIS_CA": self.ca, "CHAMOIS_TOKEN": self.token}
        return {**os.environ, **named}

    def certificate(self, principal: str, folder: Path) -> tuple[Path, Path]:
        """A certificate for `principal` and its key, signed by the demo's CA, whose key lies beside it."""
        cert, key, asked, names = (folder / f"p.{ending}" for ending in ("pem", "key", "csr", "ext"))
        names.write_text(f"subjectAltName=URI:spiffe://demo/{principal}\nextendedKeyUsage=clientAuth\n")
        curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=p"
        ca = ["-CA", self.ca, "-CAkey", str(Path(self.ca).with_suffix(".key")), "-set_serial", "77", "-days", "1"]
        _openssl("req", "-new", *curve.split(), "-keyout", str(key), "-out", str(asked))
        _openssl("x509", "-req", "-in", str(asked), *ca, "-extfile", str(names), "-out", str(cert))
        return cert, key

    def leader(self) -> int:
        """The member that leads, as any member knows it."""
        with chamois.Client(**self.arguments()) as client:
            stub = ClusterServiceStub(client)
            wait_for(lambda: stub.GetStatus(GetStatusRequest()).leader_id != 0, UP_AT_MOST_S)
            return stub.GetStatus(GetStatusRequest()).leader_id

    def signal(self, member: int, number: signal.Signals) -> None:
        os.kill(self._pids[member], number)

    def kill(self, member: int) -> None:
        self.signal(member, signal.SIGKILL)
        if (process := self._restarted.pop(member, None)) is not None:
            process.wait()

    def start(self, member: int) -> None:
        """Starts a killed member again and waits until it answers."""
        log = (self.folder / f"member-{member}.log").open("a")
        process = self._starter.submit(subprocess.Popen, self._commands[member], stdout=log, stderr=log).result()
        self._restarted[member], self._pids[member] = process, process.pid
        with chamois.Client(**self.arguments(endpoints=[self.endpoints[member - 1]])) as client:
            stub = ClusterServiceStub(client)

            def answers() -> bool:
                try:
                    return stub.GetStatus(GetStatusRequest(), timeout=2).leader_id != 0
                except chamois.Error:
                    return False

            wait_for(answers, UP_AT_MOST_S)

    def stop(self) -> None:
        for process in self._restarted.values():
            process.terminate()
            process.wait()
        self._starter.shutdown()
        self._demo.send_signal(signal.SIGTERM)
        self._demo.send_signal(signal.SIGCONT)
        self._demo.wait()


def wait_for(holds: Callable[[], bool], at_most_s: float) -> None:
    until = time.monotonic() + at_most_s
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"not within {at_most_s} s")
        time.sleep(0.05)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _command(pid: int) -> list[str]:
    """How a member was started, so that it ends with this process and not with the demo."""
    command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    command[command.index("--parent") + 1] = str(os.getpid())
    return command
