"""A pytest plugin for other people's test suites: one emulated Amazon Pay a session, and a fresh world for each test.

    @pytest.mark.amazonpay(region="jp")
    def test_my_shop_saves_a_wallet(amazonpay_emulator, amazonpay_client, amazonpay_buyer): ...

Installing the package is enough; pytest finds the plugin by its entry point.  `docs/pytest.md` shows each fixture.
"""

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from amazonpay_nb.client.client import AmazonPayClient
    from amazonpay_nb.client.notifications import Notification
    from amazonpay_nb.emulator import Emulator

SEED = 1  # ids and times repeat, so a failure looks the same in the next run
WAIT_SECONDS = 30.0
OPTIONS = ("region", "https", "throttle", "domains", "world")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command line options."""
    add = parser.getgroup("amazonpay", "an emulated Amazon Pay").addoption
    add("--amazonpay-region", choices=("na", "eu", "jp"), default="na", help="region of the emulator (default: na)")
    add("--amazonpay-https", action="store_true", help="let the emulator serve HTTPS")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, so that ``--strict-markers`` knows it."""
    config.addinivalue_line("markers", f"amazonpay({', '.join(OPTIONS)}): the emulator that this test runs against")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Mask the secrets among what the frames of a failure were called with, and among their variables."""
    return _without_secrets((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Do so for a file that fails while it is imported."""
    return _without_secrets((yield))


def _without_secrets(report: Any) -> Any:
    from amazonpay_nb.redaction import redact

    for traceback, *_ in getattr(report.longrepr, "chain", ()):  # not there in a report of another kind
        for entry in traceback.reprentries:
            if given := getattr(entry, "reprfuncargs", None):
                lines = [redact(f"{name} = {value}").partition(" = ") for name, value in given.args]
                given.args = [(name, value) for name, _, value in lines]
            if variables := getattr(entry, "reprlocals", None):
                variables.lines = [redact(line) for line in variables.lines]
    return report


@pytest.fixture(scope="session")
def amazonpay_emulator_factory(pytestconfig: pytest.Config) -> "Iterator[Callable[..., Emulator]]":
    """Return an emulator with an empty world: ``factory(region="eu", https=False, throttle=False, domains=())``.

    A second call with the same options empties the same server's world; the servers stop with the session.
    """
    from amazonpay_nb.emulator import Emulator
    from amazonpay_nb.emulator.remote import ControlError

    servers: dict[str, tuple[Emulator, str]] = {}  # with the snapshot before the latest test
    starts = count()

    def factory(**options: Any) -> Emulator:
        if unknown := ", ".join(sorted(set(options) - set(OPTIONS))):
            raise pytest.UsageError(f"amazonpay: there is no option {unknown}; there are {', '.join(OPTIONS)}")
        if isinstance(file := options.get("world"), str | Path):
            places = [folder / file for folder in (pytestconfig.rootpath, Path())]
            options["world"] = next(filter(Path.exists, places), places[0])
        name = repr(sorted(options.items()))
        emulator, snapshot = servers.get(name, (None, ""))
        if emulator and "world" in options:  # it may hold outcomes and faults, which no snapshot does
            emulator.stop()
            emulator = None
        if emulator:
            # Reset forgets faults, outcomes and journal; the snapshot brings back time, accounts, the sequence of ids.
            try:
                emulator.reset()
                emulator.restore(snapshot, accounts=True)
            # A test has taken so many snapshots that this one is gone, or has stopped the emulator.
            except (ControlError, RuntimeError):
                emulator.stop()
                emulator = None
        if emulator is None:
            try:
                emulator = Emulator(seed=SEED, **options)
            except ValueError as error:
                raise pytest.UsageError(f"amazonpay: {error}") from None
            # A shop that outlives its tests ignores a notification whose id it has seen, so none is used again.
            emulator._world.store.set("notified", next(starts) * 1_000_000)
            emulator.start()
            _ = emulator.merchant  # registers the key pair, so that the snapshot holds it
        # The emulator keeps only the latest snapshots, and a test may take some: this one is the newest.
        servers[name] = emulator, emulator.snapshot()
        return emulator

    yield factory
    for emulator, _ in servers.values():
        emulator.stop()


@pytest.fixture
def amazonpay_emulator(
    request: pytest.FixtureRequest, amazonpay_emulator_factory: "Callable[..., Emulator]"
) -> "Emulator":
    """Return an emulated Amazon Pay with an empty world, virtual time and ids that repeat.

    The command line and ``@pytest.mark.amazonpay(region="jp", https=True, throttle=True, domains=(…))`` configure it.
    """
    options = {name: request.config.getoption(f"--amazonpay-{name}") for name in ("region", "https")}
    for marker in reversed([*request.node.iter_markers("amazonpay")]):  # the test's own wins over that of its class
        if marker.args:
            raise pytest.UsageError(f"amazonpay: {marker.args[0]!r} needs a name, as in amazonpay(region='jp')")
        options |= marker.kwargs
    return amazonpay_emulator_factory(**options)


@pytest.fixture
def amazonpay_client(amazonpay_emulator: "Emulator") -> "Iterator[AmazonPayClient]":
    """Return a client of the emulator's main merchant account."""
    from amazonpay_nb.client import AmazonPayClient

    emulator = amazonpay_emulator
    with AmazonPayClient(
        emulator.merchant.keys, region=emulator.region, environment="emulator",
        base_url=emulator.url, verify=emulator.verify,
        sleep=lambda seconds: None,  # the emulator's time does not pass: there is nothing to wait for between attempts
    ) as client:  # fmt: skip
        yield client


@pytest.fixture
def amazonpay_buyer() -> Any:
    """Return the scripted buyer: ``amazonpay_buyer.approve(url)``, ``.cancel(url)``, ``.decline(url)``."""
    from amazonpay_nb.shop import buyer

    return buyer


@pytest.fixture
def amazonpay_clock(amazonpay_emulator: "Emulator") -> Any:
    """Return the emulator's clock: ``amazonpay_clock.advance("PT24H")``."""
    return amazonpay_emulator.clock


@pytest.fixture
def amazonpay_faults(amazonpay_emulator: "Emulator") -> Callable[..., None]:
    """Return what breaks the connection: ``amazonpay_faults("createCharge", "drop-after-commit")``."""
    return amazonpay_emulator.faults


@pytest.fixture
def amazonpay_outcomes(amazonpay_emulator: "Emulator") -> Callable[..., None]:
    """Return what decides the next answers: ``amazonpay_outcomes("createCharge", "SoftDeclined", times=2)``."""
    return amazonpay_emulator.outcomes


class NotificationInbox:
    """A merchant's notification address, which verifies what arrives as a merchant has to, and keeps it in order."""

    def __init__(self, emulator: "Emulator") -> None:
        from starlette.applications import Starlette

        from amazonpay_nb.client.notifications import NotificationReader
        from amazonpay_nb.loopback import Guard, http_client, route, serve

        self.notifications: list[Notification] = []
        self._arrival = threading.Condition()
        site = Starlette(routes=[route("POST", "/", self._receive)])
        self._server = serve(Guard(site), in_process=emulator.in_process).start()
        self.url = f"{self._server.url}/"
        topic = emulator.control.post("notifications/endpoint", url=self.url)["topicArn"]
        self._reader = NotificationReader(
            topic, merchant_id=emulator.merchant_id, certificate_hosts=(urlsplit(emulator.url).netloc,),
            clock=emulator.clock.now, http=http_client(verify=emulator.verify, timeout=WAIT_SECONDS),
        )  # fmt: skip

    async def _receive(self, request: "Request") -> "Response":
        from starlette.responses import Response

        from amazonpay_nb.client.notifications import NotificationRefused

        body = await request.body()
        try:
            # In a thread: the reader may have to fetch the certificate from the emulator.
            notification = await asyncio.to_thread(self._reader.read, body)
        except NotificationRefused as refusal:
            return Response(status_code=refusal.status)
        with self._arrival:
            self.notifications.append(notification)
            self._arrival.notify_all()
        return Response()

    def wait(self, count: int = 1, timeout: float = WAIT_SECONDS) -> "list[Notification]":
        """Return the first *count* notifications as soon as they have arrived; an AssertionError after *timeout*."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self.notifications) >= count, timeout):
                raise AssertionError(f"{len(self.notifications)} of {count} notifications arrived in {timeout:g} s.")
            return self.notifications[:count]

    def close(self) -> None:
        """Stop listening."""
        self._server.stop()
        self._reader.close()


@pytest.fixture
def amazonpay_inbox(amazonpay_emulator: "Emulator") -> Iterator[NotificationInbox]:
    """Return an empty inbox that the emulator notifies: ``amazonpay_inbox.wait(2)``, ``.notifications``, ``.url``."""
    inbox = NotificationInbox(amazonpay_emulator)
    yield inbox
    with suppress(RuntimeError):  # the test has stopped its emulator
        amazonpay_emulator.control.post("notifications/endpoint", url=None)
        amazonpay_emulator.control.get("notifications")  # what is on its way arrives, while somebody listens
    inbox.close()
