"""The emulator and a merchant's server, connected: started, waited for, watched, and stopped whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.loopback import http_client, no_cookies
from amazonpay_nb.redaction import legible, redact
from amazonpay_nb.rehearsal.answer import filled
from amazonpay_nb.rehearsal.plan import PlanFile
from amazonpay_nb.shop.limits import in_time
from amazonpay_nb.spec.regions import region as region_of

READY_SECONDS, ANSWER_SECONDS, END_SECONDS = 30.0, 15.0, 3.0
_GLANCE_SECONDS = 0.05
_LAST_BYTES, _LAST_LINES = 20_000, 12  # of what the server prints: what is read, and what an error repeats
# What points the HTTP libraries of most languages to a proxy and to its authority.
_PROXY = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_AUTHORITY = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_DIRECT = {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1", "NODE_USE_ENV_PROXY": "1"}


@contextmanager
def wired(file: PlanFile) -> Iterator[tuple[Emulator, "MerchantServer"]]:
    """Run the emulator and the server of a plan, or raise `ConfigurationError`."""
    plan, proxy = file.plan, file.plan.server.wiring == "proxy"
    news = plan.server.url + plan.notifications.path if plan.notifications else None
    tls, now = not proxy and "{caFile}" in str(plan.server), datetime.now(UTC)
    # Time is virtual, to be advanced, and begins now: a server compares it with its own.
    with Emulator(plan.server.region, start=now, https=tls, proxy=proxy, notify=news, in_process=False) as emulator:
        script = f"https://{region_of(emulator.region).checkout_script_host}" if proxy else emulator.url
        facts = emulator.merchant.facts() | {
            "url": emulator.url, "scriptUrl": f"{script}/checkout.js", "proxyUrl": emulator.proxy_url or "",
            "caFile": str(emulator.proxy_ca_file or emulator.ca_file or ""), "region": emulator.region,
            "serverUrl": plan.server.url, "topicArn": emulator.topic_arn,
        }  # fmt: skip
        with closing(MerchantServer(file, facts)) as server:
            server.start()
            yield emulator, server


def listens(url: str) -> bool:
    """Tell whether anybody accepts a connection at an address of this machine."""
    parts = httpx.URL(url)
    with suppress(OSError):
        socket.create_connection((parts.host, 80 if parts.port is None else parts.port), timeout=1).close()
        return True
    return False


class MerchantServer:
    """The server of a plan: a process of ours, or one that runs already; *facts* fill the plan's placeholders."""

    def __init__(self, file: PlanFile, facts: dict[str, str]) -> None:
        self._file, self._facts, self._plan = file, facts, file.plan.server
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the server)
        # No connection is used again: a server may close it at the same moment, and an answer would seem to be missing.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = http_client(verify=False, timeout=ANSWER_SECONDS, limits=limits, cookies=no_cookies())

    def close(self) -> None:
        """End it, and all that it has started."""
        self.http.close()
        if process := self._process:
            for number in (signal.SIGTERM, signal.SIGKILL):  # the second for what the first has left of its group
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(END_SECONDS)
        self._output.close()

    def _environment(self) -> dict[str, str]:
        environment, proxy = dict(os.environ), self._facts["proxyUrl"]
        if "VIRTUAL_ENV" not in environment:  # ``python`` is then the one that runs this
            environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        if proxy:
            environment |= _DIRECT | dict.fromkeys(_PROXY, proxy) | dict.fromkeys(_AUTHORITY, self._facts["caFile"])
        own: dict[str, str] = filled(self._plan.environment, self._facts)
        return environment | own

    def _begin(self) -> None:
        if listens(self._plan.url):
            problem = f"something answers at {self._plan.url} already."
            raise self._file.error(problem, "server", "url", advice="Stop it, or leave out start to rehearse it.")
        command: list[str] = filled([*self._plan.start], self._facts)
        try:
            # In a session of its own: Ctrl-C is ours to answer, and what it starts ends with it.
            self._process = subprocess.Popen(  # noqa: S603 (the plan's own command)
                command, cwd=self._file.folder, env=self._environment(), stdin=subprocess.DEVNULL,
                stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:  # of arguments and variables that no system takes
            reason = getattr(error, "strerror", error)
            raise self._file.error(f"{command[0]!r} cannot be started: {reason}.", "server", "start") from None

    def start(self) -> None:
        """Start it, where that is ours to do, and wait until it is ready."""
        if self._plan.start:
            self._begin()
        end, seen, status = time.monotonic() + READY_SECONDS, "there is no answer", 0
        while time.monotonic() < end:
            self.check("before it was ready")
            try:
                status = in_time(min(ANSWER_SECONDS, end - time.monotonic()), self._ready)
                if status < httpx.codes.INTERNAL_SERVER_ERROR:
                    return
                seen = f"the answer is {status}"
            except (httpx.TransportError, TimeoutError) as error:
                if not status or isinstance(error, httpx.TransportError):  # else the last look may be a short one
                    seen = f"there is no answer ({type(error).__name__})"
            time.sleep(_GLANCE_SECONDS)
        problem = f"the server is not ready: after {READY_SECONDS:g} s {seen} at {self._plan.url}{self._plan.ready}."
        raise self._file.error(problem, "server", "ready", advice=self.last_lines())

    def _ready(self) -> int:
        with self.http.stream("GET", self._plan.url + self._plan.ready) as answer:  # whose body may have no end
            return answer.status_code

    def check(self, moment: str, *, seconds: float = 0) -> None:
        """Make sure that it is still there, and stays for some *seconds*, or raise `ConfigurationError`."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                problem = f"the server ended with code {self._process.wait(seconds)} {moment}."
                raise self._file.error(problem, "server", "start", advice=self.last_lines())
        if not self._process and not listens(self._plan.url):
            advice = "Start the server first, or write start = […] so that the rehearsal does."
            raise self._file.error(f"nothing answers at {self._plan.url} {moment}.", "server", "url", advice=advice)

    def output(self) -> str:
        """Return the end of what it has printed, without secrets."""
        file = self._output.fileno()
        start = max(0, os.fstat(file).st_size - _LAST_BYTES)
        # Without moving the position, at which the server writes on.
        return str(redact(os.pread(file, _LAST_BYTES, start).decode(errors="replace")))

    def last_lines(self) -> str:
        """Return its last lines, for an error."""
        lines = legible(self.output()).strip().splitlines()[-_LAST_LINES:]
        return "\n".join(["It printed:", *(f"  {line}" for line in lines)]) if lines else "It printed nothing."
