"""The servers of the chapters, where the answer to Complete is missing: nobody knows whether the buyer has paid."""

from pathlib import Path

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
    for fault, times in FAULTS:
        wb.director.inject_fault("completeCheckoutSession", fault, times=times)

def load(attempt):
    known = {"amazonCheckoutSessionId": arrival.checkout_session_id, "shown": "1"}
    with http_client() as browser:
        return browser.get(attempt.result_url, params=known)
"""
PAID = """
answer, order = load(visit), orders[visit.token]
assert (answer.status_code, answer.text[:9]) == (200, "Thank you"), answer.text
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


@pytest.mark.parametrize("faults", [[("drop-after-commit", 4)], [("drop-after-commit", 1), ("status", 3)]], ids=str)
@pytest.mark.parametrize("chapter", PAYS)
def test_a_lost_answer_is_no_refusal(chapter: str, faults: list[tuple[str, int]], tmp_path: Path) -> None:
    """The buyer is not told to start again, and a reload of the page shows the order as paid, once."""
    (path,) = find_notebooks([chapter])
    document, (before, pays) = nbformat.read(path, as_version=4), PAYS[chapter]
    (place,) = [number for number, cell in enumerate(document.cells) if before in cell.source]
    document.cells = document.cells[: place + 1]
    more = (f"FAULTS = {faults}", LOOKS, pays, PAID, *([SHOP] if chapter == "03" else []))
    document.cells += [new_code_cell(source.strip()) for source in more]
    nbformat.write(document, tmp_path / "lost.ipynb")
    assert [one.error for one in run([tmp_path / "lost.ipynb"], {}, out=tmp_path / "out").runs] == [None]
