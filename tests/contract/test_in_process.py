"""Inside a process, everything is answered as over sockets: pages, refusals, faults, notifications."""

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from contextvars import ContextVar
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from amazonpay_nb import workbench
from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.in_process import LOOP, Transport
from amazonpay_nb.loopback import IN_PROCESS, MAX_BODY_BYTES, http_client, open_port, serve
from amazonpay_nb.rehearsal.grading import grade
from amazonpay_nb.testing import NotificationInbox
from tests.emulated import Shop, usd
from tests.processes import PATIENCE

# What differs from run to run: ports, the token of a form, and two headers.
CHANGING = re.compile(rb"(?<=127\.0\.0\.1:)\d+|(?<=localhost:)\d+|[0-9a-f]{64}")
PASSING = (b"date", b"x-amz-pay-request-id")


def seen(response: httpx.Response) -> tuple[object, ...]:
    """Everything that travels, but for what changes."""
    headers = sorted((name.lower(), b"" if name in PASSING else value) for name, value in response.headers.raw)
    return response.status_code, CHANGING.sub(b"", repr(headers).encode()), CHANGING.sub(b"", response.content)


def outcome(call: Callable[[], httpx.Response]) -> tuple[object, ...]:
    try:
        return seen(call())
    except httpx.HTTPError as error:
        return type(error).__name__, str(error)


def both(play: Callable[[Shop], object]) -> tuple[object, object]:
    """Play the same over sockets and inside this process."""
    ends = []
    for in_process in (False, True):
        with Emulator("na", seed=7, in_process=in_process) as emulator, Shop(emulator) as shop:
            ends.append(play(shop))
    return ends[0], ends[1]


def test_a_purchase_is_the_same_to_the_byte() -> None:
    """Every answer of the API, of the hosted pages and of the control interface, from the session to the refund."""

    def play(shop: Shop) -> object:
        answers: list[object] = []
        shop.http.event_hooks = {"response": [lambda response: response.read(), lambda r: answers.append(seen(r))]}
        wallet = shop.wallet()
        charge = shop.charge(wallet, captureNow=True)
        shop.done("createRefund", chargeId=charge["chargeId"], refundAmount=usd("1.00"))
        assert shop.try_charge(wallet, code="SoftDeclined").status_code == 422
        return answers, shop.emulator.clock.advance(days=31), shop.emulator.control.get("objects/charges")

    over_sockets, inside = both(play)
    assert over_sockets == inside


ODD: dict[str, Callable[[Shop], httpx.Response]] = {
    "long body": lambda shop: shop.http.post("/checkout/initiate", content=b"x" * (MAX_BODY_BYTES + 1)),
    "long call": lambda shop: shop.send("POST", "/v2/charges", b"x" * (MAX_BODY_BYTES + 1)),
    "in pieces": lambda shop: shop.http.post("/v2/charges", content=iter([b"{", b"}"])),
    "other name": lambda shop: shop.http.get("/checkout.js", headers={"host": "evil.test"}),
    "other site": lambda shop: shop.http.post("/checkout/consent", headers={"origin": "https://evil.test"}),
    "only the head": lambda shop: shop.http.head("/checkout.js"),
    "call, only the head": lambda shop: shop.send("HEAD", "/v2/charges/x"),
    "no page": lambda shop: shop.http.get("/nowhere"),
    "no operation": lambda shop: shop.send("DELETE", "/v2/charges"),
    "odd path": lambda shop: shop.send("GET", "/v2/charges/%53%2f?a=%20b"),
    "no token": lambda shop: shop.http.get("/_control/clock"),
    "script": lambda shop: shop.http.get("/checkout.js"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_is_answered_the_same(name: str) -> None:
    """Bounds, names and methods are those of the server."""
    over_sockets, inside = both(lambda shop: outcome(lambda: ODD[name](shop)))
    assert over_sockets == inside


@pytest.mark.parametrize("fault", ["reset", "drop-after-commit", "delay", "status"])
def test_a_fault_is_the_same_error(fault: str) -> None:
    """The client learns as much, or as little, as over a socket; the work is done, or not."""

    def play(shop: Shop) -> object:
        wallet = shop.wallet()
        shop.emulator.faults("createCharge", fault, seconds=3, times=2)
        shop.http.timeout = httpx.Timeout(PATIENCE, read=0.1 if fault == "delay" else PATIENCE)
        lost = outcome(lambda: shop.try_charge(wallet, key="once"))
        with AmazonPayClient(
            shop.keys, environment="emulator", base_url=shop.emulator.url, sleep=lambda _: None
        ) as client:
            charge = client.create_charge(charge_permission_id=wallet, charge_amount=usd("14.00"))
            tries = [(row.status, row.error) for row in client.journal.exchanges]
        return lost, charge.state, tries, len(shop.emulator.control.get("objects/charges")["objects"])

    over_sockets, inside = both(play)
    assert over_sockets == inside


def bad(request: Request) -> Response:
    raise ValueError(request.url.path)


CALLER = ContextVar("CALLER", default="nobody")


def plain(request: Request) -> Response:
    return PlainTextResponse(f"{request.headers['host'].partition(':')[0]} {CALLER.get()}")


async def endless(request: Request) -> Response:
    await asyncio.Event().wait()
    return Response()


def interrupted(request: Request) -> Response:
    raise KeyboardInterrupt


OWN = Starlette(
    routes=[Route("/bad", bad), Route("/plain", plain), Route("/end", endless), Route("/ctrl-c", interrupted)]
)


@pytest.mark.parametrize("path", ["/bad", "/plain", "/nowhere"])
def test_a_server_of_ones_own_answers_the_same(path: str) -> None:
    """Also with endpoints that are no coroutines, when one breaks, and when it has stopped."""
    answers = []
    CALLER.set("a cell")
    for in_process in (False, True):
        server = serve(OWN, in_process=in_process).start()
        with http_client() as http:
            answers.append([outcome(partial(http.get, server.url.replace("127.0.0.1", "localhost") + path))])
            server.stop()
            answers[-1].append(outcome(partial(http.get, server.url + path)))
    assert answers[0] == answers[1]


def test_an_interruption_is_that_of_one_call() -> None:
    """Ctrl-C, or a test's limit of time, in the middle of an answer; the next call has its own."""
    server = serve(OWN, in_process=True).start()
    with http_client() as http:
        with pytest.raises(KeyboardInterrupt):
            http.get(f"{server.url}/ctrl-c")
        assert http.get(f"{server.url}/plain").status_code == 200
    server.stop()


def test_stopping_twice_stops_nobody_else() -> None:
    """Another server may have the address by then."""
    first = serve(OWN, in_process=True).start()
    first.stop()
    second = serve(OWN, in_process=True).start()
    assert second.url == first.url
    first.stop()
    with http_client() as http:
        assert http.get(f"{second.url}/plain").status_code == 200
    second.stop()


def test_what_can_have_no_end_is_not_waited_for() -> None:
    """Nothing else is under way that could bring the answer."""
    server, begun = serve(OWN, in_process=True).start(), time.monotonic()
    with http_client(timeout=2 * PATIENCE) as http, pytest.raises(httpx.ReadTimeout):
        http.get(f"{server.url}/end")
    assert time.monotonic() - begun < PATIENCE
    server.stop()


@pytest.mark.parametrize(("value", "inside"), [("", False), ("0", False), ("1", True)])
def test_the_variable_says_no_as_well(value: str, inside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As variables in CI do."""
    monkeypatch.setenv(IN_PROCESS, value)
    with Emulator("na", seed=7) as emulator:
        assert emulator.in_process is inside


def test_a_notification_is_delivered_before_its_cause_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler fetches the certificate and gets the object, from the server that waits for its answer."""
    monkeypatch.setenv(IN_PROCESS, "1")
    with workbench.open(buyer="script") as wb:
        wb.set_up_keys()
        arrival = asyncio.run(wb.play_set_up())
        inbox = wb.director.listen(wb.shop, wb.client, at_once=True)
        wb.director.drill("burst")
        session = wb.client.complete_checkout_session(arrival.checkout_session_id)
        assert inbox.waiting == 0
        assert [*inbox.objects] == [session.charge_permission_id]
        (announced,) = wb.director.announced()
        assert announced.deliveries.count("200") == 10


def test_a_fixture_for_notifications_works_inside() -> None:
    """Other people's tests need no socket either."""
    with (
        Emulator(seed=7, in_process=True) as emulator,
        Shop(emulator) as shop,
        closing(NotificationInbox(emulator)) as it,
    ):
        wallet = shop.wallet()
        assert [row.object_id for row in it.wait()] == [wallet]


def test_a_call_inside_of_a_running_loop_leaves_the_loop_as_it_was() -> None:
    """As a notebook's cell has one."""

    async def cell(shop: Shop) -> str:
        task = asyncio.current_task()
        wallet = shop.wallet()
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is not LOOP
        await asyncio.sleep(0.01)
        return wallet

    with Emulator(seed=7, in_process=True) as emulator, Shop(emulator) as shop:
        assert asyncio.run(cell(shop))


def test_what_has_fallen_due_meanwhile_happens_before_the_next_answer() -> None:
    """A clock of real time goes on like that."""
    ticks: list[float] = []

    @asynccontextmanager
    async def clock(app: Starlette) -> AsyncIterator[None]:
        async def tick() -> None:
            while True:
                await asyncio.sleep(0.01)
                ticks.append(time.monotonic())

        ticking = asyncio.create_task(tick())
        yield
        ticking.cancel()

    async def count(request: Request) -> Response:
        return PlainTextResponse(str(len(ticks)))

    server = serve(Starlette(routes=[Route("/", count)], lifespan=clock), in_process=True).start()
    with http_client() as http:
        http.get(server.url)
        threading.Event().wait(0.02)
        before = len(ticks)
        assert int(http.get(server.url).text) > before
    server.stop()


def test_threads_take_turns() -> None:
    """A panel's click may come while a cell runs."""
    with Emulator(seed=7, in_process=True) as emulator, Shop(emulator) as shop:
        wallet = shop.wallet()
        with ThreadPoolExecutor(8) as pool:
            charges = list(pool.map(lambda _: shop.charge(wallet, "1.00")["chargeId"], range(24)))
    assert len({*charges}) == 24


LAZY = """
import sys
from amazonpay_nb.emulator import Emulator
with Emulator(seed=7, in_process=True) as emulator:
    emulator.clock.advance(days=1)
assert not {"uvicorn", "httptools"} & {*sys.modules}, [*sys.modules]
"""


def test_a_server_inside_the_process_loads_no_other() -> None:
    """It goes where neither can be installed, and starts sooner."""
    subprocess.run([sys.executable, "-c", LAZY], check=True)


@pytest.mark.parametrize("options", [{"https": True}, {"proxy": True}, {"port": 8000}, {"host": "::1"}], ids=str)
def test_what_needs_a_socket_is_refused(options: dict[str, Any]) -> None:
    """With a sentence that says to go without."""
    with pytest.raises(ValueError, match="need a socket; go without"):
        Emulator(in_process=True, **options)


@pytest.mark.parametrize(
    "start",
    [open_port, lambda: workbench.open(buyer="you"), lambda: Emulator(in_process=False), lambda: grade("", None)],
    ids=["a port", "a person as the buyer", "an emulator for others", "a grade"],
)
def test_without_sockets_nothing_listens(start: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment decides, and the error names it."""
    monkeypatch.setenv(IN_PROCESS, "1")
    with pytest.raises(ConfigurationError, match=f"needs a socket.*\n.*without {IN_PROCESS}"):
        start()


@pytest.mark.parametrize("in_process", [False, True])
def test_an_application_needs_no_lifespan(in_process: bool) -> None:
    """Django's has none, and says so by an error; ASGI wants a server to go on."""

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await PlainTextResponse("bare")(scope, receive, send)

    server = serve(bare, in_process=in_process).start()
    with http_client() as http:
        assert http.get(server.url).text == "bare"
        server.stop()
        with pytest.raises(httpx.ConnectError):
            http.get(server.url)


def test_an_application_that_does_not_come_up_is_not_waited_for() -> None:
    """As over a socket, connections are refused."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    async def ignorant(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    for application in (broken, ignorant):
        server = serve(application, in_process=True).start()
        assert not server.running
        with httpx.Client(transport=Transport()) as http, pytest.raises(httpx.ConnectError):
            http.get(server.url)
        server.stop()
