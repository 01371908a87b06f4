"""Every scenario ends as `spec` predicts, and the predictions are those that Amazon's pages allow."""

import asyncio

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.scenario import FLOWS, OUTCOMES, Scenario, check_scenario, expected, possible
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.simulations import ANYWHERE, CARDS, SIMULATIONS, simulation
from amazonpay_nb.spec.states import DISPUTE

# Typed from the guide's pages on states, simulations and disputes: in a set-up, in North America where it is possible.
# A value is (session, permission, charge, refund); the buyer comes back to the result address.
_WALLET, _PAID, _BACK = ("Completed", "Chargeable"), "Authorized → Captured", "RefundInitiated → Refunded"
_BROKEN = "Chargeable → NonChargeable (PaymentMethodInvalid)"
_GONE = "422 CheckoutSessionCanceled → Canceled"
SET_UP = {
    "success": (*_WALLET, _PAID, _BACK),
    "another-card": (*_WALLET, _PAID, _BACK),
    "update-page": (
        "Completed",
        "Chargeable → NonChargeable (PaymentMethodExpired) → Chargeable",
        _PAID,
        _BACK,
    ),
    **{f"card-{card}": (*_WALLET, _PAID, _BACK) for card in ("1111", "0005", "4444", "9424", "0000")},
    "card-3064": (f"{_GONE} (BuyerCanceled)", "", "", ""),
    "card-3434": (f"{_GONE} (Declined)", "", "", ""),
    "card-9995": (f"{_GONE} (Declined)", "", "", ""),
    "card-9987": (f"{_GONE} (Declined)", "", "", ""),
    "complete-buyer-canceled": (f"{_GONE} (BuyerCanceled)", "", "", ""),
    "complete-amazon-canceled": (f"{_GONE} (AmazonCanceled)", "", "", ""),
    "complete-decline": (f"{_GONE} (Declined)", "", "", ""),
    "soft-decline": (*_WALLET, "422 SoftDeclined", ""),
    "hard-decline": ("Completed", _BROKEN, "422 HardDeclined", ""),
    "amazon-rejected": (*_WALLET, "422 AmazonRejected", ""),
    "transaction-timed-out": (*_WALLET, "422 TransactionTimedOut", ""),
    "mfa-not-completed": (*_WALLET, "422 MFANotCompleted", ""),
    "payment-method-not-allowed": (*_WALLET, "422 PaymentMethodNotAllowed", ""),
    "processing-failure": (*_WALLET, "500 ProcessingFailure", ""),
    "authorization-initiated": (*_WALLET, "AuthorizationInitiated → Authorized → Captured", _BACK),
    "pending-hard-decline": ("Completed", _BROKEN, "AuthorizationInitiated → Declined (HardDeclined)", ""),
    "capture-initiated": (*_WALLET, "CaptureInitiated → Captured", _BACK),
    "capture-amazon-rejected-at-once": (*_WALLET, "Authorized → 422 AmazonRejected", ""),
    "capture-transaction-count-exceeded": (*_WALLET, "Authorized → 422 TransactionCountExceeded", ""),
    "capture-processing-failure": (*_WALLET, "Authorized → 500 ProcessingFailure", ""),
    "capture-capture-initiated": (*_WALLET, "Authorized → CaptureInitiated → Captured", _BACK),
    "capture-amazon-rejected": (*_WALLET, "Authorized → CaptureInitiated → Declined (AmazonRejected)", ""),
    "close-amazon-closed": ("Completed", "Chargeable → Closed (AmazonClosed)", _PAID, _BACK),
    "refund-amazon-rejected-at-once": (*_WALLET, _PAID, "422 AmazonRejected"),
    "refund-processing-failure-at-once": (*_WALLET, _PAID, "500 ProcessingFailure"),
    "refund-amazon-rejected": (*_WALLET, _PAID, "RefundInitiated → Declined (AmazonRejected)"),
    "refund-processing-failure": (*_WALLET, _PAID, "RefundInitiated → Declined (ProcessingFailure)"),
    "invalid-api-version": (*_WALLET, "400 InvalidAPIVersion", ""),
    "invalid-account-status": (*_WALLET, "403 InvalidAccountStatus", ""),
    "unsupported-operation": (*_WALLET, "405 UnsupportedOperation", ""),
    "request-timeout": (*_WALLET, "408 RequestTimeout", ""),
    "tls-version-not-supported": (*_WALLET, "426 TLSVersionNotSupported", ""),
    "internal-server-error": (*_WALLET, "500 InternalServerError", ""),
    "service-unavailable": (*_WALLET, "503 ServiceUnavailable", ""),
}
_FILED = "ActionRequired (MerchantResponseRequired)"
DISPUTES = {
    "dispute-merchant-accepted": f"{_FILED} → Resolved (MerchantAcceptedDispute): BuyerWon",
    "dispute-merchant-response-deadline-expired": f"{_FILED} → Resolved (MerchantResponseDeadlineExpired): BuyerWon",
    "dispute-merchant-won": f"{_FILED} → UnderReview → Resolved (InvestigatorResolved): MerchantWon",
    "dispute-buyer-won": f"{_FILED} → UnderReview → Resolved (InvestigatorResolved): BuyerWon",
    "dispute-no-fault": f"{_FILED} → UnderReview → Resolved (InvestigatorResolved): NoFault",
    "dispute-buyer-cancelled": f"{_FILED} → UnderReview → Resolved (BuyerCancelled): MerchantWon",
    "dispute-auto-resolved": f"{_FILED} → UnderReview → Resolved (AutoResolved): MerchantWon",
}
# What only a purchase or a challenge makes possible: (session, wallet, permission, order, charge).
_SAVED = "PaymentMethodOnFile"
PURCHASE = {
    "success": ("Completed", _SAVED, "Chargeable", _PAID, _PAID),
    "no-consent": (
        "Completed", "OneTime", "NonChargeable (ChargeInProgress) → Closed (AmazonClosed)", _PAID, "",
    ),
    "card-0701": ("Completed", _SAVED, "Chargeable", "AuthorizationInitiated → Authorized → Captured", _PAID),
    "card-4354": ("Completed", _SAVED, _BROKEN, "AuthorizationInitiated → Declined (HardDeclined)", ""),
    "complete-authorization-initiated": (
        "Completed", _SAVED, "Chargeable", "AuthorizationInitiated → Authorized → Captured", _PAID,
    ),
    "challenge-failed": (f"{_GONE} (Declined)", "", "", "", ""),
    "soft-decline": ("Completed", _SAVED, "Chargeable", _PAID, "422 SoftDeclined"),
}  # fmt: skip


def test_a_set_up_ends_as_the_guide_says() -> None:
    """Each outcome of a set-up is here, typed by hand."""
    ends = {name: expected("set-up", "na", name) for name, reason in possible("set-up", "na").items() if not reason}
    assert {
        name: (end.session, end.permission, end.charge, end.refund) for name, end in ends.items()
    } == SET_UP | dict.fromkeys(DISPUTES, (*_WALLET, _PAID, "")) | {"buyer-cancels": ("", "", "", "")}
    assert {name: end.dispute for name, end in ends.items() if end.dispute} == DISPUTES
    assert {end.arrival for name, end in ends.items() if name != "buyer-cancels"} == {"result"}
    assert (ends["buyer-cancels"].arrival, expected("sign-in", "jp", "success").arrival) == ("cancel", "signed-in")
    assert {end.order for end in ends.values()} == {""}


@pytest.mark.parametrize("flow", ["express", "end-of-checkout"])
def test_a_purchase_ends_as_the_guide_says(flow: str) -> None:
    """A pending card, a challenge, and a wallet that was not saved."""
    ends = {name: expected(flow, "eu", name) for name in PURCHASE}
    assert {name: (end.session, end.wallet, end.permission, end.order, end.charge) for name, end in ends.items()} == (
        PURCHASE
    )


def test_every_outcome_is_in_one_of_the_lists() -> None:
    """A new card, code or end of a dispute needs a prediction by hand, above."""
    assert {*SET_UP, *DISPUTES, *PURCHASE, "buyer-cancels"} == OUTCOMES.keys()


def test_every_card_code_and_end_of_a_dispute_is_an_outcome() -> None:
    """With the sentence and the needs that its own table says; a code of all operations is sent with Create Charge."""
    cards = {row.last4: row for row in CARDS.values()}
    played = {name: row for name, row in OUTCOMES.items() if name.startswith("card-")}
    assert {name: (row.script, row.happens) for name, row in played.items()} == {
        f"card-{last4}": ({"card": last4}, card.effect) for last4, card in cards.items()
    }
    assert {name.removeprefix("card-"): row.needs for name, row in played.items()} == {
        last4: (*["purchase"] * card.requires_pending, *["emulator"] * (not card.marked))
        for last4, card in cards.items()
    }
    sent = [row for row in OUTCOMES.values() if row.code]
    everywhere = [simulation("createCharge", code) for code in ANYWHERE]
    assert [row.code for row in sent] == [*SIMULATIONS.values(), *everywhere]
    for row in sent:
        assert row.code
        title = OPERATIONS[row.code.operation].title
        assert row.happens == f"The merchant sends {title} with the simulation code {row.code.code}."
        waits = row.code.operation == "completeCheckoutSession" and not row.code.reason_code
        only_here = row.code.evidence == Evidence.EMULATOR_ONLY
        assert row.needs == (*["purchase"] * waits, *["emulator"] * only_here)
    ends = {row.dispute.trigger: row.needs for row in OUTCOMES.values() if row.dispute}
    assert ends == {row.trigger: ("emulator",) for row in DISPUTE.rows if row.target == "Resolved"}


def test_what_is_impossible_says_why() -> None:
    """A region without a challenge or an Update page, a flow without a purchase, and Amazon's own environments."""
    lacks = {
        (flow, region): {n for n, why in possible(flow, region).items() if why} for flow in FLOWS for region in REGIONS
    }
    bought = {"no-consent", "card-0701", "card-4354", "complete-authorization-initiated"}
    for (flow, region), names in lacks.items():
        buys = flow in ("express", "end-of-checkout")
        wanted = (set() if buys else bought) | {
            "na": {"challenge-failed"},
            "eu": set(),
            "jp": {"challenge-failed", "update-page"},
        }[region]
        assert names == wanted, (flow, region)
    assert possible("set-up", "jp")["update-page"] == "this region has no Update page"
    elsewhere = possible("express", "eu", "sandbox")
    assert {elsewhere[name] for name in ("card-9995", "dispute-no-fault", "update-page", "service-unavailable")} == {
        "only the emulator plays it"
    }
    assert {elsewhere[name] for name in ("card-3434", "soft-decline", "challenge-failed")} == {""}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"flow": "setup"}, ["flow='setup' does not exist.", "set-up, express, end-of-checkout, sign-in"]),
        ({"outcome": "soft-declined"}, ["outcome='soft-declined' does not exist.", "Did you mean soft-decline? "]),
        (
            {"outcome": "update-page", "region": "jp"},
            ["flow='set-up' and region='jp': this region has no Update page.", "Choose one of success, buyer-cancels"],
        ),
        ({"outcome": "card-9995", "environment": "sandbox"}, ["only the emulator plays it"]),
    ],
)
def test_an_impossible_scenario_is_refused(values: dict[str, str], words: list[str]) -> None:
    """With the reason, the likeliest spelling and the allowed values, before anything is sent."""
    with pytest.raises(ConfigurationError) as refusal:
        check_scenario(values)
    assert [part for part in words if part not in str(refusal.value)] == []


@pytest.mark.parametrize("region", REGIONS)
def test_every_scenario_is_played(region: str) -> None:
    """With real requests, the end is the predicted one, object by object."""
    with workbench.open(region=region, buyer="script") as wb:
        wb.set_up_keys()
        places = [(flow, name) for flow in FLOWS for name, reason in possible(flow, region).items() if not reason]
        ends = {place: asyncio.run(_play(Scenario(wb, *place))) for place in places}
    assert len(places) > 195
    assert {place: rows for place, rows in ends.items() if any(row.expected != row.actual for row in rows)} == {}


async def _play(scenario: Scenario) -> list[tuple[str, str, str]]:
    await scenario.set_up()
    await scenario.pay()
    scenario.settle()
    return scenario.compare()
