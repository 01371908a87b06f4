"""What the wire inspector, the sequence diagram and the error explainer show, without Jupyter."""

import asyncio
import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.journal import SHOP_PAGE, SHOP_SERVER, Exchange, Journal
from amazonpay_nb.client.possible import next_calls
from amazonpay_nb.client.slips import SLIPS, diagnose
from amazonpay_nb.client.snippets import HEADERS_FILE, LANGUAGES
from amazonpay_nb.client.wire import request_of
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import (
    AmazonPayError,
    ApiError,
    ConfigurationError,
    DeclinedError,
    TransportError,
    api_error,
    refused,
)
from amazonpay_nb.signing import Algorithm, canonical_request, format_date, string_to_sign
from amazonpay_nb.spec.reasons import REASONS, Retry
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.panels.panel import Panel
from amazonpay_nb.workbench.panels.questions import ErrorPanel
from amazonpay_nb.workbench.panels.view import choose, explain, render
from amazonpay_nb.workbench.panels.wire import LAST, LOOKS, DiagramPanel, WirePanel

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def played() -> Workbench:
    """A run that ends in a decline."""
    wb = workbench.open(buyer="script")
    wb.set_up_keys()
    arrival = asyncio.run(wb.play_set_up())
    permission = wb.client.complete_checkout_session(arrival.checkout_session_id).charge_permission_id
    assert permission
    wb.client.create_charge(
        charge_permission_id=permission, charge_amount=wb.amount,
        merchant_metadata={"customInformation": "https://shop.example/orders/7"},
    )  # fmt: skip
    with refused(DeclinedError):
        wb.client.create_charge(
            charge_permission_id=permission, charge_amount=wb.amount, simulation_code="SoftDeclined"
        )
    return wb


@pytest.fixture(scope="module")
def wb() -> Iterator[Workbench]:
    bench = played()
    yield bench
    bench.close()


def reading(wb: Workbench, journal: Journal | None = None) -> Workbench:
    """The same workbench before a person, with another record of a run where there is one."""
    other = copy.copy(wb)
    other.buyer = "you"
    other.journal = wb.journal if journal is None else journal
    return other


def text_of(model: Panel, **chosen: str) -> str:
    return render(model.view(chosen).body).text


# ---- the wire inspector ----------------------------------------------------------------------------------------------


def test_every_exchange_is_listed_and_the_latest_is_open(wb: Workbench) -> None:
    """With its answer; the one that is open is marked."""
    view = WirePanel(reading(wb)).view({})
    [listed, *_] = view.body
    assert [number for number, *_ in listed.rows] == ["1", "2", "● 3"]
    assert [answer for *_, answer in listed.rows] == ["200 Completed", "201 Authorized", "422 SoftDeclined"]
    assert [field.name for field in view.fields] == ["exchange", "show"]


def test_the_steps_are_those_of_the_signature_that_was_sent(wb: Workbench) -> None:
    """What the inspector hashes is what the emulator has hashed: it has accepted it."""
    exchange = wb.journal.exchanges[1]
    shown = text_of(WirePanel(reading(wb)), exchange="2", show="signing")
    sent = request_of(exchange)
    canonical = canonical_request(*sent)
    assert exchange.headers["content-length"] == str(len(sent.body))
    assert string_to_sign(canonical, algorithm=Algorithm.V2).partition("\n")[2] in shown
    assert all(line in shown for line in canonical.split("\n"))
    assert "salt of 32 bytes" in shown
    assert "✓ It fits the public key" in " ".join(shown.split())


def test_a_signature_is_its_length_everywhere(wb: Workbench) -> None:
    """The journal has masked it before."""
    for look in LOOKS:
        shown = text_of(WirePanel(reading(wb)), exchange="2", show=look)
        assert not re.search(r"[A-Za-z0-9+/]{300}", shown)


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (403, "InvalidRequestSignature", "✗ It was not accepted"),
        (400, "InvalidHeaderValue", "Amazon did not get as far as the signature"),
        (404, "ResourceNotFound", "✓ It fits the public key"),
        (None, "", "it is not known"),
    ],
)
def test_the_verdict_tells_a_refused_signature_from_another_refusal(
    wb: Workbench, status: int | None, reason: str, verdict: str
) -> None:
    """The signature is looked at before the body and the object."""
    journal = Journal()
    journal.record(replace(wb.journal.exchanges[1], status=status, response={"reasonCode": reason}))
    shown = text_of(WirePanel(reading(wb, journal)))
    assert verdict in " ".join(shown.split())


def test_where_the_journal_hides_something_the_hash_is_not_made_up(wb: Workbench) -> None:
    """Buyer data is masked on its way into the journal, so the body that was hashed is not known any more."""
    journal = Journal()
    body = {"shippingAddress": {"name": "Ada Example", "addressLine1": "1 Sample Way"}}
    journal.record(replace(wb.journal.exchanges[1], request=body))
    shown = text_of(WirePanel(reading(wb, journal)))
    assert "the journal hides buyer data" in shown
    assert not re.search(r"\b[0-9a-f]{64}\b", shown)
    assert "Ada" not in shown


def test_two_runs_show_the_same(wb: Workbench) -> None:
    """Ports, dates and hashes differ; the static form shows their form, so that outputs can be committed."""
    again = played()
    try:
        for look in LOOKS:
            first, second = (text_of(WirePanel(run), show=look) for run in (wb, again))
            assert first == second
    finally:
        again.close()


def test_choices_are_parameters_with_a_check(wb: Workbench) -> None:
    """A name or value that does not exist is refused where it is written."""
    panel = WirePanel(wb, exchange="1", show="php")
    assert "$client->completeCheckoutSession(" in repr(panel)
    for wrong in ({"show": "cobol"}, {"exchange": "4"}, {"slip": "none of these"}, {"shwo": "php"}):
        with pytest.raises(ConfigurationError):
            WirePanel(wb, **wrong)


def test_an_empty_journal_says_what_to_do(wb: Workbench) -> None:
    """Before the first call there is nothing to choose."""
    view = WirePanel(reading(wb, Journal())).view({})
    assert (view.fields, "run a cell" in str(view.body[0])) == ((), True)


def test_an_exchange_without_signature_has_nothing_to_explain(wb: Workbench) -> None:
    """A request that never got as far."""
    journal = Journal()
    journal.record(Exchange(at=NOON, operation="getCharge", method="GET", path="/v2/charges/S01-1", status=None))
    model = WirePanel(reading(wb, journal))
    for look in ("signing", "doctor", "node"):
        assert "carries no signature" in text_of(model, show=look)
    with pytest.raises(ConfigurationError, match="carries no signature"):
        request_of(journal.exchanges[0])


def test_the_doctor_asks_for_keys_where_there_are_none(wb: Workbench) -> None:
    """An imported journal can be looked at, and not be signed again."""

    keyless = reading(wb, wb.journal)
    keyless.key_pair = None
    assert "There are no keys yet." in text_of(WirePanel(keyless), show="doctor")


def test_a_request_is_changed_and_sent_again() -> None:
    """Under its own key it repeats nothing; under a new one the changed body counts, and a wrong one is explained."""
    wb = played()
    try:
        panel = WirePanel(reading(wb), exchange="2", show="again")
        charge = wb.journal.exchanges[1].response or {}
        assert panel.act("send").charge_id == charge["chargeId"]
        body = json.dumps(wb.journal.exchanges[1].request).replace("14.00", "3.50")
        fresh = panel.act("send", exchange="2", show="again", body_2=body, under_a_new_key=True)
        assert (fresh.charge_id != charge["chargeId"], str(fresh.charge_amount)) == (True, "3.50 USD")
        panel.live = True
        for text, error, words in (
            (body.replace("3.50", "-1"), ApiError, "Correct the field that the message names"),
            ("{", ConfigurationError, "Correct it: nothing was sent."),
            ("[1]", ConfigurationError, "The body is no JSON: it has to be an object."),
            ('{"chargePermissionId": [1]}', ApiError, "Add the field that the message names"),
        ):
            sent = len(wb.journal.exchanges)
            with pytest.raises(error, match=re.escape(words)):
                panel.act("send", exchange="2", show="again", body_2=text, under_a_new_key=True)
            assert len(wb.journal.exchanges) - sent == (error is ApiError)
    finally:
        wb.close()


def test_the_headers_for_curl_are_written_and_not_shown(
    wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel says where; the signature is in the file alone."""
    monkeypatch.chdir(tmp_path)
    panel = WirePanel(wb, exchange="2", show="curl")
    assert HEADERS_FILE in panel.act("sign")
    signature = (tmp_path / HEADERS_FILE).read_text().partition("Signature=")[2].strip()
    assert len(signature) == 344
    assert signature not in repr(panel)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_how_well_it_is_known(wb: Workbench, language: str) -> None:
    """A tick stands where a test compares the signed string; what no test runs says so, and why."""
    shown = " ".join(text_of(WirePanel(reading(wb)), exchange="2", show=language).split())
    assert ("✓" in shown.replace("● ", "")) == (language in ("node", "php", "java"))
    assert ("no package registry" in shown) == (language in ("php", "java", "dotnet"))


def test_a_program_for_an_sdk_goes_to_the_emulator_that_is_running(wb: Workbench) -> None:
    """By its proxy, which the first look opens; what is committed goes to Amazon, and opens nothing."""
    sdks = ("node", "php", "java", "dotnet")
    with workbench.open(buyer="script") as run:
        run.set_up_keys()
        run.journal = wb.journal
        assert isinstance(run.emulator, Emulator)
        for language in sdks:
            assert "// $ " not in text_of(WirePanel(run), exchange="2", show=language)
        assert run.emulator.proxy_url is None
        for language in sdks:
            shown = text_of(WirePanel(reading(run)), exchange="2", show=language)
            assert run.emulator.proxy_url
            port = urlsplit(run.emulator.proxy_url).port
            assert f"HTTPS_PROXY={run.emulator.proxy_url} " in shown or f"setProxyPort({port})" in shown
            assert (str(run.emulator.proxy_ca_file) in shown) == (language != "node")
            assert str(run.private_key_file) in shown


# ---- the signature doctor --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slip", SLIPS)
def test_each_slip_breaks_the_step_that_it_says(wb: Workbench, slip: str) -> None:
    """It is signed and verified for real; without a slip, the request is accepted."""
    found = diagnose(request_of(wb.journal.exchanges[1]), wb.keys, slip)
    assert found.differs
    assert (found.mismatch.finding if found.mismatch else "") == SLIPS[slip].finding
    shown = " ".join(text_of(WirePanel(reading(wb)), exchange="2", show="doctor", slip=slip).split())
    assert SLIPS[slip].label in shown
    assert (f"step that breaks {SLIPS[slip].finding}" if SLIPS[slip].finding else "signature is accepted") in shown


@pytest.mark.parametrize("slip", [name for name in SLIPS if name != "none"])
def test_the_emulator_refuses_what_the_doctor_refuses(wb: Workbench, slip: str) -> None:
    """The same bytes, sent."""
    assert isinstance(wb.emulator, Emulator)
    sent = request_of(wb.journal.exchanges[1]).with_header("x-amz-pay-date", format_date(datetime.now(UTC)))
    arrives = diagnose(sent, wb.keys, slip).arrives
    kept = [pair for pair in arrives.headers if pair[0] not in ("content-length", "host")]
    with httpx.Client(base_url=wb.emulator.url, trust_env=False) as http:
        answer = http.request(sent.method, arrives.path, headers=kept, content=arrives.body)
    expected = (400, "InvalidHeaderValue") if slip.startswith("clock") else (403, "InvalidRequestSignature")
    assert (answer.status_code, answer.json()["reasonCode"]) == expected


def test_lines_that_differ_stand_under_each_other(wb: Workbench) -> None:
    """The reader sees where the two texts part."""
    shown = text_of(WirePanel(reading(wb)), exchange="2", show="doctor", slip="host")
    assert "− x-amz-pay-host:pay-api.amazon" in shown
    assert "+ x-amz-pay-host:127.0.0.1" in shown


def test_a_slip_that_changes_nothing_is_said_to(wb: Workbench) -> None:
    """A request without a slash in its body has none to escape."""
    assert "changes nothing in this request" in text_of(
        WirePanel(reading(wb)), exchange="3", show="doctor", slip="escaped-slashes"
    )
    with pytest.raises(ConfigurationError, match="slip='magic'"):
        diagnose(request_of(wb.journal.exchanges[1]), wb.keys, "magic")


# ---- the sequence diagram --------------------------------------------------------------------------------------------


def test_the_run_is_drawn(wb: Workbench) -> None:
    """The picture has its text version beside it."""
    shown = render(DiagramPanel(wb).view({}).body)
    assert "Shop server" in shown.text
    assert "<svg" in shown.html


def test_the_diagram_grows_with_the_run(wb: Workbench) -> None:
    """A view is made of what there is by now."""
    journal = Journal()
    model = DiagramPanel(reading(wb, journal))
    assert "Nothing has happened yet." in text_of(model)
    journal.step(SHOP_PAGE, SHOP_SERVER, "an order", NOON)
    assert "an order" in text_of(model)


# ---- the error explainer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", REASONS)
def test_every_refusal_is_explained(code: str) -> None:
    """Cause, retry, next step and the buyer's sentence, from the table of reasons."""
    reason = REASONS[code]
    shown = " ".join(text_of(ErrorPanel(), reason_code=code).split())
    assert reason.meaning in shown
    assert reason.next_step in shown
    assert (reason.tell_the_buyer or "the buyer need not know") in shown
    assert shown.startswith("✗") == (reason.retry in (Retry.NO, Retry.CORRECTED, Retry.CORRECTED_SAME_KEY))


def test_the_calls_that_come_next_are_named_in_order() -> None:
    """With the method of the client."""
    error = api_error(422, "SoftDeclined", "No.", operation="createCharge")
    assert [call.name for call in next_calls(error)] == ["getChargePermission", "createCharge"]
    shown = render(explain(error)).text
    assert "get_charge_permission(charge_permission_id)" in shown
    assert "create_charge(charge_permission_id=…, charge_amount=…)" in shown


def test_a_refused_signature_names_the_step() -> None:
    """The finding stands on the card."""
    error = api_error(403, "InvalidRequestSignature", "No.")
    error.finding, error.advice = "salt-length", "Set the salt length."
    assert "probably went wrong: salt-length" in render(explain(error)).text


@pytest.mark.parametrize(
    ("error", "headline"),
    [
        (ConfigurationError("No key.", advice="Make one."), "✗ Send it again? No: correct it first"),
        (
            TransportError("No answer.", advice="Ask again."),
            "✓ Send it again? Yes: the same request with the same idempotency key.",
        ),
        (api_error(429, "TooManyRequests", "Slow."), "✓ Send it again? Yes, after a pause"),
    ],
)
def test_errors_of_every_branch_are_explained(error: AmazonPayError, headline: str) -> None:
    """Also those that Amazon has not seen."""
    assert headline in render(explain(error)).text


def test_a_choice_that_is_gone_falls_back(wb: Workbench) -> None:
    """A journal that was cleared has fewer exchanges than the form remembers."""
    fields = WirePanel(reading(wb)).view({}).fields
    assert choose(fields, {"exchange": "99", "show": "curl"}) == {"exchange": LAST, "show": "curl"}
