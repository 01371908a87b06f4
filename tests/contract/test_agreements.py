"""What a buyer agrees to is what the buyer has seen, and no permission keeps more than that."""

import pytest

from tests.emulated import MONTHLY, RESULT, REVIEW, SET_UP, WALLET, Json, Shop, express, page_of, purchase, refusal, usd

ONCE: Json = {"webCheckoutDetails": {"checkoutReviewReturnUrl": REVIEW}}
PAID: Json = {"paymentIntent": "AuthorizeWithCapture", "chargeAmount": usd("10.00")}
TOTAL: Json = {"paymentDetails": {"totalOrderAmount": usd("999.00")}}  # what a one-time permission takes in all
READY: Json = {"webCheckoutDetails": {"checkoutResultReturnUrl": RESULT}, "paymentDetails": PAID}


def made(shop: Shop, session_id: str, **paid: Json) -> Json:
    """Complete a session and return its permission."""
    session = shop.done("completeCheckoutSession", session_id, **paid)
    return shop.done("getChargePermission", session["chargePermissionId"])


@pytest.mark.parametrize("save", [True, False], ids=["agrees", "refuses"])
@pytest.mark.parametrize(
    ("begun", "change", "asked", "agreed", "refused"),
    [
        (express(), {}, [], "PaymentMethodOnFile", "OneTime"),
        (express(), MONTHLY, [], "Recurring", "OneTime"),
        (express(), {"chargePermissionType": "OneTime"}, [], "OneTime", "OneTime"),
        (ONCE, WALLET, ["consent"], "PaymentMethodOnFile", "OneTime"),
        (ONCE, MONTHLY, [], "Recurring", "Recurring"),
        (ONCE | MONTHLY, {}, [], "Recurring", "Recurring"),
        (ONCE | MONTHLY, WALLET, ["consent"], "PaymentMethodOnFile", "OneTime"),
    ],
    ids=["wallet", "wallet-monthly", "wallet-once", "once-wallet", "once-monthly", "monthly", "monthly-wallet"],
)
def test_what_is_kept_is_what_the_buyer_lets_the_shop_keep(
    na: Shop, begun: Json, change: Json, asked: list[str], agreed: str, refused: str, save: bool
) -> None:
    """Where an update asks for a wallet after the first stay, the second one begins with the question."""
    session_id, buyer = na.session(begun), na.buyer()
    buyer.walk(session_id, save=save)
    na.done("updateCheckoutSession", session_id, **READY | change)
    assert buyer.walk(session_id, save=save)[:-1] == [*asked, "processing"]
    permission = made(na, session_id, chargeAmount=usd("10.00"))
    assert permission["chargePermissionType"] == (agreed if save else refused)
    again = na.try_charge(permission["chargePermissionId"])
    assert again.status_code == (422 if permission["chargePermissionType"] == "OneTime" else 201)
    assert permission["chargePermissionType"] != "OneTime" or permission["recurringMetadata"]["frequency"] is None


@pytest.mark.parametrize("page", ["processing", "challenge"])
def test_consent_is_asked_for_wherever_the_buyer_has_got_to(eu: Shop, page: str) -> None:
    """A form that was open agrees to nothing; the update page asks for none, because the wallet is there."""
    session_id, buyer = eu.session(purchase("10.00", "EUR")), eu.buyer()
    shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
    shown = buyer.press(shown, action="continue", card="1111")
    if page == "challenge":
        shown = buyer.press(shown, action="continue")
    assert page_of(shown) == page
    eu.done("updateCheckoutSession", session_id, **WALLET)
    shown = buyer.press(shown, action="pass" if page == "challenge" else "continue")
    assert page_of(shown) == page_of(buyer.open(session_id, page)) == "consent"
    [visit] = [
        row for row in eu.emulator.control.get(f"visits?returning={RESULT}")["visits"] if row["id"] == session_id
    ]
    assert visit["page"] == "consent"
    shown = buyer.press(shown, action="continue", save="yes")
    shown = buyer.press(buyer.press(shown, action="continue"), action="pass")
    assert shown.headers["location"].startswith(RESULT)
    permission = made(eu, session_id, chargeAmount=usd("10.00", "EUR"))
    assert permission["chargePermissionType"] == "PaymentMethodOnFile"
    update = SET_UP | {"chargePermissionId": permission["chargePermissionId"], "paymentMethodOnFileMetadata": None}
    assert "consent" not in buyer.walk(eu.session(update))


def test_a_page_that_is_left_again_and_again_is_noted_once(na: Shop) -> None:
    """What a session remembers of a stay has an end."""
    session_id, buyer = na.session(), na.buyer()
    for _ in range(3):
        buyer.press(buyer.open(session_id, "sign-in"), action="continue", email=buyer.email)
    visits = na.emulator.control.get(f"visits?returning={RESULT}")["visits"]
    assert [row["passed"] for row in visits if row["id"] == session_id] == [["sign-in", "payment-method"]]


def test_a_page_before_its_turn_asks_for_no_consent_either(na: Shop) -> None:
    """The buyer signs in first."""
    assert page_of(na.buyer().open(na.session(WALLET | purchase()), "processing")) == "sign-in"


def test_another_buyer_is_asked_anew(na: Shop) -> None:
    """Whatever the one before has said."""
    session_id, buyer = na.visited(express(), save=False), na.buyer()
    buyer.email = "ben@example.com"
    buyer.walk(session_id)
    na.done("updateCheckoutSession", session_id, **READY)
    buyer.walk(session_id)
    permission = made(na, session_id, chargeAmount=usd("10.00"))
    assert permission["chargePermissionType"] == "PaymentMethodOnFile"


def test_a_buyer_who_saves_nothing_confirms_an_amount(na: Shop) -> None:
    """A one-time permission without a limit could be neither charged nor kept in a world file."""
    confirm: Json = {"paymentIntent": "Confirm"}
    ready: Json = READY | {"paymentDetails": confirm}
    for save, needed in ((True, []), (False, ["ChargeAmountNotSet"])):
        session_id, buyer = na.session(express() | {"paymentMethodOnFileMetadata": {"setupOnly": True}}), na.buyer()
        buyer.walk(session_id, save=save)
        session = na.done("updateCheckoutSession", session_id, **ready)
        assert [row["constraintId"] for row in session["constraints"]] == needed
        paid: Json = {} if save else {"chargeAmount": usd("10.00")}
        na.done("updateCheckoutSession", session_id, paymentDetails=confirm | paid)
        buyer.walk(session_id)
        permission = made(na, session_id, **paid)
        assert permission["chargePermissionType"] == ("PaymentMethodOnFile" if save else "OneTime")
        assert na.charge(permission["chargePermissionId"], "10.00")["statusDetails"]["state"] == "Authorized"
    na.emulator.control.post("world", world=na.emulator.control.get("world"))


# --- What a page has shown --------------------------------------------------------------------------------------------

# What the shop changes while a page is open: region, session, page, update, and what the page says about it then.
LATE = [
    ("na", purchase(), "processing", {"paymentDetails": {"chargeAmount": usd("999.00")}}, "$999.00"),
    (
        "eu",
        purchase(currency="EUR"),
        "challenge",
        {"paymentDetails": {"chargeAmount": usd("999.00", "EUR")}},
        "€999.00",
    ),
    ("eu", purchase(currency="EUR"), "processing", {"paymentDetails": {"chargeAmount": usd("14.00", "GBP")}}, "£"),
    ("na", WALLET | purchase(), "processing", {"chargePermissionType": "OneTime"}, "$14.00"),
    ("na", WALLET | purchase(), "consent", MONTHLY, "$14.00"),
    ("na", SET_UP, "consent", {"paymentDetails": PAID}, "You can buy without saving."),
    ("na", SET_UP, "payment-method", {"chargePermissionType": "OneTime", "paymentDetails": PAID}, "$10.00"),
    ("na", purchase(), "processing", TOTAL, "$999.00"),
    ("na", purchase(totalOrderAmount=usd("20.00")), "processing", TOTAL, "$999.00"),
    ("na", WALLET | purchase(), "consent", TOTAL, "$999.00"),
]


@pytest.mark.parametrize(
    ("region", "body", "page", "change", "says"), LATE,
    ids=["amount", "amount-challenge", "currency", "once", "monthly", "set-up-pays", "set-up-pays-once", "total",
        "total-raised", "total-consent"],
)  # fmt: skip
def test_a_button_agrees_to_what_its_page_has_shown(
    request: pytest.FixtureRequest, region: str, body: Json, page: str, change: Json, says: str
) -> None:
    """After an update the page is shown anew, and its next form counts; to cancel is possible in any case."""
    shop: Shop = request.getfixturevalue(region)
    for action in ("continue", "cancel"):
        session_id, buyer = shop.session(body), shop.buyer()
        choices = {"email": buyer.email, "card": "1111", "save": "yes", "action": "continue"}
        shown = buyer.open(session_id)
        while page_of(shown) != page:
            shown = buyer.press(shown, **choices)
        details = shop.done("updateCheckoutSession", session_id, **change)["paymentDetails"]
        if action == "cancel":
            assert buyer.press(shown, action="cancel").headers["location"].startswith(RESULT)
            continue
        shown = buyer.press(shown, **choices)
        assert (shown.status_code, page_of(shown)) == (409, page)
        assert "nothing has been agreed to" in shown.text
        assert says in shown.text
        assert details["chargeAmount"]["amount"] in shown.text
        paid = {name: price for name, price in details.items() if name.endswith("Amount") and price}
        assert refusal(shop.call("completeCheckoutSession", session_id, **paid))[0] == 422
        while not shown.is_redirect:
            shown = buyer.press(shown, **choices | {"action": "pass" if page_of(shown) == "challenge" else "continue"})
        session = shop.done("completeCheckoutSession", session_id, **paid)
        assert shop.done("getCharge", session["chargeId"])["chargeAmount"] == details["chargeAmount"]


@pytest.mark.parametrize(
    "change",
    [
        {"merchantMetadata": {"noteToBuyer": "Thank you"}},
        {"paymentDetails": {"softDescriptor": "SHOP", "chargeAmount": usd("14.0")}},
        {"recurringMetadata": {"frequency": None}},
    ],
    ids=["note", "descriptor", "null"],
)
def test_a_button_agrees_after_an_update_that_concerns_nobody(na: Shop, change: Json) -> None:
    """The page is the same as before."""
    session_id, buyer = na.session(purchase()), na.buyer()
    shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
    shown = buyer.press(shown, action="continue", card="1111")
    na.done("updateCheckoutSession", session_id, **change)
    assert buyer.press(shown, action="continue").is_redirect
