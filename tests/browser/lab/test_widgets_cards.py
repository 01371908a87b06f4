"""A newcomer goes the whole way by clicks alone: keys, button, page, cards and payment desk, in JupyterLab."""

import ast
import contextlib
import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.jupyterlab import Lab, OpenNotebook
from tests.browser.person import AGREE, SIGNATURE, Keyboard, Person, reads, saves_a_wallet

pytestmark = pytest.mark.browser

OPEN = """\
from amazonpay_nb import workbench
wb = workbench.open(region="{region}")
"""
PANELS = "from amazonpay_nb.workbench.panels import panels\npanels(wb)"
# The same ways with parameters in the place of clicks, and a script in the place of the buyer.
SET_UP = """
from amazonpay_nb import workbench
from amazonpay_nb.errors import DeclinedError, refused
from amazonpay_nb.workbench.panels import panels
wb = workbench.open(region="{region}", buyer="script")
tabs = panels(wb)
session, permission = (tabs["Cards"][name] for name in ("Checkout Session", "Charge Permission"))
charge, desk = tabs["Cards"]["Charge"], tabs["Payment desk"]
tabs["Keys"].act("create", private_key_file="{key_file}")
_ = await tabs["Page"].returned()
session.act("get_checkout_session")
session.act("complete_checkout_session")
_ = permission.act("get_charge_permission")
"""
FIRST_FLOW = """
desk.act("create_charge")
charge.act("create_refund", amount="4.00")
desk.act("wait")
_ = desk.act("get_refund")
"""
RECOVERY = """
with refused(DeclinedError):
    desk.act("create_charge", simulation_code="HardDeclined")
desk.act("get_charge_permission")
_ = await desk.act("repair")
desk.act("get_charge_permission")
_ = desk.act("create_charge")
"""
# What the run's keys, ports and the time of day make different is left out.
TOLD = r"""
import json, re
others = ("headers", "answerHeaders", "at")
told = [{name: value for name, value in row.items() if name not in others} for row in wb.journal.export()]
told = re.sub(r"127\.0\.0\.1:[0-9]+", "127.0.0.1:PORT", json.dumps(told))
"""
CHALLENGE = "Confirm: it is me"
UPDATE = "Update your payment method"


def held(notebook: OpenNotebook) -> str:
    return notebook.value("[f'{name} {sum:f}' for sums in wb.journal.totals().values() for name, sum in sums.items()]")


@contextlib.contextmanager
def panels(lab: Lab, region: str) -> Iterator[tuple[OpenNotebook, Person]]:
    """Open a workbench and its panels; the person sits in front of them."""
    with lab.new(OPEN.format(region=region), PANELS, TOLD) as notebook:
        notebook.run_cell(OPEN.format(region=region))
        notebook.run_cell(PANELS)
        notebook.finish()
        yield notebook, Person(notebook)


def journal_of(notebook: OpenNotebook) -> list[dict[str, object]]:
    """The journal: steps of the buyer, and of each request method, path, key, redacted body, status and answer."""
    notebook.run_cell(TOLD)
    notebook.finish()
    told: list[dict[str, object]] = json.loads(ast.literal_eval(notebook.value("told")))
    return told


def told_by_parameters(lab: Lab, region: str, *way: str) -> list[dict[str, object]]:
    """The journal of the same way, in a kernel of its own."""
    sources = (SET_UP.format(region=region, key_file=f"{region}-script.pem"), *way, TOLD)
    with lab.new(*sources) as notebook:
        notebook.run_all()
        notebook.finish()
        assert not notebook.refusals()
        return journal_of(notebook)


def test_a_newcomer_goes_through_the_first_flow_by_clicks_alone(lab: Lab) -> None:
    """From no keys to a refund; no cell is typed after the panels are there, and parameters leave the same journal."""
    with panels(lab, "na") as (notebook, person):
        saves_a_wallet(person, "first.pem")
        person.opens("Payment desk")
        person.clicks("create_charge")
        expect(person.panel).to_contain_text("$14.00 of $15,000.00")
        reads(
            person.said, "/v2/charges → 201 Captured", SIGNATURE, "is new, so Amazon does the work",
            "✓ Charge Permission Chargeable → Chargeable: “Create Charge” (merchant)",
            "✓ Charge CaptureInitiated → Captured: “Capture” (Amazon)",
        )  # fmt: skip
        person.opens("Cards", "Charge")
        expect(person.panel).to_contain_text("● Captured")
        expect(person.button("capture_charge")).to_be_disabled()
        person.types("amount", "4.00")
        person.clicks("create_refund")
        reads(
            person.said, "/v2/refunds → 201 RefundInitiated", SIGNATURE, "is new, so Amazon does the work",
            "✓ Charge Captured → Captured: “Create Refund” (merchant)",
        )  # fmt: skip
        person.opens("Payment desk")
        person.clicks("wait")
        person.clicks("get_refund")
        expect(person.said).to_contain_text("Refunded")
        assert held(notebook) == "['authorized 0.00', 'captured 14.00', 'refunded 4.00', 'balance 10.00']"
        assert not notebook.refusals()
        assert not notebook.errors
        by_clicks = journal_of(notebook)
    assert by_clicks[-1]["operation"] == "getRefund"
    assert by_clicks == told_by_parameters(lab, "na", FIRST_FLOW)


def test_a_declined_charge_is_explained_in_place_and_recovered(lab: Lab) -> None:
    """In Europe, with the challenge: declined for good, repaired on the Update page, charged; by parameters too."""
    with panels(lab, "eu") as (notebook, person):
        saves_a_wallet(person, "second.pem", CHALLENGE)
        person.opens("Payment desk")
        person.chooses("simulation_code", "HardDeclined")
        person.clicks("create_charge")
        expect(person.said.get_by_role("alert")).to_contain_text("HardDeclined")
        expect(person.said).to_contain_text("next step")
        reads(
            person.said, "/v2/charges → 422 HardDeclined", SIGNATURE, "so a new attempt needs another",
            "Charge AuthorizationInitiated → Declined: “Decline: HardDeclined” (Amazon, HardDeclined)",
            "and with it, Charge Permission: “Payment method refused by the bank”",
        )  # fmt: skip
        person.chooses("simulation_code", "none")
        person.clicks("get_charge_permission")
        expect(person.button("create_charge")).to_be_disabled()
        expect(person.panel).to_contain_text("Let the buyer change the payment method.")
        person.button("repair").click()
        person.presses(UPDATE)
        person.presses("Sign in")
        person.takes_another_card()
        person.presses("Continue", CHALLENGE)
        expect(person.said.get_by_role("status")).to_contain_text("Completed")
        reads(person.panel, "POST /checkout/initiate", "/complete → 200 Completed")
        person.clicks("get_charge_permission")
        person.clicks("create_charge")
        expect(person.said.get_by_role("status")).to_contain_text("Captured")
        reads(person.said, "/v2/charges → 201 Captured", SIGNATURE, "is new, so Amazon does the work")
        assert held(notebook) == "['authorized 0.00', 'captured 14.00', 'refunded 0.00', 'balance 14.00']"
        assert notebook.value("wb.journal.exchanges[-1].outcome") == "'Captured'"
        assert not notebook.errors
        by_clicks = journal_of(notebook)
    assert by_clicks == told_by_parameters(lab, "eu", RECOVERY)


def test_the_main_path_needs_no_mouse(lab: Lab) -> None:
    """Tab, arrows, Enter and Space alone: keys, button, Amazon's pages, completion, charge and refund."""
    with panels(lab, "na") as (notebook, person):
        keyboard = Keyboard(person)
        person.tab("Keys").focus()  # as somebody comes to it from the cell above
        keyboard.opens("Keys")
        keyboard.writes("private_key_file", "typed.pem")
        keyboard.does("create")
        keyboard.opens("Button")
        keyboard.does("offer")
        keyboard.opens("Page")
        keyboard.does("start")
        for name in ("Amazon Pay emulated", *AGREE):
            keyboard.presses(person.on_page(name))
        expect(person.panel).to_contain_text("The buyer is back.")
        keyboard.opens("Cards")
        keyboard.does("get_checkout_session")
        keyboard.does("complete_checkout_session")
        keyboard.opens("Payment desk")
        keyboard.does("get_charge_permission")
        keyboard.does("create_charge")
        reads(person.said, "→ 201 Captured")
        keyboard.writes("amount", "4.00")
        keyboard.does("create_refund", key="Space")
        reads(person.said, "→ 201 RefundInitiated")
        assert held(notebook) == "['authorized 0.00', 'captured 14.00', 'refunded 4.00', 'balance 10.00']"
        assert len(notebook.code_cells()) == 3  # JupyterLab has taken no key for itself
        assert not notebook.errors
