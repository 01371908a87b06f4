"""What displays show, and what they never show."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, NamedTuple, get_args

import pandas
import pytest
from pydantic import BaseModel

from amazonpay_nb import workbench
from amazonpay_nb.client.journal import Exchange
from amazonpay_nb.errors import (
    AmazonPayError,
    ApiError,
    ConfigurationError,
    DeclinedError,
    Refused,
    TransportError,
    api_error,
    refused,
)
from amazonpay_nb.signing import keys
from amazonpay_nb.spec.answers import Buyer, Charge, ChargePermission, CheckoutSession, Dispute, Refund, Resource
from amazonpay_nb.spec.flows import FLOWS
from amazonpay_nb.spec.machine import Actor
from amazonpay_nb.spec.parts import Price
from amazonpay_nb.spec.reasons import REASONS, STATE_REASONS
from amazonpay_nb.spec.requests import BODIES, ButtonPayload, SignInPayload
from amazonpay_nb.spec.states import CHARGE, MACHINES, REFUND
from amazonpay_nb.spec.words import FIELD_NOTES
from amazonpay_nb.workbench.claims import RECORD_MIME, Claim, Result
from amazonpay_nb.workbench.show import Shown, show
from amazonpay_nb.workbench.show.blocks import TEXT_WIDTH, Code

PERSON = {
    "name": "Ada Lovelace",
    "email": "ada@lovelace.example",
    "buyerId": "amzn1.account.AFABCDEFGHIJKLMNOPQRST12",
    "phoneNumber": "800-000-0000",
}
ADDRESS = {"name": "Ada Lovelace", "addressLine1": "1 Analytical Way", "city": "Marylebone", "countryCode": "GB"}
PERSONAL = ("Ada", "lovelace.example", "AFABCDEFGHIJKLMNOPQRST12", "800-000", "Analytical", "Marylebone")
SIGNATURE = "Zm9v" * 86
HOSTILE = '<script>alert("1")</script> & <b>'
PRICE = {"amount": "14.00", "currencyCode": "USD"}
SETUP = {
    "webCheckoutDetails": {
        "checkoutResultReturnUrl": "https://shop.example/wallet/return",
        "checkoutCancelUrl": "https://shop.example/account",
    },
    "storeId": "amzn1.application-oa2-client.0123456789abcdef0123456789abcdef",
    "chargePermissionType": "PaymentMethodOnFile",
    "paymentMethodOnFileMetadata": {"setupOnly": True},
    "paymentDetails": {"paymentIntent": "Confirm"},
    "scopes": ["name", "email"],
}
TIMES = {"creationTimestamp": "20260115T120000Z", "expirationTimestamp": None}
MODELS: dict[str, type[Resource]] = {
    "Checkout Session": CheckoutSession,
    "Charge Permission": ChargePermission,
    "Charge": Charge,
    "Refund": Refund,
    "Dispute": Dispute,
}
PERMISSION, CHARGE_ID = "C01-1111111-1111111", "S01-1111111-1111111-C111111"
FIELDS: dict[str, dict[str, Any]] = {
    "Checkout Session": {"checkoutSessionId": "11111111-2222-4333-8444-555555555555", "constraints": []},
    "Charge Permission": {
        "chargePermissionId": PERMISSION,
        "paymentPreferences": [{"paymentDescriptor": "Visa ****1111 (Amazon Pay)"}],
        "limits": {"amountLimit": PRICE, "amountBalance": None},
        "paymentMethodOnFileMetadata": {"setupOnly": True},
    },
    "Charge": {"chargeId": CHARGE_ID, "chargePermissionId": PERMISSION, "chargeAmount": PRICE},
    "Refund": {"refundId": "S01-1111111-1111111-R111111", "chargeId": CHARGE_ID, "refundAmount": PRICE},
    "Dispute": {"disputeId": "S01-1111111-1111111-B111111", "chargeId": CHARGE_ID, "disputeAmount": PRICE},
}
HTML_TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "b", "pre", "code", "br", "wbr"}
HTML_ATTRIBUTES = {"scope", "rowspan", "style", "align", "valign"}
KEYS = keys.generate("SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B")


def thing_in(name: str, state: str, *codes: str) -> Any:
    """Return an object of a machine in a state, with buyer data where it can have some."""
    details: dict[str, Any] = {"state": state, "lastUpdatedTimestamp": "20260115T121500Z"}
    if name == "Charge Permission":
        details["reasons"] = [{"reasonCode": code, "reasonDescription": None} for code in codes]
    elif codes:
        details["reasonCode"] = codes[0]
    people = {"buyer": PERSON, "shippingAddress": ADDRESS}
    return MODELS[name].model_validate({"statusDetails": details} | TIMES | FIELDS[name] | people)


def exchange(**changes: Any) -> Exchange:
    authorization = (
        f"AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=K, SignedHeaders=accept;x-amz-pay-region, Signature={SIGNATURE}"
    )
    given: dict[str, Any] = {
        "at": datetime(2026, 1, 15, 12, tzinfo=UTC),
        "operation": "createCharge",
        "method": "POST",
        "path": "/v2/charges",
        "status": 201,
        "idempotency_key": "order-1001-first",
        "request": {"chargeAmount": PRICE, "captureNow": True},
        "response": {"statusDetails": {"state": "Captured"}, "buyer": PERSON, "shippingAddress": ADDRESS},
        "headers": {
            "host": "127.0.0.1:41873",
            "accept": "application/json",
            "x-amz-pay-region": "na",
            "authorization": authorization,
        },
    }
    return Exchange(**(given | changes))


def caught_refusal() -> Refused:
    with refused(DeclinedError) as refusal:
        raise api_error(422, "SoftDeclined", "It was declined.")
    return refusal


THINGS: dict[str, Any] = {
    "session": thing_in("Checkout Session", "Canceled", "Expired"),
    "permission": thing_in("Charge Permission", "NonChargeable", "PaymentMethodExpired", "MFAFailed"),
    "charge": thing_in("Charge", "Authorized"),
    "refund": thing_in("Refund", "RefundInitiated"),
    "buyer": Buyer.model_validate(PERSON | {"shippingAddress": ADDRESS, "primeMembershipTypes": None}),
    "keys": KEYS,
    "findings": keys.check(KEYS),
    "machine": CHARGE,
    "transition": CHARGE.rows[0],
    "transitions": CHARGE.allowed("Authorized", Actor.MERCHANT),
    "refusal": caught_refusal(),
    "no refusal": Refused(),
    "API error": api_error(403, "InvalidRequestSignature", f"signature [{SIGNATURE}]", operation="getCharge"),
    "transport error": TransportError("The connection broke.", advice="Repeat it."),
    "local error": ConfigurationError("There is no key.", advice="Make one."),
    "exchange": exchange(),
    "lost exchange": exchange(status=None, request=None, response=None, headers={}, error="timed out"),
    "payload": SETUP | {"addressDetails": ADDRESS},
    "other dict": {"charges": [], "keys": KEYS, "object": thing_in("Charge Permission", "Chargeable")},
    "flow": FLOWS["express"],
    "table": pandas.DataFrame({"currency": ["USD"], "captured": ["14.00"]}),
    "line": f"Written to {PERSON['email']}",
    "lines": f"POST\n/v2/charges\n{SIGNATURE}",
    "words": ["Open", "Completed"],
    "objects": [thing_in("Charge", "Captured"), thing_in("Charge Permission", "Closed", "MerchantClosed")],
    "claims": [Claim("a", "It is Chargeable", True), Claim("b", "It is Captured", False)],
    "nothing": (),
    "number": 14,
}
everything = pytest.mark.parametrize("thing", THINGS.values(), ids=THINGS)
MACHINE_STATES = [(name, state) for name, machine in MACHINES.items() for state in machine.states]


class Page(HTMLParser):
    """Tags and attributes in order, the words, and whether everything was closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def forms(shown: Any) -> str:
    return "\n".join(str(value) for value in shown._repr_mimebundle_().values())


def flat(shown: Shown) -> str:
    return " ".join(shown.text.split())


def letters(text: str) -> str:
    return "".join(character for character in text if not character.isspace() and character != "─")


@everything
def test_everything_has_a_text_and_an_html_form(thing: Any) -> None:
    """Both are what Jupyter displays, and the text is what a terminal prints."""
    shown = show(thing, title="A title")
    assert isinstance(shown, Shown)
    assert shown._repr_mimebundle_() == {"text/plain": shown.text, "text/html": shown.html}
    assert repr(shown) == shown.text
    if shown.blocks:
        assert shown.text.startswith("A title\n")
        assert "A title" in Page(shown.html).words


@everything
def test_the_text_says_no_less_than_the_html(thing: Any) -> None:
    """A word that only one form had would be missing for somebody; a grouped heading stands in both once."""
    if isinstance(thing, pandas.DataFrame):
        return  # pandas writes both forms itself
    shown = show(thing)
    assert sorted(letters(Page(shown.html).words)) == sorted(letters(shown.text))


@everything
def test_a_display_repeats(thing: Any) -> None:
    """Committed outputs are compared."""
    assert forms(show(thing)) == forms(show(thing))


@everything
def test_nothing_personal_or_secret_comes_through(thing: Any) -> None:
    """Whatever a thing holds, neither form shows it."""
    told = forms(show(thing))
    assert [secret for secret in (*PERSONAL, SIGNATURE, KEYS.fingerprint[7:], "BEGIN") if secret in told] == []


@everything
def test_html_needs_no_trust(thing: Any) -> None:
    """Only tags and attributes that sanitisers keep; tables say what their cells are."""
    if isinstance(thing, pandas.DataFrame):
        return  # passed through as it is
    page = Page(show(thing).html)
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= HTML_TAGS
    assert {name for _, attributes in page.tags for name in attributes} <= HTML_ATTRIBUTES
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table")


def test_html_is_escaped_and_text_is_not() -> None:
    """Words that a merchant or Amazon wrote stay words, wherever they stand."""
    session = {"checkoutSessionId": HOSTILE, "statusDetails": {"state": HOSTILE}, HOSTILE: HOSTILE}
    for thing in (
        CheckoutSession.model_validate(session),
        {HOSTILE: HOSTILE, "storeId": HOSTILE},
        api_error(400, HOSTILE, HOSTILE),
        exchange(method=HOSTILE, operation=HOSTILE),
        [(True, HOSTILE)],
        HOSTILE,
        f"{HOSTILE}\n{HOSTILE}",
    ):
        shown = show(thing, title=HOSTILE)
        assert "<script" not in shown.html
        assert Page(shown.html).words.count("<script>alert(") >= 2
        assert shown.text.startswith(HOSTILE)


@everything
def test_text_fits_a_terminal(thing: Any) -> None:
    """Only what cannot be broken is wider."""
    if isinstance(thing, (dict, Exchange)):
        return  # JSON keeps its lines
    assert [line for line in show(thing).text.splitlines() if len(line) > TEXT_WIDTH] == []


def test_wide_characters_keep_columns_aligned() -> None:
    """A Japanese shop name takes two columns a character, and wraps nothing."""
    permission = ChargePermission.model_validate(
        {"chargePermissionId": "C03-1", "merchantMetadata": {"お店": "茶"}, "statusDetails": {"state": "Closed"}}
    )
    assert "  merchantMetadata.お店  茶" in show(permission).text.splitlines()


# --- Objects ----------------------------------------------------------------------------------------------------------


STORY = """\
Charge Permission
  chargePermissionId                     C01-1111111-1111111
  statusDetails.state                    NonChargeable
  reasonCode                             PaymentMethodExpired
  what it means                          The payment method has expired.
  next step                              Let the buyer change the payment method (on the Update page or, in Japan,
                                         in a new set-up), then get the Charge Permission: it must be Chargeable.
  reasonCode                             MFAFailed
  what it means                          The buyer did not pass the challenge.
  next step                              Let the buyer change the payment method (on the Update page or, in Japan,
                                         in a new set-up), then get the Charge Permission: it must be Chargeable.
  buyer                                  name (hidden), email (hidden), buyerId amzn1.account.…ST12, phoneNumber
                                         (hidden)
  paymentPreferences.paymentDescriptor   Visa ****1111 (Amazon Pay)
  limits.amountLimit                     14.00 USD
  paymentMethodOnFileMetadata.setupOnly  true
  shippingAddress                        name (hidden), addressLine1 (hidden), city (hidden), countryCode GB
  statusDetails.lastUpdatedTimestamp     2026-01-15 12:15:00 UTC
  creationTimestamp                      2026-01-15 12:00:00 UTC

A merchant can now: Update Charge Permission, Close Charge Permission."""


def test_a_charge_permission_reads_like_a_story() -> None:
    """Ids, the state and what each of its reasons means, the rest, the times; nulls are left out."""
    assert show(THINGS["permission"]).text == STORY


@pytest.mark.parametrize(("name", "state"), MACHINE_STATES)
def test_every_state_of_every_object_says_what_a_merchant_can_do(name: str, state: str) -> None:
    """The sentence comes from the table, so it cannot differ from what the emulator allows."""
    text = flat(show(thing_in(name, state)))
    calls = [row.trigger for row in MACHINES[name].allowed(state, Actor.MERCHANT)]
    assert f"A merchant can now: {', '.join(calls) or 'do nothing more with it'}." in text


@pytest.mark.parametrize("row", STATE_REASONS, ids=lambda row: f"{row.state}-{row.code}")
def test_every_reason_of_a_state_is_explained(row: Any) -> None:
    """The code alone helps nobody."""
    text = flat(show(thing_in(row.object, row.state, row.code)))
    assert row.meaning in text
    assert row.next_step in text


def test_a_reason_that_is_new_keeps_amazons_words() -> None:
    """Amazon adds codes without notice."""
    details = {"state": "Declined", "reasonCode": "Brand-new", "reasonDescription": "Because of the moon."}
    refund = {"refundId": "R", "chargeId": "C", "refundAmount": PRICE, "statusDetails": details}
    assert "Because of the moon." in show(Refund.model_validate(refund)).text


# --- Machines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_shows_every_row(name: str) -> None:
    """Four cells beside the heading."""
    assert show(MACHINES[name]).html.count("<td ") == 4 * len(MACHINES[name].rows)


def test_a_machine_is_a_table_with_a_group_for_each_state() -> None:
    """The heading stands once, in both forms."""
    assert show(REFUND).text.splitlines() == [
        "The life of a Refund",
        "  in state         this happens                who       next state       reason",
        "  ───────────────  ──────────────────────────  ────────  ───────────────  ─────────────────",
        "  New              Create Refund               merchant  RefundInitiated",
        "  RefundInitiated  Refund                      Amazon    Refunded",
        "                   Decline: AmazonRejected     Amazon    Declined         AmazonRejected",
        "                   Decline: ProcessingFailure  Amazon    Declined         ProcessingFailure",
    ]
    assert 'scope="rowgroup" rowspan="3"' in show(REFUND).html


def test_what_follows_on_another_object_is_said() -> None:
    """Coupling stays visible."""
    text = show(MACHINES["Charge Permission"]).text
    assert "“Close Charge Permission” also reaches the Charge" in text
    assert "if cancelPendingCharges." in text


@pytest.mark.parametrize("thing", [THINGS["charge"], THINGS["table"], "line"], ids=["charge", "table", "line"])
def test_a_choice_that_means_nothing_is_refused(thing: Any) -> None:
    """Nobody should believe to have revealed something."""
    with pytest.raises(TypeError, match="raw"):
        show(thing, raw=True)


# --- Keys -------------------------------------------------------------------------------------------------------------


def test_two_key_pairs_look_alike() -> None:
    """Notebooks make new keys in each run, and their outputs are compared."""
    other = keys.generate(KEYS.public_key_id)
    assert forms(show(other)) == forms(show(KEYS))
    assert forms(show(keys.check(other))) == forms(show(keys.check(KEYS)))


def test_only_the_public_half_is_shown_to_a_person() -> None:
    """A person who plays the buyer sees the fingerprint and the public key; nobody sees the private key."""
    with workbench.open(buyer="you"):
        told = forms(show(KEYS))
        assert KEYS.fingerprint in told
        assert "BEGIN PUBLIC KEY" in told
        assert "PRIVATE" not in told
        assert KEYS.fingerprint in show(keys.check(KEYS)).text


def test_a_finding_has_a_sign_and_a_word() -> None:
    """Neither color nor shape alone carries the verdict."""
    lines = show(keys.check(KEYS, region="mars")).text.splitlines()
    assert lines[1].startswith("  ✓ good   The private key can be read")
    assert lines[-1].startswith("  ✗ wrong  The region is wrong")


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS)
def test_every_refusal_names_the_way_out(reason: Any) -> None:
    """What happened, what it means, whether to send it again, what next, and the words for the buyer."""
    error = api_error(reason.status_codes[0], reason.code, "No.", operation="createCharge", request_id="4711")
    text = flat(show(error))
    for words in (f"createCharge: {error.status_code} {reason.code} No.", reason.meaning, reason.next_step, "4711"):
        assert words in text
    assert (reason.tell_the_buyer or "the buyer need not know") in text


def test_a_throttled_call_says_how_long_to_wait() -> None:
    """Where Amazon names the pause, it is shown."""
    error = api_error(429, "TooManyRequests", "Slow down.")
    assert isinstance(error, ApiError)
    error.retry_after = 1.5
    assert "after a pause" in show(error).text
    assert "Amazon asks for 1.5 seconds." in show(error).text


def test_the_next_step_is_the_advice_of_the_error() -> None:
    """The client adds to it what only it knows: the key to repeat, or that an earlier attempt may have done it."""
    error = api_error(503, "ServiceUnavailable", "Busy.", idempotency_key="order-1")
    error.advice = f"Look at the object first. {error.advice}"
    text = flat(show(error))
    assert "next step Look at the object first." in text
    assert "idempotency_key='order-1'" in text


def test_a_lost_answer_is_repeated_with_the_same_key() -> None:
    """The opposite advice would charge twice."""
    assert "Yes: the same request with the same idempotency key." in show(THINGS["transport error"]).text
    assert "Your own code noticed it and sent nothing." in show(THINGS["local error"]).text
    assert "No: correct it first." in show(THINGS["local error"]).text
    assert "send it again" not in show(AmazonPayError("Something else.")).text


# --- What travels -----------------------------------------------------------------------------------------------------


def test_an_exchange_can_be_seen_as_it_travels() -> None:
    """Line, headers, an empty line, body, and the same of the answer; the dates repeat unless a person looks."""
    sent = exchange(
        method="POST", path="/v2/charges", headers={"x-amz-pay-date": "20260115T120000Z", "accept": "application/json"},
        request={"captureNow": True}, status=201, answer_headers={"date": "Thu, 15 Jan 2026 12:00:00 GMT"},
        response={"chargeId": "S01"},
    )  # fmt: skip
    request, answer = (block.code for block in show(sent, raw=True).blocks if isinstance(block, Code))
    date = "x-amz-pay-date: (the time of the call)"
    assert request.splitlines() == [
        "POST /v2/charges HTTP/1.1", date, "accept: application/json", "", '{"captureNow":true}',
    ]  # fmt: skip
    assert answer.splitlines() == ["HTTP/1.1 201 Created", "date: (the time of the call)", "", '{"chargeId":"S01"}']
    lost = replace(sent, status=None, response=None, answer_headers={})
    with workbench.open(buyer="you"):
        assert [block.code.splitlines()[1] for block in show(lost, raw=True).blocks if isinstance(block, Code)] == [
            "x-amz-pay-date: 20260115T120000Z"
        ]


def test_an_exchange_shows_what_was_signed_and_both_bodies() -> None:
    """The address of the connection is not signed and not shown."""
    text = flat(show(THINGS["exchange"]))
    for words in ("POST /v2/charges", "✓ 201 Captured", "order-1001-first", "Signature=(344 characters)"):
        assert words in text
    assert '"captureNow": true' in text
    assert "127.0.0.1" not in text
    assert "✗ no answer" in show(THINGS["lost exchange"]).text


BODY_MODELS: list[type[BaseModel]] = [ButtonPayload, SignInPayload, *BODIES.values()]


def wire_fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for field in model.model_fields.values():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        inner = [kind for kind in kinds if issubclass(kind, BaseModel) and kind is not Price]
        yield from wire_fields(inner[0], f"{path}{field.alias}.") if inner else [f"{path}{field.alias}"]


@pytest.mark.parametrize("model", BODY_MODELS, ids=lambda model: model.__name__)
def test_every_field_that_a_merchant_sends_has_a_note(model: type[BaseModel]) -> None:
    """Its own, or that of the group it stands in."""
    for field in wire_fields(model):
        parts = field.split(".")
        document: Any = "value"
        for name in reversed(parts):
            document = {name: document}
        groups = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
        note = next((FIELD_NOTES[group] for group in groups if group in FIELD_NOTES), None)
        assert note, field
        assert note in flat(show(document))


def test_every_note_is_about_a_field_that_exists() -> None:
    """A misspelled name would never be shown; productType alone is beside the payload."""
    fields = {field for model in BODY_MODELS for field in wire_fields(model)}
    groups = {field.rsplit(".", depth)[0] for field in fields for depth in range(4)}
    assert set(FIELD_NOTES) - groups == {"productType"}


def test_the_set_up_payload_is_explained_field_by_field() -> None:
    """JSON as it is signed, then one line for each field, in the same order."""
    json_text, _, notes = show(SETUP).text.partition("\n\n")
    assert json.loads(json_text) == SETUP
    assert [line.split()[0] for line in notes.splitlines()[3:] if not line.startswith("   ")] == [
        "webCheckoutDetails.checkoutResultReturnUrl",
        "webCheckoutDetails.checkoutCancelUrl",
        "storeId",
        "chargePermissionType",
        "paymentMethodOnFileMetadata.setupOnly",
        "paymentDetails.paymentIntent",
        "scopes",
    ]


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_every_flow_says_what_to_send_and_where_the_buyer_goes(flow: Any) -> None:
    """Rules, pages in order, and the address at the end of each visit."""
    shown = show(flow)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.text.splitlines() if line.strip()}
    assert all(rows[field].startswith("left out") for field in flow.forbidden)
    assert all(rows[field].startswith(("required", "is ")) for field in flow.required)
    assert all(f"is {json.dumps(value)}" in rows[field] for field, value in flow.fixed.items())
    assert Page(shown.html).words.count("Sign in with your Amazon account") == 1
    assert shown.text.count("\n  2 ") == len(flow.stays) - 1


# --- Other things and records -----------------------------------------------------------------------------------------


def test_a_table_of_pandas_passes_through() -> None:
    """It knows best how to show itself."""
    table = THINGS["table"]
    assert show(table)._repr_mimebundle_() == {"text/plain": repr(table), "text/html": table._repr_html_()}


def test_rows_of_one_kind_are_a_table_under_the_names_of_their_fields() -> None:
    """A named tuple is a row, and no list."""

    class Burst(NamedTuple):
        second: int
        last_answer: str

    rows = [Burst(0, "201"), Burst(1, "429")]
    assert show(rows).text.splitlines()[:2] == ["Burst", "  second  last answer"]


def test_an_unknown_object_is_named() -> None:
    """Something is always shown."""

    @dataclass
    class Parcel:
        weight: int

    assert "Parcel(weight=3)" in show(Parcel(3)).text


@pytest.mark.parametrize(("ok", "text"), [(True, "✓ It is Chargeable"), (False, "✗ not so: It is Chargeable")])
def test_a_claim_is_for_people_and_programs(ok: bool, text: str) -> None:
    """The sentence for one, the record for the other."""
    bundle = Claim("setup.chargeable", "It is Chargeable", ok)._repr_mimebundle_()
    assert bundle["text/plain"] == text
    assert text in bundle["text/html"]
    assert bundle[RECORD_MIME] == {"claims": [{"id": "setup.chargeable", "text": "It is Chargeable", "ok": ok}]}


def test_a_result_is_for_people_and_programs() -> None:
    """Null stays null in the record and is a word for people; buyer data is masked in all forms."""
    bundle = Result({"chargeId": "S01-1", "refundId": None, "email": PERSON["email"]})._repr_mimebundle_()
    assert bundle["text/plain"].splitlines() == [
        "Result",
        "  chargeId  S01-1",
        "  refundId  none",
        "  email     (hidden)",
    ]
    assert bundle[RECORD_MIME] == {"result": {"chargeId": "S01-1", "refundId": None, "email": "(hidden)"}}
    assert json.loads(json.dumps(bundle)) == bundle
