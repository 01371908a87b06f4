"""The emulator and a merchant's server, connected: started, waited for, watched, and stopped whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.loopback import http_client
from amazonpay_nb.redaction import redact
from amazonpay_nb.rehearsal.plan import PlanFile
from amazonpay_nb.spec.regions import region as region_of

READY_SECONDS, ANSWER_SECONDS, END_SECONDS = 30.0, 15.0, 3.0
_GLANCE_SECONDS, _MOST_REDIRECTS = 0.05, 20
_LAST_BYTES, _LAST_LINES = 20_000, 12  # of what the server prints: what is read, and what an error repeats
# What points the HTTP libraries of most languages to a proxy and to its authority.
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_AUTHORITY_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@contextmanager
def wired(file: PlanFile) -> Iterator[tuple[Emulator, "MerchantServer"]]:
    """Run the emulator and the server of a plan.

    Raises:
        ConfigurationError: The server cannot be used.
    """
    plan, proxy = file.plan, file.plan.server.wiring == "proxy"
    # Time is virtual, to be advanced, and begins now: a server compares it with its own.
    options: dict[str, Any] = {"proxy": True} if proxy else {"https": file.uses("caFile")}
    with Emulator(plan.server.region, start=datetime.now(UTC), **options) as emulator:
        if plan.notifications:
            emulator.control.post("notifications/endpoint", url=plan.server.url.rstrip("/") + plan.notifications.path)
        with MerchantServer(file, facts_of(emulator) | {"serverUrl": plan.server.url}) as server:
            yield emulator, server


def facts_of(emulator: Emulator) -> dict[str, str]:
    """Return what a plan may name in braces."""
    proxy_url = str(getattr(emulator, "proxy_url", None) or "")
    script = f"https://{region_of(emulator.region).checkout_script_host}" if proxy_url else emulator.url
    authority = getattr(emulator, "proxy_ca_file", None) or emulator.ca_file
    return {
        "url": emulator.url, "scriptUrl": f"{script}/checkout.js", "proxyUrl": proxy_url,
        "caFile": str(authority or ""), "region": emulator.region, **emulator.merchant.facts(),
    }  # fmt: skip


def _environment(file: PlanFile, facts: dict[str, str]) -> dict[str, str]:
    environment = dict(os.environ)
    if "VIRTUAL_ENV" not in environment:  # ``python`` is then the one that runs this
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    if facts["proxyUrl"]:
        environment |= dict.fromkeys(_PROXY_VARIABLES, facts["proxyUrl"])
        environment |= dict.fromkeys(_AUTHORITY_VARIABLES, facts["caFile"])
        environment |= {"NODE_USE_ENV_PROXY": "1", "NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}
    return environment | {
        name: file.fill(text, facts, "server", "environment", name)
        for name, text in file.plan.server.environment.items()
    }


class MerchantServer:
    """The server of a plan: a process of ours, or one that runs already.

    Args:
        facts: The values of the plan's placeholders.
    """

    def __init__(self, file: PlanFile, facts: dict[str, str]) -> None:
        self._file, self._facts = file, facts
        self.url = file.plan.server.url.rstrip("/")
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the server)
        self.http = http_client(verify=False, timeout=ANSWER_SECONDS)

    def __enter__(self) -> "MerchantServer":
        try:
            if self._file.plan.server.start:
                self._start()
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        if process := self._process:
            for number in (signal.SIGTERM, signal.SIGKILL):  # the second for what the first has left of its group
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(END_SECONDS)
        self._output.close()

    def _start(self) -> None:
        if self._listens():
            problem = f"something answers at {self.url} already."
            raise self._file.error(problem, "server", "url", advice="Stop it, or leave out start to rehearse it.")
        command = [self._file.fill(text, self._facts, "server", "start") for text in self._file.plan.server.start]
        try:
            # In a group of its own: Ctrl-C is ours to answer, and what it starts ends with it.
            self._process = subprocess.Popen(  # noqa: S603 (the plan's own command)
                command, cwd=self._file.folder, env=_environment(self._file, self._facts), stdin=subprocess.DEVNULL,
                stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise self._file.error(f"{command[0]!r} cannot be started: {error.strerror}.", "server", "start") from None

    def _listens(self) -> bool:
        parts = urlsplit(self.url)
        try:
            socket.create_connection((parts.hostname, parts.port or 0), timeout=1).close()
        except OSError:
            return False
        return True

    def get(self, path: str) -> httpx.Response:
        """Open a page, and follow its redirects as long as they stay on this server.

        Raises:
            httpx.HTTPError: It has no answer, or no end.
        """
        answer = self.http.get(self.url + path)
        for _ in range(_MOST_REDIRECTS):
            following = answer.next_request
            if following is None or f"{following.url.scheme}://{following.url.netloc.decode()}" != self.url:
                return answer
            answer = self.http.send(following)
        raise httpx.TooManyRedirects(f"{path} redirects forever")

    def _wait(self) -> None:
        end, path, seen = time.monotonic() + READY_SECONDS, self._file.plan.server.ready, "there is no answer"
        while time.monotonic() < end:
            self.check()
            try:
                status = self.http.get(self.url + path).status_code
                if status < httpx.codes.INTERNAL_SERVER_ERROR:
                    return
                seen = f"the answer is {status}"
            except httpx.TransportError as error:
                if not self._process:
                    advice = "Start the server first, or write start = […] so that the rehearsal does."
                    raise self._file.error(f"nothing answers at {self.url}.", "server", "url", advice=advice) from None
                seen = f"there is no answer ({type(error).__name__})"
            time.sleep(_GLANCE_SECONDS)
        problem = f"the server is not ready: after {READY_SECONDS:g} s {seen} at {self.url}{path}."
        raise self._file.error(problem, "server", "ready", advice=self.last_lines())

    def check(self, moment: str = "before it was ready") -> None:
        """Make sure that it is still there.

        Raises:
            ConfigurationError: It has ended.
        """
        if self._process and (code := self._process.poll()) is not None:
            problem = f"the server ended with code {code} {moment}."
            raise self._file.error(problem, "server", "start", advice=self.last_lines())
        if not self._process and moment != "before it was ready" and not self._listens():
            raise self._file.error(f"the server is gone {moment}.", "server", "url")

    def output(self) -> str:
        """Return the end of what it has printed, without secrets."""
        file = self._output.fileno()
        start = max(0, os.fstat(file).st_size - _LAST_BYTES)
        # Without moving the position, at which the server writes on.
        return str(redact(os.pread(file, _LAST_BYTES, start).decode(errors="replace")))

    def last_lines(self) -> str:
        """Return its last lines, for an error."""
        lines = self.output().strip().splitlines()[-_LAST_LINES:]
        return "\n".join(["It printed:", *(f"  {line}" for line in lines)]) if lines else "It printed nothing."
