"""A merchant's server, connected with an emulator: started, asked, watched, and stopped whatever happens.

It may be anybody's: nothing that it does is waited for, or kept, without a limit.
"""

import json
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from multiprocessing.connection import wait
from pathlib import Path
from textwrap import indent
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.in_process import NOWHERE
from amazonpay_nb.limits import in_time, legible, whole
from amazonpay_nb.loopback import http_client, no_cookies
from amazonpay_nb.redaction import redact
from amazonpay_nb.rehearsal.plan import PlanFile, filled
from amazonpay_nb.signing.keys import write_file
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, checked_endpoint
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.temporary import watch

T = TypeVar("T")
READY_SECONDS, ANSWER_SECONDS, END_SECONDS = 30.0, 15.0, 3.0
PERSON_SECONDS = 600.0  # for a server that somebody starts by hand
_GLANCE_SECONDS, _LEAST_LOOKS = 0.05, 6
_MOST_MEMORY = 1 << 30  # bytes
_LAST_BYTES, _LAST_LINES = 20_000, 12  # of what the server prints: what is kept, and what an error repeats
_PIPE_BYTES = 1 << 20  # as many as the pipe can hold in which it prints
# What points the HTTP libraries of most languages to a proxy and to its authority.
_PROXY = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_AUTHORITY = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_DIRECT = {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1", "NODE_USE_ENV_PROXY": "1"}


class Answer(NamedTuple):
    """What a browser or a request got: a status, None where there is no answer, and what is wrong.

    A browser has ended on a URL; the answer to a request has JSON and headers of cookies, took some seconds, and is an
    exchange.
    """

    status: int | None
    url: str = ""
    problem: str = ""
    json: Any = None
    cookies: Sequence[str] = ()
    seconds: float = 0.0
    number: int = 0

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        place = f"{'' if parts.hostname in LOOPBACK_HOSTS else parts.netloc}{parts.path}" or self.url
        return f"{self.status} at {place}{self.problem}" if self.status else f"{self.problem} at {place}"

    def is_below(self, status: int) -> bool:
        """Whether it is there, and its status below one, for example below 500: no failure of the server's."""
        return 0 < (self.status or 0) < status


class Failed(Exception):
    """The server did something wrong.

    Args:
        seen: What was seen instead of what was expected, as a sentence.
        evidence: Numbers of the exchanges that show it; all of the check when left out.
        advice: Whether it need not be right.
        answer: The answer alone, where it is about one.
    """

    def __init__(self, seen: str, *, evidence: Sequence[int] = (), advice: bool = False, answer: str = "") -> None:
        super().__init__(seen)
        self.seen, self.evidence, self.advice, self.answer = seen, list(evidence), advice, answer


class NotTried(Exception):
    """A check could not be looked at.

    Args:
        seen: Why, and what would help, as a sentence.
        see: The check that is about it, if there is one: unless that has failed, this one has.
    """

    def __init__(self, seen: str, see: str = "") -> None:
        super().__init__(f"{seen} See {see}." if see else seen)
        self.seen, self.see = seen, see


def soon(look: Callable[[], T], seconds: float = 5, between: float = _GLANCE_SECONDS) -> T:
    """Look until there is something, or the time is over: a server may work in the background.

    Where a look takes long, because the machine is busy, so does the server: there is a least number of looks.
    """
    end, looks = monotonic() + seconds, 1
    while not (value := look()) and (monotonic() < end or looks < _LEAST_LOOKS):
        sleep(between)
        looks += 1
    return value


@contextmanager
def limited_memory() -> Iterator[None]:
    """Let each process that begins meanwhile, and those that it begins, have 1 GB for data; the system sees to that."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [limit for limit in (_MOST_MEMORY, *before) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def ask(http: httpx.Client, request: httpx.Request) -> Answer:
    """Send a request and return its answer; one that does not end in time, or within 4 MB, counts as missing."""
    began = monotonic()
    try:
        response = whole(http, request)
    except httpx.HTTPError:
        return Answer(None, seconds=monotonic() - began)
    body = None
    with suppress(ValueError, RecursionError):
        body = json.loads(response.content)
    cookies = response.headers.get_list("set-cookie")
    return Answer(response.status_code, json=body, cookies=cookies, seconds=monotonic() - began)


def path_of_url(url: str) -> str:
    """Return path and query."""
    return urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()


@contextmanager
def wired(file: PlanFile, env_file: Path | None = None) -> Iterator[tuple[Emulator, "MerchantServer"]]:
    """Run the emulator and the server of a plan, or raise `ConfigurationError`."""
    plan, proxy = file.plan, file.plan.server.wiring == "proxy"
    tls, now = not proxy and "{caFile}" in str(plan.server), datetime.now(UTC)
    try:
        checked_endpoint(plan.news)
    except ValueError as error:
        raise file.error(f"{error}.", "server", "url") from None
    # Time is virtual, to be advanced, and begins now: a server compares it with its own.
    with Emulator(
        plan.server.region, start=now, https=tls, proxy=proxy, notify=plan.news, in_process=False
    ) as emulator:
        script = f"https://{region_of(emulator.region).checkout_script_host}" if proxy else emulator.url
        facts = emulator.merchant.facts() | {
            "url": emulator.url, "scriptUrl": f"{script}/checkout.js", "proxyUrl": emulator.proxy_url or "",
            "caFile": str(emulator.proxy_ca_file or emulator.ca_file or ""), "region": emulator.region,
            "serverUrl": plan.server.url, "topicArn": emulator.topic_arn,
        }  # fmt: skip
        # With settings, a proxy sees who else is asked: for a stranger's certificate, for example.
        way = emulator.proxy_url or emulator.open_watch()
        with closing(MerchantServer(file, facts, way, emulator.refused_hosts, env_file)) as server:
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
    """The server of a plan: a process of ours, one that somebody else starts, or one that runs already.

    Args:
        facts: Fill the plan's placeholders.
        way: The address of the proxy that it uses for everything off this machine.
        refused_hosts: Those that the proxy has refused by now.
        env_file: Gets the server's variables, for somebody who starts it.
    """

    def __init__(
        self, file: PlanFile, facts: dict[str, str], way: str = "", refused_hosts: Set[str] = frozenset(),
        env_file: Path | None = None,
    ) -> None:  # fmt: skip
        self._file, self._facts, self._plan, self._refused = file, facts, file.plan.server, refused_hosts
        self._way = way
        self._env_file, self._written = env_file, False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Any = None  # in which it prints
        self._printed, self._hearing = b"", Lock()
        # No connection is used again: a server may close it at the same moment, and an answer would seem to be missing.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = http_client(verify=False, timeout=ANSWER_SECONDS, limits=limits, cookies=no_cookies())

    def close(self) -> None:
        """End it, and all that it has started."""
        if process := self._process:
            for number in (signal.SIGTERM, signal.SIGKILL):  # the second for what the first has left
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                # Where there is a /proc: a daemon leaves its group, and keeps its variables.
                for folder in Path("/proc").glob("[1-9]*"):
                    with suppress(OSError):  # it has ended, or is another user's
                        if os.fsencode(self._facts["privateKeyFile"]) in (folder / "environ").read_bytes():
                            os.kill(int(folder.name), number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(END_SECONDS)
            self._watch.kill()  # a later process may get the number of this one
            self._watch.communicate()
        if self._env_file and self._written:
            self._env_file.unlink(missing_ok=True)
        self.http.close()

    def _variables(self) -> dict[str, str]:
        """Return the variables of the plan, and those that lead to the emulator."""
        # It is on this machine, where a proxy of the environment finds nothing.
        variables = _DIRECT | dict.fromkeys(_PROXY, self._way)
        if self._plan.wiring == "proxy":
            variables |= dict.fromkeys(_AUTHORITY, self._facts["caFile"])
        variables |= filled(self._plan.environment, self._facts)
        return variables

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if "VIRTUAL_ENV" not in environment:  # ``python`` is then the one that runs this
            environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        return environment | self._variables() | {"AMAZONPAY_NB_REHEARSAL": self._facts["privateKeyFile"]}

    def _make_room(self, advice: str) -> None:
        if listens(self._plan.url):
            problem = f"something answers at {self._plan.url} already."
            raise self._file.error(problem, "server", "url", advice=advice)

    def _begin(self) -> None:
        self._make_room("Stop it, or leave out start to rehearse it.")
        command: list[str] = filled([*self._plan.start], self._facts)
        try:
            # In a session of its own: Ctrl-C is ours to answer, and what it starts ends with it.
            self._process = subprocess.Popen(  # noqa: S603 (the plan's own command)
                command, cwd=self._file.folder, env=self._environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, bufsize=0,
            )  # fmt: skip
            self._pipe = self._process.stdout
            os.set_blocking(self._pipe.fileno(), False)
            Thread(target=self._listen, daemon=True).start()
            self._watch = watch('kill -s KILL -- "-$0"', str(self._process.pid))
        except (OSError, ValueError) as error:  # of arguments and variables that no system takes
            reason = getattr(error, "strerror", error)
            raise self._file.error(f"{command[0]!r} cannot be started: {reason}.", "server", "start") from None

    def _invite(self, env_file: Path) -> None:
        self._make_room("Stop it: it does not have the variables of this rehearsal.")
        command = shlex.join(filled([*self._plan.start], self._facts)) or "your server"
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in self._variables().items()]
        text = indent(f"In {self._file.folder}: {command}\n", "# ") + "".join(lines)
        write_file(env_file, text.encode(), mode=0o600, overwrite=False)
        self._written = True

    def start(self) -> None:
        """Start it, where that is ours to do, and wait until it is ready."""
        seconds = PERSON_SECONDS if self._env_file else READY_SECONDS
        if self._env_file:
            self._invite(self._env_file)
        elif self._plan.start:
            with ThreadPoolExecutor(1) as pool:  # a signal, which the main thread gets, leaves no process unknown
                pool.submit(int).result()  # a thread that a signal meets at its start is not waited for
                pool.submit(self._begin).result()
        elif self._plan.environment and listens(self._plan.url):
            problem = "a server that runs already does not get these variables: they are new in each rehearsal."
            raise self._file.error(problem, "server", "environment", advice="Write start = […], or use --env-file.")
        end, seen, answered = monotonic() + seconds, "there is no answer", False
        while monotonic() < end:
            if not self._env_file:
                self.check("before it was ready")
            try:
                status = in_time(min(ANSWER_SECONDS, end - monotonic()), self._ready)
                if status < httpx.codes.INTERNAL_SERVER_ERROR:
                    return self.check("before it was ready")  # another process may have answered
                seen, answered = f"the answer is {status}", True
            except (httpx.TransportError, TimeoutError, *NOWHERE) as error:
                answered |= isinstance(error, NOWHERE)
                late = isinstance(error, (TimeoutError, httpx.TimeoutException))
                if not (answered and late):  # the last look may be a short one
                    seen = f"there is no answer ({type(error).__name__})"
            sleep(_GLANCE_SECONDS)
        problem = f"the server is not ready: after {seconds:g} s {seen} at {self._plan.url}{self._plan.ready}."
        raise self._file.error(problem, "server", "ready", advice=self.last_lines())

    def _ready(self) -> int:
        with self.http.stream("GET", self._plan.url + self._plan.ready) as answer:  # whose body may have no end
            return answer.status_code

    def check(self, moment: str, *, seconds: float = 0) -> None:
        """Make sure that it is there, stays for some *seconds*, and asks for nobody but Amazon, or raise an error."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                problem = f"the server ended with code {self._process.wait(seconds)} {moment}."
                raise self._file.error(problem, "server", "start", advice=self.last_lines())
        if not self._process and not listens(self._plan.url):
            advice = "Start the server first, or write start = […] so that the rehearsal does."
            raise self._file.error(f"nothing answers at {self._plan.url} {moment}.", "server", "url", advice=advice)
        if hosts := ", ".join(sorted(self._refused)):
            advice = f'Let it go past the proxy: NO_PROXY = "localhost,127.0.0.1,{hosts}" in [server.environment].'
            problem = f"the server asked for {hosts} {moment}, and the proxy leads to Amazon Pay's hosts in region "
            raise self._file.error(f"{problem}{self._plan.region} alone.", "server", "wiring", advice=advice)

    def _listen(self) -> None:
        while self._hear() and not self.http.is_closed:  # a process that has left the server may print on
            wait([self._pipe])
        with self._hearing:
            self._pipe.close()

    def _hear(self) -> bool:
        """Empty the pipe, keep the last of what was printed, and return whether more may come."""
        with self._hearing:
            data = b"" if self._pipe.closed else self._pipe.read(_PIPE_BYTES)
            self._printed = (self._printed + (data or b""))[-_LAST_BYTES:]
        return data != b""  # but None, while there is nothing

    def output(self) -> str:
        """Return the end of what it has printed, without secrets."""
        if self._process:
            self._hear()
        text = self._printed.decode(errors="replace")
        if len(self._printed) == _LAST_BYTES:  # the beginning is missing, by which a secret is known
            text = text.partition("\n")[2]
            key, end, rest = text.partition("-----END")
            text = "…\n" + (rest.partition("\n")[2] if end and "-----BEGIN" not in key else text)
        return str(redact(text))

    def last_lines(self) -> str:
        """Return its last lines, for an error."""
        lines = legible(self.output()).strip().splitlines()[-_LAST_LINES:]
        return "\n".join(["It printed:", *(f"  {line}" for line in lines)]) if lines else "It printed nothing."
