"""A person looks at what was sent: the wire inspector, the diagram and the error explainer, by clicks in JupyterLab."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.jupyterlab import Lab, OpenNotebook

pytestmark = pytest.mark.browser

# The script goes through the pages, so that a click is needed only where the panels are; they are live all the same.
OPEN = """\
from amazonpay_nb import workbench
from amazonpay_nb.errors import DeclinedError, refused
from amazonpay_nb.workbench.panels.questions import ErrorPanel
from amazonpay_nb.workbench.panels.wire import DiagramPanel, WirePanel
wb = workbench.open(buyer="script")
keys = wb.set_up_keys()
arrival = await wb.play_set_up()
session = wb.client.complete_checkout_session(arrival.checkout_session_id)
wb.buyer = "you"
"""
CHARGE = """\
charge = wb.client.create_charge(charge_permission_id=session.charge_permission_id, charge_amount=wb.amount)
charge.state
"""
DECLINE = """\
with refused(DeclinedError) as refusal:
    wb.client.create_charge(
        charge_permission_id=session.charge_permission_id, charge_amount=wb.amount, simulation_code="HardDeclined"
    )
"""


def panel_of(notebook: OpenNotebook) -> Locator:
    panel = notebook.page.locator(".amazonpay-panel")
    panel.wait_for()
    return panel


def chosen(panel: Locator, field: str) -> Locator:
    return panel.locator(f".amazonpay-field-{field} select")


def test_a_person_reads_why_a_request_was_accepted_and_breaks_it(lab: Lab) -> None:
    """Exchange by exchange, look by look, slip by slip; new requests appear by themselves."""
    with lab.new(OPEN, "WirePanel(wb)", CHARGE) as notebook:
        notebook.run_cell(OPEN)
        notebook.finish()
        notebook.run_cell("WirePanel")
        notebook.finish()
        panel = panel_of(notebook)
        expect(panel).to_contain_text("✓ It fits the public key")
        expect(panel).to_contain_text("200 Completed")

        notebook.run_cell(CHARGE)
        notebook.finish()
        expect(panel).to_contain_text("201 Authorized")  # the panel has followed the run
        chosen(panel, "exchange").select_option(label="1. POST " + first_path(notebook) + " → 200 Completed")
        chosen(panel, "show").select_option(label="Amazon's SDK for Node")
        expect(panel).to_contain_text("client.completeCheckoutSession(")

        chosen(panel, "exchange").select_option(label="The latest")
        chosen(panel, "show").select_option(label="Signature doctor")
        expect(panel).to_contain_text("host: in the lines marked − and +")
        chosen(panel, "slip").select_option(label="The salt has the length of the other algorithm")
        expect(panel).to_contain_text("salt-length: after the canonical request, which is right")
        chosen(panel, "slip").select_option(label="Nothing: the request as it was")
        expect(panel).to_contain_text("✓ the signature is accepted")
        assert not re.search(r"[A-Za-z0-9+/]{300}", panel.inner_text())
        assert notebook.errors == []


def first_path(notebook: OpenNotebook) -> str:
    return notebook.value("wb.journal.exchanges[0].path").strip("'")


def test_code_is_copied_and_a_request_is_changed_and_sent_again(lab: Lab) -> None:
    """One click puts the code into the clipboard; what is refused is explained in its place."""
    with lab.new(OPEN, CHARGE, "WirePanel(wb)") as notebook:
        notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        notebook.run_all()
        notebook.finish()
        panel = panel_of(notebook)
        chosen(panel, "show").select_option(label="Python")
        expect(panel).to_contain_text("client.create_charge(")
        expect(panel.get_by_role("button", name="Copy")).to_have_count(1)  # the view before is gone
        panel.get_by_role("button", name="Copy").click()
        expect(panel.locator(".amazonpay-copy")).to_have_text("Copied")
        copied = notebook.page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == panel.locator("pre").inner_text().strip()
        assert f'base_url": "{notebook.value("wb.emulator.url").strip(chr(39))}' in copied

        chosen(panel, "show").select_option(label="Edit and send again")
        body = panel.locator("textarea")
        expect(body).to_have_value(re.compile(r"14\.00"))
        text = body.input_value()
        body.fill(text.replace("14.00", "-14.00"))
        panel.get_by_label("Under a new key").check()
        panel.locator("button.amazonpay-action-send").click()
        expect(panel.get_by_role("alert")).to_contain_text("is not greater than zero")
        expect(panel).to_contain_text("400 InvalidParameterValue")
        chosen(panel, "exchange").select_option(index=2)
        expect(body).to_have_value(text)
        body.fill(text.replace("14.00", "2.00"))
        panel.locator("button.amazonpay-action-send").click()
        expect(panel.locator(".amazonpay-good")).to_contain_text("2.00")
        assert notebook.errors == []


def test_the_wire_inspector_is_used_by_the_keyboard_alone(lab: Lab) -> None:
    """The focus stays where it is while the body below changes, and JupyterLab keeps its hands off the keys."""
    with lab.new(OPEN, "WirePanel(wb)") as notebook:
        notebook.run_all()
        notebook.finish()
        panel, keyboard = panel_of(notebook), notebook.page.keyboard
        chosen(panel, "exchange").focus()
        keyboard.press("Tab")
        keyboard.press("ArrowDown")
        expect(panel).to_contain_text("step that breaks")
        expect(chosen(panel, "show")).to_be_focused()
        keyboard.press("d")  # twice, in a notebook: delete the cell
        keyboard.press("d")
        expect(chosen(panel, "show")).to_be_focused()
        assert len(notebook.code_cells()) == 2
        assert notebook.errors == []


def test_the_diagram_grows_while_the_run_goes_on(lab: Lab) -> None:
    """A picture without network, and its text."""
    with lab.new(OPEN, "diagram = DiagramPanel(wb)\ndiagram", CHARGE) as notebook:
        notebook.run_all()
        notebook.finish()
        panel = panel_of(notebook)
        expect(panel.locator("svg desc")).to_contain_text("Shop server → Amazon Pay API: POST /v2/charges")
        assert notebook.errors == []


def test_a_refusal_is_explained_and_any_other_can_be_looked_up(lab: Lab) -> None:
    """That which a cell meets after the panel is drawn, and what any means; each with what comes next."""
    with lab.new(OPEN, "ErrorPanel(wb.journal, live=True)", DECLINE) as notebook:
        notebook.run_all()
        notebook.finish()
        panel = panel_of(notebook)
        expect(panel).to_contain_text("The last refusal of this run: POST /v2/charges → 422 HardDeclined")
        expect(panel).to_contain_text("✗ Send it again? No: the same request would be refused again.")
        expect(panel).to_contain_text("✓ Send it again? Yes: a new attempt with a new idempotency key.")
        expect(panel).to_contain_text("create_charge(charge_permission_id=…, charge_amount=…)")
        chosen(panel, "reason_code").select_option("PeriodicAmountExceeded")
        expect(panel).to_contain_text("reached its limit for this calendar month")
        assert notebook.errors == []
