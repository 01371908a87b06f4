"""A reader's own server: a real buyer arrives at its route, and the cell that waits goes on when the route is done."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from amazonpay_nb import show, workbench
from amazonpay_nb.client.button import express_payload, set_up_payload, sign_button
from amazonpay_nb.client.guide import complete_set_up
from amazonpay_nb.shop import Arrival, Attempt
from amazonpay_nb.workbench import Workbench
from tests.kernels import PortlessKernel
from tests.processes import PATIENCE

HERE = Starlette(routes=[Route("/", lambda request: PlainTextResponse("here"))])


@pytest.fixture
def wb() -> Iterator[Workbench]:
    with workbench.open(buyer="script") as bench:
        bench.set_up_keys()
        yield bench


def come_back(wb: Workbench, attempt: Attempt, **script: str) -> Arrival:
    """Let the scripted buyer go from the button to the return address of an attempt."""
    payload = set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)
    return asyncio.run(wb.show_button(attempt, sign_button(payload, wb.keys)).returned(**script))


def test_the_buyer_returns_to_the_route_which_completes(wb: Workbench) -> None:
    """The wallet is there when the wait is over, and the journal has the buyer's way before the server's calls."""
    wallets: dict[str, str | None] = {}

    def route(request: Request) -> PlainTextResponse:
        session = complete_set_up(wb.client, request.query_params["amazonCheckoutSessionId"])
        wallets[request.path_params["token"]] = session.charge_permission_id
        return PlainTextResponse("saved")

    attempt = wb.serve(Starlette(routes=[Route("/result/{token}", route)])).new_attempt()
    arrival = come_back(wb, attempt)
    (wallet,) = wallets.values()
    assert wb.client.get_charge_permission(str(wallet)).state == "Chargeable"
    assert list(wallets) == [attempt.token]
    assert arrival.kind == "result"
    lines = [line.partition(": ")[2] for line in wb.diagram().text().splitlines()]
    assert lines.index("back at the result address") < next(n for n, line in enumerate(lines) if "complete" in line)


def test_a_reload_reaches_the_route_and_is_no_second_arrival(wb: Workbench) -> None:
    """The route is called each time; the attempt keeps its first arrival, whatever address is opened."""
    visits: list[str] = []

    def route(request: Request) -> PlainTextResponse:
        visits.append(request.url.path)
        return PlainTextResponse("welcome back")

    server = wb.serve(Starlette(routes=[Route("/{kind}/{token}", route)]))
    attempt = server.new_attempt()
    assert httpx.get(f"{server.url}/other/{attempt.token}").text == "welcome back"
    assert not attempt.arrival.done()
    arrival = come_back(wb, attempt, ending="cancel")
    assert httpx.get(f"{attempt.result_url}?amazonCheckoutSessionId=another").status_code == 200
    assert attempt.arrival.result() == arrival == Arrival("cancel", "")
    assert len(visits) == 3
    assert wb.diagram().text().count("back at the") == 1


def test_a_route_that_fails_does_not_keep_the_cell_waiting(wb: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """The buyer sees an error page of the server's, the reader the reason, and the arrival counts."""

    def route(request: Request) -> PlainTextResponse:
        raise LookupError("no such customer")

    attempt = wb.serve(Starlette(routes=[Route("/result/{token}", route)])).new_attempt()
    assert come_back(wb, attempt).kind == "result"
    wb.close()  # waits until the server has written its log
    assert "no such customer" in caplog.text


def test_it_answers_as_long_as_the_workbench_and_to_this_machine_only() -> None:
    """Its port is in no output that is compared."""
    with workbench.open(buyer="script") as bench:
        server = bench.serve(HERE)
        assert httpx.get(server.url).text == "here"
        assert httpx.get(server.url, headers={"host": "shop.example"}).status_code == 403
        assert repr(server) == "Your server: http://127.0.0.1:PORT"
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_its_address_says_which_routes_it_has(wb: Workbench) -> None:
    """Nobody is sent there but who follows the link; an application that answers there, or elsewhere, goes on."""

    def come_back(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.path_params["token"])

    routes = [Route("/result/{token}", come_back), Route("/<orders>", come_back, methods=["POST"])]
    server = wb.serve(Starlette(routes=routes))
    page = httpx.get(f"{server.url}/")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert "<code>GET /result/{token}</code>, answered by <code>come_back</code>" in page.text
    assert "<code>POST /&lt;orders&gt;</code>" in page.text
    assert httpx.get(f"{server.url}/result/7").text == "7"
    assert httpx.get(f"{server.url}/else").status_code == 404
    assert httpx.post(f"{wb.serve(HERE).url}/").status_code == 405
    assert httpx.get(wb.serve(GZipMiddleware(Starlette(routes=routes))).url).status_code == 404


def test_it_names_the_cell_that_has_made_it() -> None:
    """By its number and its lines."""
    make = "from amazonpay_nb import workbench\nfrom starlette.applications import Starlette\n"
    make += "from starlette.routing import Route\nwb = workbench.open()"
    serve = "buyerToken = 'tok_4f9c2e7a5b1d'\nserver = wb.serve(Starlette(routes=[Route('/paid', print)]))  # <mine>"
    read = "import urllib.request as web; print(web.urlopen(server.url).read().decode())"
    cells = [new_code_cell(source) for source in (make, serve, read)]
    NotebookClient(
        new_notebook(cells=cells), kernel_manager_class=PortlessKernel, iopub_timeout=PATIENCE,
        shutdown_kernel="immediate",
    ).execute()  # fmt: skip
    page = cells[-1].outputs[0].text
    assert "tok_4f9c2e7a5b1d" not in page, "everybody on the machine can open it"
    assert "Cell [2] of your notebook made it:" in page
    assert "[Route(&#x27;/paid&#x27;, print)]))  # &lt;mine&gt;</pre>" in page


def test_a_person_sees_ports_and_fingerprints() -> None:
    """What nobody compares need not repeat; when the person's workbench closes, outputs repeat again."""
    with workbench.open(buyer="you") as bench:
        keys = bench.set_up_keys()
        url = bench.shop.new_attempt().result_url
        seen = show({"address": url}).text + show(keys).text + show(bench.check_keys()).text
        assert url in seen
        assert seen.count(keys.fingerprint) == 2
        assert repr(bench.serve(HERE)).startswith("Your server: http://127.0.0.1:")
        assert "PORT" not in seen
    again = show({"address": url}).text + show(keys).text
    assert "127.0.0.1:PORT" in again
    assert keys.fingerprint not in again


def test_the_buyer_orders_at_the_return_address_of_the_first_visit(wb: Workbench) -> None:
    """One route shows the review page and takes the order; to open its page again is no return."""

    def review(request: Request) -> HTMLResponse | RedirectResponse:
        if request.method != "POST":
            return HTMLResponse("<form method='post'><button>Order</button></form>")
        session = wb.client.update_checkout_session(
            request.query_params["amazonCheckoutSessionId"],
            web_checkout_details={"checkoutResultReturnUrl": attempt.result_url},
            payment_details={"paymentIntent": "Authorize", "chargeAmount": wb.amount},
        )
        return RedirectResponse((session.web_checkout_details or {})["amazonPayRedirectUrl"], 303)

    def result(request: Request) -> PlainTextResponse:
        return PlainTextResponse("back")

    routes = [Route("/review/{token}", review, methods=["GET", "POST"]), Route("/result/{token}", result)]
    attempt = wb.serve(Starlette(routes=routes)).new_attempt()
    payload = express_payload(wb.store_id, review_url=attempt.review_url)
    page = wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayOnly")
    first = asyncio.run(page.returned())
    address = f"{attempt.review_url}?amazonCheckoutSessionId={first.checkout_session_id}"
    second = asyncio.run(wb.hosted_page(attempt, address, start="review").returned())
    assert (first.kind, second) == ("review", Arrival("result", first.checkout_session_id))
    assert wb.client.complete_checkout_session(first.checkout_session_id, charge_amount=wb.amount).charge_id
    assert wb.diagram().text().count("back at the review address") == 1
