"""The servers of the chapters, where the answer to Complete is missing: nobody knows whether the buyer has paid."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from amazonpay_nb.runs.notebook import find_notebooks
from amazonpay_nb.runs.runner import run

# How each chapter's buyer pays once more, after the cell that makes it possible.
PAYS = {
    "02": ("def new_order(", """
visit, signed = new_order()
back = await wb.show_button(visit, signed, product_type="PayAndShip", cart=attempt.cart).returned()
lose()
your_page = f"{visit.review_url}?amazonCheckoutSessionId={back.checkout_session_id}"
arrival = await wb.hosted_page(visit, your_page, start="review").returned()
"""),
    "03": ("def pay_button(", """
page, visit = pay_button(), None
lose()
arrival = await page.returned()
visit = page.attempt
"""),
}  # fmt: skip
LOOKS = """
from amazonpay_nb.loopback import http_client

def lose():
    for operation, fault, times, status in FAULTS:
        wb.director.inject_fault(operation, fault, times=times, **({"status": status} if status else {}))

def load(attempt):
    known = {"amazonCheckoutSessionId": arrival.checkout_session_id, "shown": "1"}
    with http_client() as browser:
        return browser.get(attempt.result_url, params=known)
"""
PAID = """
first, second = [f"{answer.status_code} {answer.text}" for answer in (load(visit), load(visit))]
assert first.startswith(SAYS), first
assert second.startswith("200 Thank you"), second
order = orders[visit.token]
(charge,) = [row for row in wb.emulator.control.get("objects/charges")["objects"] if row["chargeId"] == order["charge"]]
assert charge["chargeAmount"] == order["total"]
"""
SHOP = """
from amazonpay_nb.errors import AmazonPayError

page = pay_button(at=wb.shop)
arrival = await page.returned()
lose()
try:
    wb.client.complete_checkout_session(arrival.checkout_session_id, charge_amount=wb.amount)
except AmazonPayError:
    assert "We do not know yet" in load(page.attempt).text
else:
    raise AssertionError("The answer came.")
wb.client.get_checkout_session(arrival.checkout_session_id)
assert "Thank you for your order" in load(page.attempt).text
"""


def error_of(chapter: str, before: str, *cells: str, folder: Path) -> str | None:
    """Return the error of a chapter that is cut after the cell with the text *before*, and goes on with others."""
    (path,) = find_notebooks([chapter])
    document = nbformat.read(path, as_version=4)
    (place,) = [number for number, cell in enumerate(document.cells) if before in cell.source]
    document.cells = [*document.cells[: place + 1], *(new_code_cell(source.strip()) for source in cells)]
    nbformat.write(document, folder / "chapter.ipynb")
    return run([folder / "chapter.ipynb"], {}, out=folder / "out").runs[0].error


COMPLETE, GET, LOST = "completeCheckoutSession", "getCheckoutSession", "drop-after-commit"
# Four attempts are a load of the page: the first is that of the buyer who comes back, and the next sees what is said.
FAULTS = {
    "lost": [(COMPLETE, LOST, 4, None)],
    "lost, 503": [(COMPLETE, LOST, 1, None), (COMPLETE, "status", 3, 503)],
    "lost, 429": [(COMPLETE, LOST, 1, None), (COMPLETE, "status", 3, 429)],
    "503": [(COMPLETE, "status", 8, 503)],
    "429": [(COMPLETE, "status", 8, 429)],
    "not read": [(GET, "status", 8, 429)],
}


@pytest.mark.parametrize(
    ("chapter", "faults"),
    [
        pytest.param(chapter, faults, id=f"{chapter}, {name}")
        for name, faults in FAULTS.items()
        for chapter in PAYS
        if (chapter, name) != ("02", "not read")  # there, the page before it reads the session
    ],
)
def test_a_lost_answer_is_no_refusal(chapter: str, faults: list[tuple[Any, ...]], tmp_path: Path) -> None:
    """The buyer is not told to start again, and a reload of the page shows the order as paid, once."""
    before, pays = PAYS[chapter]
    says = "503 We do not know yet" if len(faults) == 1 and faults[0][1] == "status" else "200 Thank you"
    shop = [SHOP] if chapter == "03" and all(fault[0] == COMPLETE for fault in faults) and says[:3] == "200" else []
    more = (f"FAULTS, SAYS = {faults}, {says!r}", LOOKS, pays, PAID, *shop)
    assert error_of(chapter, before, *more, folder=tmp_path) is None


GATEWAY = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

def refuse(request, error):
    return PlainTextResponse("Bad Request", 400)

gateway = wb.serve(Starlette(exception_handlers={404: refuse}))

def behind_gateway(call, *values):
    http = wb.client.sender.http
    amazon, http.base_url = http.base_url, gateway.url
    try:
        return call(*values)
    finally:
        http.base_url = amazon
"""
RELOADS = """
said = [f"{answer.status_code} {answer.text}" for answer in (behind_gateway(load, visit), load(visit))]
assert [words[:13] for words in said] == ["503 We do not", "200 Thank you"], said
"""


@pytest.mark.parametrize("chapter", PAYS)
def test_a_gateway_says_nothing_of_a_lost_answer(chapter: str, tmp_path: Path) -> None:
    """It refuses what asks how the session has ended: the buyer who loads the page again is not told to start again."""
    before, pays = PAYS[chapter]
    more = (f"FAULTS = {FAULTS['lost']}", LOOKS, GATEWAY, pays, RELOADS)
    assert error_of(chapter, before, *more, folder=tmp_path) is None


RIDE = """
arrival = await wb.play_set_up()
rider = complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id
rides["4"] = {"wallet": rider, "price": wb.price("21")}
wb.director.inject_fault("createCharge", "drop-after-commit", times=4)
said = [end("4"), behind_gateway(end, "4"), end("4")]
assert said == ["Internal Server Error", "Internal Server Error", "Captured"], said
(charge,) = [row for row in wb.emulator.control.get("objects/charges")["objects"] if row["chargePermissionId"] == rider]
assert charge["chargeId"] == rides["4"]["charge"]
"""


def test_a_gateway_ends_no_charge(tmp_path: Path) -> None:
    """Chapter 05's server keeps the key of a charge whose answer was lost, whoever refuses to look it up."""
    assert error_of("05", "def end(number", GATEWAY, RIDE, folder=tmp_path) is None


PHONES = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

arrival = await wb.play_set_up()
rider = complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id
names, both = [f"4-{number}" for number in range(100)], Barrier(2)
rides |= {name: {"wallet": rider, "price": wb.price("1")} for name in [*names, "5"]}

def at_once(name):
    both.wait()
    return end(name)

def charges():
    objects = wb.emulator.control.get("objects/charges")["objects"]
    return [row["statusDetails"]["state"] for row in objects if row["chargePermissionId"] == rider]

with ThreadPoolExecutor(2) as phones:
    said = {*phones.map(at_once, [name for name in names for _ in range(2)])}
assert (said, charges().count("Captured")) == ({"Captured"}, len(names))

fault = {"operation": "createCharge", "fault": "delay"}
with ThreadPoolExecutor(1) as phones:
    wb.emulator.control.post("faults", **fault, seconds=2)
    late = phones.submit(end, "5")
    while wb.emulator.control.post("faults", operation="getCharge", fault="delay", times=0)["faults"]:
        assert not late.done()
    wb.director.queue_outcome("createCharge", "SoftDeclined")
    said = [end("5"), end("5")]
late.result()
assert [*said, end("5")] == ["try later", "Captured", "Captured"], said
assert charges().count("Captured") == len(names) + 1
"""


def test_a_ride_is_paid_once_whoever_says_so_at_the_same_time(tmp_path: Path) -> None:
    """Two phones of chapter 05 agree on one key, and a decline that comes late drops none but its own."""
    assert error_of("05", "def end(number", PHONES, folder=tmp_path) is None


LIMIT = """
arrival = await wb.play_set_up()
rider = complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id
rides["4"] = {"wallet": rider, "price": wb.price("90000")}
assert (said := end("4")) == "ask the buyer", said
rides["4"]["price"] = wb.price("9")
assert (said := end("4")) == "Captured", said
"""


def test_a_refusal_ends_a_charge(tmp_path: Path) -> None:
    """Amazon keeps it under its key, so the next try of chapter 05's server has another."""
    assert error_of("05", "def end(number", LIMIT, folder=tmp_path) is None
