"""Keys, button and hosted page without Jupyter: what is offered, what is refused with which reason, what is changed."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from amazonpay_nb import workbench
from amazonpay_nb.client.journal import Step
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import browser_address
from amazonpay_nb.shop import Arrival
from amazonpay_nb.shop.buyer import approve, arrive
from amazonpay_nb.shop.payloads import route
from amazonpay_nb.signing import explain_payload, keys as key_files
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.flows import FLOWS, PAGES, QUESTIONS, flow_of, lookup
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.panels.button import ButtonPanel, PagePanel
from amazonpay_nb.workbench.panels.cards import Desk
from amazonpay_nb.workbench.panels.keys import KeyPanel
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import static
from amazonpay_nb.workbench.show.views import annotated
from tests.processes import PATIENCE
from tests.unit.workbench.test_panels_cards import part_of

LIVE_ID = "LIVE-AFVX7ULWSGBZ5535PCUQOY7B"
WALLET = "C01-0000000-0000000"


def opened(region: str = "na") -> Iterator[Workbench]:
    wb = workbench.open(buyer="script", region=region)
    yield wb
    wb.close()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Workbench]:
    """A workbench without keys, in an empty folder."""
    with contextlib.chdir(tmp_path):
        yield from opened()


@pytest.fixture(params=REGIONS)
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench with keys, in each region."""
    for wb in opened(request.param):
        wb.set_up_keys()
        yield wb


def values_of(model: ButtonPanel, **chosen: str) -> dict[str, str]:
    """Every choice: the given ones, and the defaults of the others."""
    return {field.name: str(field.default) for field in model.fields(chosen)} | chosen


def possible(model: ButtonPanel, name: str, **chosen: str) -> list[str]:
    field = next(field for field in model.fields(chosen) if field.name == name)
    return list(field.possible)


# ---- keys --------------------------------------------------------------------------------------------------------


def test_a_created_pair_is_written_for_its_owner_and_signs_from_now_on(bare: Workbench) -> None:
    """The private key has mode 0600, its public half lies beside it, and Amazon Pay accepts what it signs."""
    model = KeyPanel(bare)
    assert "mine.pem, mode 0600" in model.act("create", private_key_file="mine.pem").html
    assert oct(Path("mine.pem").stat().st_mode)[-3:] == "600"
    assert Path("mine.pem.pub").read_text() == bare.keys.public_pem
    assert [ok for ok, _ in model.act("ask_amazon")] == [True]
    assert all(ok for ok, _ in bare.check_keys())


def test_a_file_that_is_there_is_not_written_over(bare: Workbench) -> None:
    """A second pair under the same name is refused, and the first stays in use."""
    model = KeyPanel(bare)
    model.act("create")
    before = bare.keys
    with pytest.raises(ConfigurationError, match="there already"):
        model.act("create")
    assert bare.keys is before


def test_a_file_beside_a_pair_stays_as_it_is(bare: Workbench) -> None:
    """Also where it is a link that came with the folder."""
    Path("keys").mkdir()
    Path("mine").write_text("precious")
    Path("keys/.gitignore").symlink_to("../mine")
    KeyPanel(bare).act("create")
    assert Path("mine").read_text() == "precious"


def test_half_a_pair_is_not_left_behind(bare: Workbench) -> None:
    """Where the public key cannot be written, the private one goes again."""
    Path("mine.pem.pub").touch()
    with pytest.raises(ConfigurationError, match="there already"):
        KeyPanel(bare).act("create", private_key_file="mine.pem")
    assert not Path("mine.pem").exists()


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_a_pair_is_loaded_from_a_file_or_from_what_is_pasted(bare: Workbench, passphrase: str) -> None:
    """The path and the PEM itself lead to the same pair, encrypted or not."""
    made = key_files.generate()
    path = key_files.save(made, "mine.pem", passphrase=passphrase)
    model = KeyPanel(bare)
    for source in ({"private_key_file": str(path)}, {"private_key": path.read_text()}):
        model.act("load", **source, passphrase=passphrase)
        assert bare.keys.fingerprint == made.fingerprint
        assert bare.private_key_file == (path if "private_key_file" in source else None)


MISTAKES = {
    "no key": ("nonsense", "", "not a key in PEM"),
    "the public key": ("PUBLIC", "", "public key, not a private key"),
    "a live key": ("PRIVATE", LIVE_ID, "does not fit the environment emulator"),
    "a misspelled id": ("PRIVATE", "SANDBOX-1", "has not the form"),
}


@pytest.mark.parametrize(("pasted", "key_id", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_is_wrong_with_a_key_is_said_and_changes_nothing(
    bare: Workbench, pasted: str, key_id: str, message: str
) -> None:
    """The check and the refusal say the same, and neither repeats a key."""
    made = key_files.generate()
    text = {"PUBLIC": made.public_pem, "PRIVATE": key_files.save(made, "k.pem").read_text()}.get(pasted, pasted)
    model = KeyPanel(bare)
    given = {"private_key": text, "public_key_id": key_id}
    (wrong,) = (row.text for row in model.act("check", **given) if not row.ok)
    with pytest.raises(ConfigurationError, match=message) as refused:
        model.act("load", **given)
    assert refused.value.message == wrong
    assert text.strip() not in str(refused.value)
    assert bare.key_pair is None


def test_a_key_that_is_pasted_does_not_stay_in_the_form(bare: Workbench) -> None:
    """After the press it is gone, on the page and in the kernel, which remembers other presses."""
    text = key_files.save(key_files.generate(), "k.pem").read_text()
    panel = KeyPanel(bare)
    part_of(panel, "amazonpay-field-private_key").value = text
    part_of(panel, "amazonpay-action-check").click()
    [one.join() for one in threading.enumerate() if one.name == "panel: check"]
    assert panel.outcome
    assert text.splitlines()[1] not in repr(vars(panel.form))


def test_a_key_of_another_region_is_found_by_asking(bare: Workbench) -> None:
    """Nothing in a key tells its region: the account's answer does."""
    bare.set_up_keys()
    other = MerchantKeys("SANDBOX-" + "A" * 24, key_files.generate().private_key)
    bare.key_pair = other  # as a real account's variables would name it; the emulator knows no such key
    ((ok, text),) = KeyPanel(bare).act("ask_amazon")
    assert not ok
    assert "another region or environment" in text


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_by_somebody_before_amazon_accepts_no_key(bare: Workbench, status: int) -> None:
    """A company's proxy that knows no such way says nothing about a signature."""
    bare.set_up_keys()

    def refuse(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("no route", status)

    bare.client.sender.http.base_url = httpx.URL(bare.serve(Starlette(exception_handlers={404: refuse})).url)
    ((ok, text),) = KeyPanel(bare).act("ask_amazon")
    assert (ok, f"answers HTTP {status}: " in text) == (False, True), text


def test_two_keys_at_once_are_refused(bare: Workbench) -> None:
    """A file and a text could disagree."""
    with pytest.raises(ConfigurationError, match="two keys"):
        KeyPanel(bare).act("check", private_key_file="a.pem", private_key="-----")


def test_without_a_pair_each_action_says_what_is_missing(bare: Workbench) -> None:
    """Only to create one is possible."""
    actions = {action.name: action for action in KeyPanel(bare).view({}).actions}
    assert [name for name, action in actions.items() if action.enabled] == ["create"]
    with pytest.raises(ConfigurationError) as refused:
        KeyPanel(bare).act("ask_amazon")
    assert refused.value.advice == actions["ask_amazon"].reason


def test_no_form_of_the_key_panel_shows_the_private_key(bare: Workbench) -> None:
    """Not the text, not the HTML, and in a script not even a fingerprint."""
    panel = KeyPanel(bare)
    panel.act("create")
    lines = Path("keys/amazon-pay-private-key.pem").read_text().splitlines()[1:-1]
    shown = static(panel.view({}))
    assert "mode 0600" in shown.text
    assert not any(line in shown.text or line in shown.html for line in lines)
    assert bare.keys.fingerprint not in shown.text


def test_a_new_key_without_a_name_lands_where_git_does_not_look(bare: Workbench) -> None:
    """In a folder of its owner's, which ignores itself; a second one is refused, as with a name."""
    subprocess.run(["git", "init", "--quiet", "."], check=True)
    KeyPanel(bare).act("create")
    assert [path.stat().st_mode & 0o777 for path in (Path("keys"), bare.private_key_file or Path())] == [0o700, 0o600]
    status = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert not status.stdout
    with pytest.raises(ConfigurationError, match=r"keys/amazon-pay-private-key\.pem is there already"):
        KeyPanel(bare).act("create")


# ---- button ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_every_possible_choice_makes_a_payload_of_its_flow(wb: Workbench, flow: Any) -> None:
    """Whatever the panel lets through holds what the flow's row asks for, and nothing that it forbids."""
    model = ButtonPanel(wb)
    if flow.name not in possible(model, "flow"):
        assert (wb.region.code, flow.name) == ("jp", "update")
        return
    for product_type in possible(model, "product_type", flow=flow.name):
        wallet = WALLET if flow.recognized_by else ""
        values = values_of(model, flow=flow.name, product_type=product_type, charge_permission_id=wallet)
        payload = model.payload(values)
        assert flow_of(payload, product_type) is flow
        assert all(lookup(payload, field) is not None for field in flow.required)
        assert not any(lookup(payload, field) for field in flow.forbidden)


@pytest.mark.parametrize("flow", ["setup", "express", "end-of-checkout", "sign-in", "amazon-sign-in"])
def test_an_offered_button_is_signed_and_leads_to_a_session(wb: Workbench, flow: str) -> None:
    """Amazon's pages accept every product type of a flow, and the buyer comes back to the address of the visit."""
    model = ButtonPanel(wb)
    for product_type in possible(model, "product_type", flow=flow):
        page = model.act("offer", flow=flow, product_type=product_type, scopes="name,email", color="DarkGray")
        config = page.attempt.config
        signed = config.get("createCheckoutSessionConfig") or config["signInConfig"]
        assert (
            explain_payload(signed["payloadJSON"], signed["signature"], signed["algorithm"], wb.keys.public_pem) is None
        )
        payload = json.loads(signed["payloadJSON"])
        assert payload.get("scopes", payload.get("signInScopes")) == ["name", "email"]
        assert (config["buttonColor"], config["productType"]) == ("DarkGray", product_type)
        arrival = asyncio.run(page.returned())
        assert arrival.kind in ("result", "review", "signed-in")


def test_the_update_page_needs_a_wallet(wb: Workbench) -> None:
    """Without one the button is greyed out; in Japan the flow is."""
    if not wb.region.update_page:
        with pytest.raises(ConfigurationError, match="cannot be chosen now"):
            ButtonPanel(wb).act("offer", flow="update", charge_permission_id=WALLET)
        return
    model = ButtonPanel(wb)
    offer, _ = model.view({"flow": "update"}).actions
    assert not offer.enabled
    assert "charge_permission_id" in offer.reason
    page = model.act("offer", flow="update", charge_permission_id=WALLET)
    assert page.attempt.start == "click"


IMPOSSIBLE = {
    "product_type": {"flow": "setup", "product_type": "SignIn"},
    "placement": {"flow": "end-of-checkout", "placement": "Home"},
    "color": {"flow": "update", "color": "DarkGray"},
    "amount": {"flow": "setup", "amount": "99"},
    "scopes": {"flow": "update", "scopes": "name"},
    "charge_permission_id": {"flow": "setup", "charge_permission_id": WALLET},
    "language": {"flow": "setup", "language": "xx_XX"},
}


@pytest.mark.parametrize(("name", "chosen"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_what_does_not_fit_together_is_refused_with_the_reason(name: str, chosen: dict[str, str]) -> None:
    """The parameter is named; the form greys the same value out."""
    for wb in opened("eu"):
        wb.set_up_keys()
        given = {"charge_permission_id": WALLET} if chosen["flow"] == "update" else {}
        with pytest.raises(ConfigurationError, match=f"{name}=") as refused:
            ButtonPanel(wb).act("offer", **given | chosen)
        assert refused.value.advice


def test_an_amount_that_the_currency_has_not_is_refused(wb: Workbench) -> None:
    """Three decimals fit no currency; the payload is not shown, and says why."""
    chosen = {"flow": "express", "amount": "1.234"}
    offer, _ = ButtonPanel(wb).view(chosen).actions
    assert not offer.enabled
    assert "decimals" in offer.reason


def test_every_way_through_the_questions_ends_in_exactly_one_flow() -> None:
    """However they are answered; and every flow can be reached."""
    names = [question.name for question in QUESTIONS]
    ways = itertools.product(*(question.answers for question in QUESTIONS))
    reached = set()
    for way in ways:
        answers = dict(zip(names, way, strict=True))
        assert [row for row in FLOWS.values() if row.answers.items() <= answers.items()] == [route(answers)]
        reached.add(route(answers).name)
    assert reached == set(FLOWS)


def test_goods_are_shipped_or_not(wb: Workbench) -> None:
    """The product type decides whether the payload has an address."""
    model = ButtonPanel(wb)
    page = model.act("offer", flow="end-of-checkout", product_type="PayAndShip")
    payload = json.loads(page.attempt.config["createCheckoutSessionConfig"]["payloadJSON"])
    assert flow_of(payload, "PayAndShip").name == "end-of-checkout"
    assert set(payload["addressDetails"]) >= set(wb.region.required_address_fields)
    assert payload["paymentDetails"]["chargeAmount"] == wb.amount


def test_what_is_shown_explains_every_field_and_repeats(bare: Workbench) -> None:
    """Each field of the payload has a note; nothing in it changes from run to run."""
    bare.set_up_keys()
    panel = ButtonPanel(bare)
    text = static(panel.view({})).text
    for field, _, says in annotated(panel.payload(values_of(panel))):
        assert field in text
        assert says
    assert "127.0.0.1:PORT" in text
    assert "[ Amazon Pay ]" in text
    assert bare.shop.url not in static(panel.view({})).html


def test_without_keys_the_button_says_where_to_get_them(bare: Workbench) -> None:
    """A view sends nothing and fails at nothing."""
    offer, _ = ButtonPanel(bare).view({}).actions
    assert not offer.enabled
    assert "set_up_keys" in offer.reason


def test_the_html_of_the_button_is_saved_and_shown_without_its_signature(bare: Workbench) -> None:
    """The file, for its owner alone, is what one pastes into a page; the screen has the signature's length."""
    bare.set_up_keys()
    panel = ButtonPanel(bare)
    assert not panel.view({}).actions[1].enabled
    config = panel.act("offer").attempt.config
    panel.act("save")
    saved = Path("amazon-pay-button.html")
    assert saved.stat().st_mode & 0o777 == 0o600
    signature = config["createCheckoutSessionConfig"]["signature"]
    assert signature in saved.read_text()
    assert "amazon.Pay.renderButton(" in repr(panel)
    assert signature not in repr(panel)


# ---- hosted page -------------------------------------------------------------------------------------------------


def stays(wb: Workbench) -> list[tuple[str, str, str]]:
    """What the journal has taken down of the buyer's stays."""
    return [(entry.source, entry.target, entry.text) for entry in wb.journal if isinstance(entry, Step)]


def steps(model: PagePanel) -> dict[str, str]:
    return {page: buyer for page, _, buyer in model.steps()}


@pytest.fixture
def model(bare: Workbench) -> PagePanel:
    """A stay that is started."""
    bare.set_up_keys()
    button = ButtonPanel(bare)
    model = PagePanel(bare, lambda: button.act("offer"))
    model.act("start")
    return model


def test_a_stay_is_followed_from_the_shop_to_the_return(bare: Workbench, model: PagePanel) -> None:
    """The panel learns that the buyer is back, notes the stay once, and reads the address."""
    before = model.mark()
    arrive(approve(model.page.url))
    assert model.mark() != before
    assert model.stage == "The buyer is back. Amazon's pages are done."
    assert asyncio.run(model.page.returned()) == model.arrival
    assert [text for _, _, text in stays(bare)].count("back at the result address") == 1
    brought = dict(model.facts(model.page.arrival.result()))
    assert brought["amazonCheckoutSessionId"] == model.page.arrival.result().checkout_session_id
    assert brought["next call"] == "Complete Checkout Session"
    assert steps(model)["the return address"] == "● here"


def test_clicks_and_parameters_leave_the_same_journal(bare: Workbench, model: PagePanel) -> None:
    """Either may wait: the panel for a person, or the cell for a script."""
    arrive(approve(model.page.url))
    assert model.arrival
    by_clicks = stays(bare)
    asyncio.run(PagePanel(bare).returned())
    every = stays(bare)
    assert every == by_clicks * 2


def test_the_emulator_tells_which_page_the_buyer_is_on(bare: Workbench, model: PagePanel) -> None:
    """A buyer who has signed in and no more is at the next page."""
    config = model.page.attempt.config
    signed = config["createCheckoutSessionConfig"]
    form = signed | {"merchantId": config["merchantId"], "productType": "PayAndShip", "ledgerCurrency": "USD"}
    assert steps(model)["the page with the button"] == "● here"
    before = model.mark()
    with httpx.Client(base_url=bare.emulator.url, follow_redirects=True) as http:  # type: ignore[union-attr]
        http.post("/checkout/initiate", data=form).raise_for_status()
    assert model.mark() != before
    assert steps(model)["Sign in with your Amazon account"] == "● here"
    assert steps(model)["Choose how to pay"] == "ahead"


def test_a_page_that_was_not_shown_is_not_behind(bare: Workbench, model: PagePanel) -> None:
    """A wallet without a purchase asks for no address, and North America for no challenge."""
    asyncio.run(model.returned())
    shown = steps(model)
    assert [shown[PAGES[name]] for name in ("sign-in", "payment-method", "consent")] == ["behind"] * 3
    assert {shown[page] for page in shown if page in (PAGES["shipping-address"], PAGES["challenge"])} == {"not shown"}


def test_a_late_buyer_is_told_and_welcome(bare: Workbench, model: PagePanel) -> None:
    """The time ends; the page does not, and a buyer who comes afterward is seen."""
    before = model.mark()
    bare.wait_seconds = 0
    assert "still open" in model.stage
    assert model.mark() != before
    assert model.waiting
    arrive(approve(model.page.url))
    assert model.arrival
    assert model.stage.startswith("The buyer is back.")


def test_starting_again_is_another_visit(model: PagePanel) -> None:
    """It has addresses of its own, and a buyer who comes back from the first one does not count."""
    first = model.page
    model.act("start")
    arrive(approve(first.url))
    assert model.page.attempt.token != first.attempt.token
    assert model.waiting


def test_a_stay_ends_with_its_workbench(bare: Workbench, model: PagePanel) -> None:
    """Whoever looks does not fail when the emulator is stopped."""
    bare.close()
    model.mark()
    assert steps(model)["the page with the button"] == "● here"


def test_nothing_is_late_before_it_is_started(bare: Workbench) -> None:
    """However short the time is."""
    bare.wait_seconds = 0
    model = PagePanel(bare, lambda: None)
    model.mark()
    assert model.stage == "No page is open yet."


def test_a_token_that_opens_the_buyers_data_is_told_by_its_length(bare: Workbench) -> None:
    """Plain Amazon Sign-in brings a token, and the next call is another one."""
    bare.set_up_keys()
    button = ButtonPanel(bare)
    panel = PagePanel(bare, lambda: button.act("offer", flow="amazon-sign-in"))
    token = asyncio.run(panel.returned()).buyer_token
    text = static(panel.view({})).text
    assert token not in text
    assert f"buyerToken ({len(token)} characters)" in " ".join(text.split())
    assert "Get Buyer" in text


def test_a_buyer_who_cancels_brings_nothing(model: PagePanel) -> None:
    """The address is called as it is, and no call follows."""
    model.page.attempt.arrive(Arrival("cancel", ""))
    assert "without agreeing" in model.stage
    assert model.arrival
    assert [value for _, value in model.facts(model.arrival)][-1] == "none: nothing was saved"


HUB = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ann/"}
ADDRESSES = [
    ({}, "http://127.0.0.1:8001/pay/x?a=b", "http://127.0.0.1:8001/pay/x?a=b"),
    (HUB, "http://127.0.0.1:8001/pay/x?a=b", "/user/ann/proxy/8001/pay/x?a=b"),
    (HUB | {"JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ann/"}, "http://127.0.0.1:8001/pay/x",
     "https://hub.example/user/ann/proxy/8001/pay/x"),
    (HUB, "https://payments.amazon.de/checkout", "https://payments.amazon.de/checkout"),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "url", "address"), ADDRESSES)
def test_on_a_hub_loopback_pages_are_reached_through_its_proxy(
    environment: dict[str, str], url: str, address: str
) -> None:
    """Amazon's own pages are not; and on one's own machine nothing changes."""
    assert browser_address(url, environment) == address


def test_amazons_own_pages_are_a_link() -> None:
    """They refuse to be framed; the emulator's stand in the notebook."""
    for environment, frames in (("emulator", 1), ("sandbox", 0)):
        wb = workbench.open(environment=environment, buyer="you")
        page = wb.hosted_page(wb.shop.new_attempt(), "https://payments.amazon.com/checkout")
        html = page.tracker + page.frame
        assert html.count("<iframe") == frames
        assert '<a href="https://payments.amazon.com/checkout" target="_blank"' in html
        wb.close()


@pytest.mark.parametrize("panel", [KeyPanel, ButtonPanel, PagePanel, Desk])
def test_a_panel_of_a_closed_workbench_says_so_and_does_nothing(
    panel: type[BenchPanel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterLab keeps it on view after the cell that opened the workbench has run again; no key is written either."""
    monkeypatch.chdir(tmp_path)
    wb = workbench.open()
    wb.set_up_keys()
    old = panel(wb)
    wb.close()
    for action in old.view({}).actions:
        old.press(action.name).join()
        assert str(old.outcome).startswith("The workbench of this panel is closed.\nRun the cell")
    assert not [*tmp_path.iterdir()]


def test_on_a_hub_amazon_sends_the_buyer_to_the_hubs_address() -> None:
    """Amazon itself cannot be told a loopback address that means the hub; the emulator's redirect is rewritten."""
    os.environ["JUPYTERHUB_PUBLIC_URL"] = "https://hub.example/user/ann/"
    try:
        for environment in ("sandbox", "emulator"):
            wb = workbench.open(environment=environment, buyer="you")
            visit = wb.shop.new_attempt()
            port = urlsplit(wb.shop.url).port
            there = f"https://hub.example/user/ann/proxy/{port}"
            back = there if environment == "sandbox" else wb.shop.url
            assert visit.result_url == f"{back}/result/{visit.token}"
            assert visit.page_url.startswith(wb.shop.url)
            assert f'href="{there}/pay/{visit.token}"' in wb.hosted_page(visit, visit.page_url).tracker
            httpx.get(visit.result_url.replace(there, wb.shop.url), params={"amazonCheckoutSessionId": "x"})
            assert visit.arrival.result(PATIENCE).checkout_session_id == "x"
            wb.close()
    finally:
        del os.environ["JUPYTERHUB_PUBLIC_URL"]
