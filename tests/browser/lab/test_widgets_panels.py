"""Each panel by clicks: keys, button, page, cards and payment desk, with what goes wrong and what is not possible."""

import pytest
from playwright.sync_api import expect

from tests.browser.jupyterlab import Lab, OpenNotebook
from tests.browser.person import AGREE, Person, reads
from tests.processes import until

pytestmark = pytest.mark.browser

OPEN = """\
from amazonpay_nb import workbench
wb = workbench.open()
"""
# A wallet is there when the person comes; a script has set it up.
WALLET = """\
from amazonpay_nb import workbench
wb = workbench.open(buyer="script")
keys = wb.set_up_keys()
arrival = await wb.play_set_up()
session = wb.client.complete_checkout_session(arrival.checkout_session_id)
wb.buyer = "you"
"""
KEYS = """\
from dataclasses import replace
from amazonpay_nb.signing.keys import generate, save
from amazonpay_nb.workbench.panels.keys import KeyPanel
other = generate()
_ = save(other, "other.pem", overwrite=True)
KeyPanel(wb)
"""
BUTTON = """\
from amazonpay_nb.workbench.panels.button import ButtonPanel
_ = wb.set_up_keys()
ButtonPanel(wb)
"""
CHOOSE = """\
from amazonpay_nb.workbench.panels import chooser
chooser()
"""
PAGE = """\
from amazonpay_nb.workbench.panels.button import PagePanel
_ = wb.set_up_keys()
panel = PagePanel(wb)
panel
"""
CARDS = """\
from amazonpay_nb.workbench.panels.cards import cards
cards(wb)
"""
PANELS = """\
from amazonpay_nb.workbench.panels import panels
panels(wb)
"""
DESK = """\
from amazonpay_nb.workbench.panels.cards import Desk
Desk(wb)
"""


def shown(notebook: OpenNotebook, *sources: str) -> Person:
    """Run cells, and sit down in front of what they show."""
    for source in sources:
        notebook.run_cell(source)
    notebook.finish()
    assert not notebook.refusals()
    return Person(notebook, ".jp-Notebook")


def test_keys_are_made_loaded_and_checked(lab: Lab) -> None:
    """What is wrong with a key is said in its place, and the pair in use stays the one it was."""
    # As another region's account would name it.
    asks = "wb.key_pair, wb._client = replace(wb.keys, public_key_id='SANDBOX-' + 'A' * 24), None"
    with lab.new(OPEN, KEYS, asks) as notebook:
        person = shown(notebook, OPEN, KEYS)
        reads(person.panel, "never leaves this machine", "is uploaded to Amazon", "travels with each request")
        expect(person.button("load")).to_be_disabled()
        reads(person.panel, "Say which: a file, or a private key.")

        person.types("private_key_file", "mine.pem")
        person.clicks("create")
        reads(person.said, "mine.pem, mode 0600", "registered with the emulator")
        assert notebook.value("__import__('os').stat('mine.pem').st_mode & 0o777") == "384"
        made = notebook.value("wb.keys.fingerprint")

        person.types("private_key_file", "")
        for text, finding in (
            (notebook.value("print(other.public_pem) or other.public_pem"), "This is a public key, not a private key."),
            ("nonsense", "This is not a key in PEM."),
        ):
            person.types("private_key", text.strip("'").replace("\\n", "\n"), "textarea")
            person.clicks("check")
            reads(person.said, finding)
            expect(person.field("private_key", "textarea")).to_have_value("")  # a secret does not stay on the screen
            person.types("private_key", text, "textarea")
            person.clicks("load")
            reads(person.said.get_by_role("alert"), finding)
        person.types("private_key_file", "other.pem")
        person.types("public_key_id", "LIVE-" + "A" * 24)
        person.clicks("load")
        reads(person.said.get_by_role("alert"), "A live key does not fit the environment emulator.")
        assert notebook.value("wb.keys.fingerprint") == made

        person.types("public_key_id", "")
        person.clicks("check")
        reads(person.said, "RSA key of 2048 bits", "File mode 0600")
        person.clicks("load")
        reads(person.said, "other.pem, mode 0600")
        assert notebook.value("wb.keys.fingerprint == other.fingerprint") == "True"
        person.clicks("ask_amazon")
        reads(person.said, "knows the key", "→ 404 ResourceNotFound")

        notebook.run_cell(asks)
        notebook.finish()
        person.clicks("ask_amazon")
        reads(person.said, "another region or environment", "It was not accepted for SANDBOX-AAAA")
        assert not notebook.errors


def test_a_few_questions_open_the_chapter(lab: Lab) -> None:
    """Nothing is answered beforehand; the link opens the notebook beside this one, in the same JupyterLab."""
    with lab.new(CHOOSE) as notebook:
        person = shown(notebook, CHOOSE)
        expect(person.panel.locator("button.mod-active")).to_have_count(0)
        expect(person.panel.get_by_role("link")).to_have_count(0)
        person.option("purpose", "to pay for an order").click()
        person.option("final", "no").click()
        person.option("ships", "yes").click()
        reads(person.panel, "The buyer chooses at Amazon", "PayAndShip")
        person.option("purpose", "to save Amazon Pay for later").click()
        person.option("signed_in", "no").click()
        reads(person.panel, "One consent signs the visitor in")
        notebook.ask("await app.serviceManager.contents.copy('notebooks/' + given[0], 'notebooks/' + given[1]);", [
            notebook.ask("return panel.context.localPath.split('/').pop();"), "04_sign_in_and_set_up.ipynb",
        ])  # fmt: skip
        person.panel.get_by_role("link", name="Sign in and set up").click()
        opened = notebook.page.locator(".lm-DockPanel-tabBar .lm-mod-current", has_text="04_sign_in_and_set_up.ipynb")
        expect(opened).to_be_visible()
        notebook.ask(
            "const [tab] = app.shell.widgets('main')"
            ".filter((one) => one.context?.path.endsWith('04_sign_in_and_set_up.ipynb')); tab.dispose();"
        )
        assert not notebook.errors


def test_a_button_is_chosen_and_shown(lab: Lab) -> None:
    """Every choice changes payload or picture."""
    with lab.new(OPEN, BUTTON) as notebook:
        person = shown(notebook, OPEN, BUTTON)
        reads(person.panel, "Set up outside of the purchase flow", "AMZN-PAY-RSASSA-PSS-V2", "chargePermissionType")
        expect(person.field("amount")).to_be_disabled()
        reads(person.panel, "Nothing is bought")

        person.option("flow", "Set up with end of checkout").click()
        reads(person.panel, "paymentDetails.chargeAmount")
        expect(person.option("language", "de_DE")).to_have_count(0)
        reads(person.panel, "de_DE, fr_FR, it_IT, es_ES, ja_JP: North America does not offer it.")
        person.types("amount", "none")
        expect(person.button("offer")).to_be_disabled()
        reads(person.panel, "amount='none' cannot be used: 'none' is not a number.")
        person.types("amount", "9.50")
        person.field("scopes", "select").select_option("email")
        person.option("color", "DarkGray").click()
        person.option("product_type", "PayOnly").click()
        reads(person.panel, '"amount": "9.50"', "DarkGray, en_US, placement Checkout")
        person.clicks("offer")
        frame = notebook.page.locator("iframe.amazonpay-page").content_frame
        expect(frame.get_by_role("button", name="Amazon Pay emulated")).to_have_css(
            "background-color", "rgb(58, 69, 83)"
        )
        expect(frame.locator("body")).to_contain_text("9.50")

        assert not notebook.errors


def test_a_page_is_waited_for_beside_the_kernel(lab: Lab) -> None:
    """It says where the buyer is; another cell is answered meanwhile; a late buyer is told, and welcome."""
    free, short, long = "6 * 7", "wb.wait_seconds = 0.5", "wb.wait_seconds = 300"
    with lab.new(OPEN, PAGE, free, short, long) as notebook:
        person = shown(notebook, OPEN, PAGE)
        person.clicks("start")
        expect(person.panel).to_contain_text("The page is open, and the shop is waiting for the buyer.")
        tracker = person.panel.locator(".amazonpay-tracker")
        reads(tracker, "press the button, then go through to the end and agree. You are here: The shop's page")
        reads(tracker, "About 5 minutes left. Open the page in a tab")
        notebook.run_cell(free)
        notebook.wait_for_output('"42"')
        notebook.run_cell(short)
        notebook.finish()
        assert notebook.value("panel.waiting") == "True"

        person.clicks("start")
        reads(person.panel, "The buyer did not come back within 0.5 seconds. The page is still open.")
        person.presses("Amazon Pay emulated")
        reads(tracker, "press “Sign in”. You are here: Sign in with your Amazon account. Open the page in a tab")
        person.presses(*AGREE)
        notebook.frames.content_frame.get_by_role("heading", name="Welcome back").wait_for()
        reads(person.panel, "The buyer is back.", "amazonCheckoutSessionId", "Complete Checkout Session")
        expect(tracker).to_have_count(0)

        notebook.run_cell(long)
        notebook.finish()
        person.clicks("start")
        reads(person.panel, "The page is open, and the shop is waiting for the buyer.")
        person.presses("Amazon Pay emulated", "Cancel and return to Emulated Shop")
        reads(person.panel, "The buyer has left Amazon's pages without agreeing.", "nothing was saved")
        assert not notebook.errors


def test_a_card_says_what_is_not_possible_and_why(lab: Lab) -> None:
    """Gray buttons have the reason beside them; what is possible says what is sent."""
    with lab.new(WALLET, CARDS) as notebook:
        shown(notebook, WALLET, CARDS)
        person = Person(notebook)
        reads(person.panel, "● Completed")
        expect(person.button("update_checkout_session")).to_be_disabled()
        reads(person.panel, 'Checkout Session is Completed: "Update Checkout Session" is not possible')
        person.opens("Charge Permission")
        reads(person.panel, "no answer has shown its state yet")
        person.clicks("get_charge_permission")
        person.clicks("update_charge_permission")
        reads(person.said, "PATCH", "→ 200 Chargeable", "None: it has no effect on Update Charge Permission.")
        person.clicks("close_charge_permission")
        reads(person.panel, "● Closed")
        expect(person.button("create_charge")).to_be_disabled()
        reads(person.panel, 'Charge Permission is Closed: "Create Charge" is not possible')
        person.opens("Refund")
        reads(person.panel, "There is no Refund yet.")
        assert not notebook.errors


def test_a_cell_is_followed_by_a_panel_of_its_own(lab: Lab) -> None:
    """Nobody touches the desk; it has the wallet that a cell has got, and the charge."""
    charge = "wallet = wb.client.get_charge_permission(session.charge_permission_id)"
    with lab.new(WALLET, DESK, charge) as notebook:
        person = shown(notebook, WALLET, DESK)
        expect(person.button("create_charge")).to_be_disabled()
        notebook.run_cell(charge)
        expect(person.button("create_charge")).to_be_enabled()
        reads(person.panel, "is Chargeable. As of the answer at ")
        assert not notebook.errors


HOLD = """
import pathlib, time
from amazonpay_nb.workbench.panels.form import LATE
with desk.form._lock:
    pathlib.Path("held").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    time.sleep(LATE)
"""


def test_a_corrected_amount_is_charged_or_none(lab: Lab) -> None:
    """Where the panel is slow, JupyterLab holds back all changes of a field but the first, and no press."""
    desk = DESK.replace("Desk(wb)", "(desk := Desk(wb))")
    with lab.new(WALLET, desk, HOLD) as notebook:
        person = shown(notebook, WALLET, desk)
        person.clicks("get_charge_permission")
        notebook.run_cell(HOLD)
        assert until((lab.root / "notebooks" / "held").exists)
        person.types("amount", "250")
        person.types("amount", "25.50")
        with person.answered():
            person.button("create_charge").click()
            (lab.root / "notebooks" / "go").touch()
        reads(person.said, "Yes: nothing was done.", "You pressed when the kernel was busy")
        notebook.finish()
        charged = "[row['chargeAmount']['amount'] for row in wb.journal.known.of('Charge').values()]"
        assert notebook.value(charged) == "[]"
        person.clicks("create_charge")
        assert notebook.value(charged) == "['25.50']"
        assert not notebook.errors


def test_a_lost_answer_a_refusal_and_an_update(lab: Lab) -> None:
    """One charge for two clicks; a state that says it is old; a buyer who cancels the update has another try."""
    with lab.new(WALLET, DESK) as notebook:
        person = shown(notebook, WALLET, DESK)
        person.clicks("get_charge_permission")
        expect(person.button("again")).to_be_disabled()
        person.field("lose_the_answer").check()
        person.clicks("create_charge")
        reads(person.said.get_by_role("alert"), "No answer to POST")
        person.clicks("again")
        reads(person.panel, ", and 1 Charge: ")
        person.field("lose_the_answer").uncheck()
        person.chooses("simulation_code", "HardDeclined")
        person.clicks("create_charge")
        reads(person.panel, "after that came HardDeclined: ask again.")
        person.clicks("get_charge_permission")
        reads(person.panel, "is NonChargeable. As of the answer at ")
        person.button("repair").click()
        frame = notebook.page.locator("iframe.amazonpay-page")
        expect(frame).to_be_in_viewport(ratio=0.5)
        reads(person.said, "Waiting for the buyer, on the page below.")
        expect(person.button("get_charge_permission")).to_be_enabled()
        tracker = person.panel.locator(".amazonpay-tracker")
        reads(
            tracker,
            "press the button, then choose the Mastercard that ends in 4444 and agree. You are here: The shop's",
        )
        notebook.press("Update your payment method", "Cancel and return to Emulated Shop")
        reads(
            tracker, "You canceled, so nothing was agreed. This panel wants you to choose the Mastercard that ends in"
        )
        notebook.press("Update your payment method", "Sign in")
        reads(tracker, "choose the Mastercard that ends in 4444. You are here: ")
        person.takes_another_card()
        notebook.press("Continue")
        reads(person.said, "Charge Permission NonChargeable → Chargeable: “Update the payment method” (buyer)")
        expect(tracker).to_have_count(0)
        assert not notebook.errors


def test_time_and_notifications_by_clicks(lab: Lab) -> None:
    """A hold expires after days; the shop hears of it, and reads the message."""
    hold = "_ = wb.client.create_charge(charge_permission_id=session.charge_permission_id, charge_amount=wb.amount)"
    with lab.new(WALLET, hold, PANELS) as notebook:
        shown(notebook, WALLET, hold, PANELS)
        person = Person(notebook)
        person.opens("Notifications")
        person.clicks("listen")
        person.opens("Clock")
        reads(person.panel, "it is Canceled 30 days after it became Authorized")
        person.types("days", "31")
        person.clicks("advance")
        reads(person.said, "31 days later.", ": Expire")
        person.opens("Notifications")
        person.clicks("work")
        reads(person.panel, "Canceled", "What arrived, as JSON", "NotificationId")
        person.clicks("redeliver")
        reads(person.said, "is sent again.")
        expect(person.button("work")).to_be_enabled()
        assert not notebook.errors


def test_the_desk_does_all_that_can_be_done_with_money(lab: Lab) -> None:
    """Hold, capture a part, refund, be declined, cancel, close; chart, ledger and limit follow."""
    with lab.new(WALLET, DESK) as notebook:
        person = shown(notebook, WALLET, DESK)
        reads(person.panel, "No money has moved yet.", "$0.00 of $15,000.00")
        person.clicks("get_charge_permission")
        person.types("amount", "20.00")
        person.chooses("charge_initiator", "CITU")
        person.chooses("channel", "Web")
        person.field("capture_now").uncheck()
        person.clicks("create_charge")
        reads(person.said, "→ 201 Authorized")
        reads(person.panel, "$20.00 of $15,000.00", "The money, step by step")
        person.types("amount", "12.00")
        person.clicks("capture_charge")
        reads(person.said, "→ 200 Captured", "Charge Authorized → CaptureInitiated")
        person.types("amount", "5.00")
        person.clicks("create_refund")
        reads(person.said, "→ 201 RefundInitiated")
        person.clicks("wait")
        person.clicks("get_refund")
        reads(person.said, "Refunded")
        chart = person.panel.locator("svg", has_text="The money, step by step").locator("desc")
        expect(chart).to_contain_text("$12.00")
        expect(chart).to_contain_text("$5.00")
        reads(person.panel.locator("table", has_text="Ledger"), "createCharge", "captureCharge", "createRefund")

        person.chooses("simulation_code", "SoftDeclined")
        person.clicks("create_charge")
        reads(person.said.get_by_role("alert"), "SoftDeclined")
        reads(person.panel, "is Chargeable")  # the wallet is as it was
        person.chooses("simulation_code", "none")
        person.clicks("create_charge")
        reads(person.said, "→ 201 Authorized")
        person.clicks("cancel_charge")
        reads(person.said, "→ 200 Canceled")
        expect(person.button("capture_charge")).to_be_disabled()
        reads(person.panel, 'Charge is Canceled: "Capture Charge" is not possible')
        person.clicks("close_charge_permission")
        reads(person.said, "→ 200 Closed")
        expect(person.button("create_charge")).to_be_disabled()
        held = "[f'{name} {sum:f}' for sums in wb.journal.totals().values() for name, sum in sums.items()]"
        assert notebook.value(held) == "['authorized 0.00', 'captured 12.00', 'refunded 5.00', 'balance 7.00']"
        assert notebook.value("[e.request.get('chargeInitiator') for e in wb.journal.exchanges if e.request]")
        assert not notebook.errors
