"""Between the buyer's agreement and Complete Checkout Session the money is held, and the shop is told of nothing."""

from collections.abc import Iterator

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from tests import golden
from tests.emulated import RESULT, REVIEW, WALLET, Json, Shop, express, purchase, refusal, usd

CANCELED = (422, "CheckoutSessionCanceled")
INTENTS = golden.rows("states", "checkout")
PAID: Json = {"chargeAmount": usd("14.00")}
PENDING: Json = {"canHandlePendingAuthorization": True}


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A merchant of a new world, whose only charges are those of the test."""
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        yield shop


def charges(shop: Shop) -> list[Json]:
    """Return all charges of the world, whoever knows of them, in order of creation."""
    found: list[Json] = shop.emulator.control.get("objects/charges")["objects"]
    return sorted(found, key=lambda charge: str(charge["creationTimestamp"]))


def states(shop: Shop) -> list[tuple[str, str | None]]:
    """Return state and reason code of each charge."""
    details = [charge["statusDetails"] for charge in charges(shop)]
    return [(row["state"], row["reasonCode"]) for row in details]


def complete(shop: Shop, session_id: str, amount: str = "14.00", **fields: object) -> Json:
    return shop.done("completeCheckoutSession", session_id, chargeAmount=usd(amount), **fields)


@pytest.mark.parametrize(("intent", "held", "completed", "forgotten"), [row[:4] for row in INTENTS])
class TestIntents:
    """What the buyer's agreement, completing and forgetting to complete make of the money."""

    def test_the_money_is_held_before_the_shop_acts(
        self, shop: Shop, intent: str, held: str | None, completed: str | None, forgotten: str | None
    ) -> None:
        """Authorized and not captured, and the session names neither charge nor permission."""
        session_id = shop.visited(WALLET | purchase(paymentIntent=intent))
        assert states(shop) == ([(held, None)] if held else [])
        session = shop.done("getCheckoutSession", session_id)
        assert session["statusDetails"]["state"] == "Open"
        assert (session["chargeId"], session["chargePermissionId"]) == (None, None)

    def test_completing_gives_it_to_the_shop(
        self, shop: Shop, intent: str, held: str | None, completed: str | None, forgotten: str | None
    ) -> None:
        """The charge is the one that was held, created when the buyer agreed; no second one is made."""
        session_id = shop.visited(WALLET | purchase(paymentIntent=intent))
        before = charges(shop)
        shop.emulator.clock.advance("PT1H")
        session = complete(shop, session_id)
        assert [charge["chargeId"] for charge in charges(shop)] == [charge["chargeId"] for charge in before]
        assert [session["chargeId"]] == ([charge["chargeId"] for charge in before] or [None])
        if completed:
            charge = shop.done("getCharge", session["chargeId"])
            assert charge["statusDetails"]["state"] == completed
            assert charge["chargePermissionId"] == session["chargePermissionId"]
            assert charge["creationTimestamp"] == before[0]["creationTimestamp"]
            # The permission is as old as the completion.
            permission = shop.done("getChargePermission", session["chargePermissionId"])
            assert permission["creationTimestamp"] > charge["creationTimestamp"]

    def test_what_is_forgotten_is_released(
        self, shop: Shop, intent: str, held: str | None, completed: str | None, forgotten: str | None
    ) -> None:
        """After 24 hours and not before, with the session."""
        session_id = shop.visited(WALLET | purchase(paymentIntent=intent))
        shop.emulator.clock.advance("PT23H59M59S")
        assert [state for state, _ in states(shop)] == ([held] if held else [])
        shop.emulator.clock.advance("PT1S")
        assert shop.done("getCheckoutSession", session_id)["statusDetails"]["reasonCode"] == "Expired"
        assert states(shop) == ([(forgotten, "AmazonCanceled")] if forgotten else [])
        assert refusal(shop.call("completeCheckoutSession", session_id, **PAID)) == CANCELED
        assert len(charges(shop)) == bool(forgotten)


class TestUnknown:
    """Whoever guesses the ids is told nothing."""

    def test_a_held_charge_is_not_found(self, shop: Shop) -> None:
        """No call of the merchant reaches it, before the session is completed and after it has expired."""
        shop.visited(WALLET | purchase())
        (charge,) = charges(shop)
        charge_id, permission_id = charge["chargeId"], charge["chargePermissionId"]
        assert shop.emulator.control.get(f"objects/charges/{charge_id}") == charge
        for wait in ("PT1H", "PT23H"):
            for response in (
                shop.call("getCharge", charge_id),
                shop.call("captureCharge", charge_id, captureAmount=usd("14.00")),
                shop.call("cancelCharge", charge_id),
                shop.call("createRefund", chargeId=charge_id, refundAmount=usd("14.00")),
                shop.call("getChargePermission", permission_id),
                shop.try_charge(permission_id),
            ):
                assert refusal(response) == (404, "ResourceNotFound")
            shop.emulator.clock.advance(wait)
        assert states(shop) == [("Canceled", "AmazonCanceled")]

    def test_a_shop_is_notified_once_it_has_completed(self, shop: Shop) -> None:
        """Of the permission and the charge, as of anything new; of what expired it never hears."""
        shop.emulator.control.post("notifications/endpoint", url="http://127.0.0.1:9/")
        first, second = (shop.visited(WALLET | purchase()) for _ in range(2))
        assert shop.emulator.control.get("notifications") == {"notifications": []}
        session = complete(shop, first)
        told = shop.emulator.control.get("notifications")["notifications"]
        assert [(row["objectType"], row["objectId"]) for row in told] == [
            ("CHARGE_PERMISSION", session["chargePermissionId"]), ("CHARGE", session["chargeId"]),
        ]  # fmt: skip
        shop.emulator.clock.advance("PT24H")
        assert shop.done("getCheckoutSession", second)["statusDetails"]["reasonCode"] == "Expired"
        assert len(shop.emulator.control.get("notifications")["notifications"]) == len(told)


class TestLimits:
    """Held money counts."""

    def test_it_counts_in_the_month_in_which_it_was_held(self, shop: Shop) -> None:
        """Of the wallet that it leads to: 15,000 USD a month are as good as spent."""
        shop.emulator.clock.advance("P16DT11H30M")  # half an hour before February
        session_id = shop.visited(WALLET | purchase("14000.00"))
        shop.emulator.clock.advance("PT1M")
        wallet = complete(shop, session_id, "14000.00")["chargePermissionId"]
        assert refusal(shop.try_charge(wallet, "1000.01")) == (400, "PeriodicAmountExceeded")
        shop.charge(wallet, "1000.00")
        shop.emulator.clock.advance("PT1H")
        shop.charge(wallet, "15000.00")

    def test_a_month_that_is_over_when_the_shop_completes(self, shop: Shop) -> None:
        """The new month is untouched."""
        shop.emulator.clock.advance("P16DT11H59M")
        session_id = shop.visited(WALLET | purchase("14000.00"))
        shop.emulator.clock.advance("PT2M")
        shop.charge(complete(shop, session_id, "14000.00")["chargePermissionId"], "15000.00")

    def test_nothing_is_held_above_the_months_limit(self, shop: Shop) -> None:
        """The buyer comes back, and completing says why."""
        session_id = shop.visited(WALLET | purchase("15000.01"))
        assert charges(shop) == []
        response = shop.call("completeCheckoutSession", session_id, chargeAmount=usd("15000.01"))
        assert refusal(response) == (400, "PeriodicAmountExceeded")
        assert charges(shop) == []

    @pytest.mark.parametrize(
        ("intent", "state", "reason", "left"),
        [("Authorize", "NonChargeable", "ChargeInProgress", "0.00"),
         ("AuthorizeWithCapture", "Closed", "AmazonClosed", "0.00")],
    )  # fmt: skip
    def test_an_order_shows_what_is_left_of_it(
        self, shop: Shop, intent: str, state: str, reason: str, left: str
    ) -> None:
        """As soon as there is a permission that can show it."""
        order = complete(shop, shop.visited(purchase(paymentIntent=intent)))
        permission = shop.done("getChargePermission", order["chargePermissionId"])
        details = permission["statusDetails"]
        assert (details["state"], details["reasons"][0]["reasonCode"]) == (state, reason)
        assert permission["limits"]["amountBalance"]["amount"] == left


class TestEnds:
    """What may happen between the agreement and its completion."""

    def test_a_lost_completion_is_sent_again(self, shop: Shop) -> None:
        """The money is held once and handed over once, whether the request or its answer was lost."""
        for fault in ("reset", "drop-after-commit"):
            session_id, key = shop.visited(WALLET | purchase(paymentIntent="AuthorizeWithCapture")), f"lost-{fault}"
            before = len(charges(shop))
            shop.emulator.faults("completeCheckoutSession", fault)
            with pytest.raises(httpx.TransportError):
                shop.call("completeCheckoutSession", session_id, key=key, **PAID)
            session = complete(shop, session_id, key=key)
            assert len(charges(shop)) == before
            assert shop.state("getCharge", session["chargeId"]) == "Captured"

    def test_what_is_completed_twice_is_taken_once(self, shop: Shop) -> None:
        """The second time is refused and moves nothing."""
        session_id = shop.visited(WALLET | purchase(paymentIntent="AuthorizeWithCapture"))
        complete(shop, session_id)
        before = charges(shop)
        answer = shop.call("completeCheckoutSession", session_id, **PAID)
        assert refusal(answer) == (422, "InvalidCheckoutSessionStatus")
        assert charges(shop) == before
        shop.emulator.clock.advance("P2D")  # the session's 24 hours release nothing any more
        assert states(shop) == [("Captured", None)]

    def test_a_wrong_amount_leaves_it_held(self, shop: Shop) -> None:
        """The right one still completes the session."""
        session_id = shop.visited(WALLET | purchase())
        answer = shop.call("completeCheckoutSession", session_id, chargeAmount=usd("13.00"))
        assert refusal(answer) == (409, "AmountMismatch")
        assert states(shop) == [("Authorized", None)]
        assert complete(shop, session_id)["chargeId"] == charges(shop)[0]["chargeId"]

    def test_a_buyer_who_agrees_anew_pays_once(self, shop: Shop) -> None:
        """The buyer goes back and takes another card: what was held is released, and held on that card."""
        session_id = reviewed(shop)
        shop.emulator.clock.advance("PT1H")
        buyer = shop.buyer()
        buyer.press(buyer.press(changed(shop, session_id), card="4444"), save="yes")
        buyer.walk(session_id)
        assert states(shop) == [("Canceled", "BuyerCanceled"), ("Authorized", None)]
        session = complete(shop, session_id)
        assert session["chargeId"] == charges(shop)[1]["chargeId"]
        assert shop.done("getChargePermission", session["chargePermissionId"])["paymentPreferences"] == [
            {"paymentDescriptor": "Mastercard ****4444 (Amazon Pay)"}
        ]

    def test_agreeing_again_and_again_leaves_nothing_behind(self, shop: Shop) -> None:
        """What was held before last is gone, and all of it with the session."""
        session_id = reviewed(shop)
        for _ in range(5):
            buyer = shop.buyer()
            buyer.press(buyer.press(changed(shop, session_id), card="4444"), save="yes")
            buyer.walk(session_id)
            assert states(shop) == [("Canceled", "BuyerCanceled"), ("Authorized", None)]
        shop.emulator.clock.advance("P31D")
        assert states(shop) == []
        assert shop.emulator.control.get("objects/checkoutSessions")["objects"] == []

    def test_a_buyer_who_cancels_afterward_gets_it_back(self, shop: Shop) -> None:
        """On the way to another payment method."""
        session_id = reviewed(shop)
        shop.buyer().press(changed(shop, session_id), action="cancel")
        assert states(shop) == [("Canceled", "BuyerCanceled")]
        assert refusal(shop.call("completeCheckoutSession", session_id, **PAID)) == CANCELED

    @pytest.mark.parametrize("code", ["AmazonCanceled", "BuyerCanceled", "Declined"])
    def test_a_session_that_a_simulation_cancels_releases_it(self, shop: Shop, code: str) -> None:
        """Whoever canceled it."""
        session_id = shop.visited(WALLET | purchase())
        answer = shop.call("completeCheckoutSession", session_id, code=code, **PAID)
        assert refusal(answer) == CANCELED
        assert states(shop) == [("Canceled", "BuyerCanceled" if code == "BuyerCanceled" else "AmazonCanceled")]

    def test_a_decline_at_the_page_holds_nothing(self, shop: Shop) -> None:
        """Neither with the card that was declined, nor where the buyer gives up."""
        session_id = shop.visited(WALLET | purchase(), cards=("9995", "1111"))
        assert len(charges(shop)) == 1
        complete(shop, session_id)
        shop.visited(WALLET | purchase(), cards=("9995",))
        assert len(charges(shop)) == 1


class TestPending:
    """An authorization that takes time takes it from the buyer's agreement."""

    def test_it_is_pending_when_the_session_is_completed(self, shop: Shop) -> None:
        """Its 30 seconds go on."""
        session_id = shop.visited(WALLET | purchase(**PENDING), cards=("0701",))
        shop.emulator.clock.advance("PT20S")
        response = shop.call("completeCheckoutSession", session_id, **PAID)
        assert response.status_code == 202
        charge_id = response.json()["chargeId"]
        assert shop.state("getCharge", charge_id) == "AuthorizationInitiated"
        shop.emulator.clock.advance("PT10S")
        assert shop.state("getCharge", charge_id) == "Authorized"

    def test_it_may_be_decided_before(self, shop: Shop) -> None:
        """Then completing finds it decided: for good, or against the order."""
        good, bad = (shop.visited(WALLET | purchase(**PENDING), cards=(card,)) for card in ("0701", "4354"))
        shop.emulator.clock.advance("PT30S")
        assert shop.call("completeCheckoutSession", good, **PAID).status_code == 200
        assert shop.done("getCheckoutSession", bad)["statusDetails"]["reasonCode"] == "Declined"
        assert refusal(shop.call("completeCheckoutSession", bad, **PAID)) == CANCELED

    def test_a_simulation_decides_anew(self, shop: Shop) -> None:
        """Asked to be pending, the authorization of the page counts no more."""
        session_id = shop.visited(WALLET | purchase("8000.00", **PENDING))
        paid = {"chargeAmount": usd("8000.00")}
        response = shop.call("completeCheckoutSession", session_id, code="AuthorizationInitiated", **paid)
        assert response.status_code == 202
        session = response.json()
        shop.emulator.clock.advance("PT30S")
        assert shop.state("getCharge", session["chargeId"]) == "Authorized"
        assert sorted(states(shop), key=str) == [("Authorized", None), ("Canceled", "AmazonCanceled")]
        shop.charge(session["chargePermissionId"], "7000.00")  # of 15,000 a month


def reviewed(shop: Shop) -> str:
    """Let a buyer go through both stays of an express checkout."""
    session_id = shop.session(express())
    shop.buyer().walk(session_id)
    shop.done(
        "updateCheckoutSession", session_id, paymentDetails={"paymentIntent": "Authorize", **PAID},
        webCheckoutDetails={"checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": RESULT},
    )  # fmt: skip
    shop.buyer().walk(session_id)
    return session_id


def changed(shop: Shop, session_id: str) -> httpx.Response:
    """Open the page for another payment method, as the shop's review page offers it."""
    query = {"amazonCheckoutSessionId": session_id, "changeAction": "changePayment"}
    return shop.http.get("/checkout/initiate_auth", params=query, follow_redirects=True)
