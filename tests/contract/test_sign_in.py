"""Who the buyer is: plain Amazon Sign-in with Get Buyer, and what Sign in and set up tells."""

import json
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from amazonpay_nb.emulator import Emulator, world
from tests.emulated import CANCEL, RESULT, SET_UP, SIGN_IN, SIGNED_IN, Json, Shop, page_of, refusal

PLAIN: Json = {"signInReturnUrl": SIGNED_IN}
PAGES = ["sign-in", "share"]
SCOPES = ("name", "email", "postalCode", "phoneNumber", "shippingAddress", "billingAddress")
WIRE = json.loads((Path(__file__).parents[1] / "wire/operations/getBuyer.json").read_text("utf-8"))
POSTAL_CODES = {"na": "98101", "eu": "10115", "jp": "100-0001"}


@pytest.fixture(params=["na", "eu", "jp"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """A merchant in each region."""
    shop: Shop = request.getfixturevalue(request.param)
    return shop


def sign_in(shop: Shop, **payload: object) -> str:
    """Sign the buyer in and return the token that the shop is told."""
    visit = shop.clicked(PLAIN | payload, "SignIn")
    *pages, address = shop.buyer().walk(visit)
    assert pages == PAGES
    before, _, token = address.partition("?buyerToken=")
    assert before == SIGNED_IN
    return token


def get_buyer(shop: Shop, token: str) -> Json:
    """*token* is still percent-encoded, as it came in the address."""
    buyer: Json = shop.done("getBuyer", token)
    return buyer


class TestGetBuyer:
    """`GET /v2/buyers/{buyerToken}`."""

    def test_the_shop_learns_the_id_and_nothing_else(self, shop: Shop) -> None:
        """Unless it asks for more."""
        buyer = get_buyer(shop, sign_in(shop))
        assert {name for name, value in buyer.items() if value is not None} == {"buyerId"}
        assert buyer["buyerId"].startswith("amzn1.account.")

    def test_the_fields_are_the_documented_ones_in_order(self, na: Shop) -> None:
        """As in the wire file; without Amazon's approval there is no word of Prime."""
        buyer = get_buyer(na, sign_in(na, signInScopes=[*SCOPES, "primeStatus"]))
        documented = WIRE["response"]["body"]
        assert list(buyer) == list(documented)
        assert list(buyer["shippingAddress"]) == list(documented["shippingAddress"])
        assert buyer["primeMembershipTypes"] is None

    @pytest.mark.parametrize("scope", SCOPES)
    def test_a_scope_unlocks_its_field(self, shop: Shop, scope: str) -> None:
        """The country comes with the postal code."""
        buyer = get_buyer(shop, sign_in(shop, signInScopes=[scope]))
        unlocked = {"buyerId", scope} | ({"countryCode"} if scope == "postalCode" else set())
        assert {name for name, value in buyer.items() if value is not None} == unlocked

    def test_postal_code_and_addresses_are_of_one_buyer(self, shop: Shop) -> None:
        """In the form of the region."""
        buyer = get_buyer(shop, sign_in(shop, signInScopes=list(SCOPES)))
        codes = [buyer["postalCode"], buyer["shippingAddress"]["postalCode"], buyer["billingAddress"]["postalCode"]]
        assert codes == [POSTAL_CODES[shop.emulator.region]] * 3

    def test_the_token_stays_out_of_the_journal(self, na: Shop) -> None:
        """Whoever has it can read the buyer's details; quoted or not, it is nowhere."""
        token = sign_in(na)
        get_buyer(na, token)
        journal = na.emulator.control.get("journal")["exchanges"]
        assert journal[-1]["path"] == "/v2/buyers/{id}"
        assert token not in str(journal)
        assert unquote(token) not in str(journal)

    def test_each_token_is_new_and_names_the_same_buyer(self, na: Shop) -> None:
        """Another buyer has another id."""
        first, second = sign_in(na), sign_in(na)
        assert first != second
        assert get_buyer(na, first)["buyerId"] == get_buyer(na, second)["buyerId"]
        visit, other = na.clicked(PLAIN, "SignIn"), na.buyer()
        other.email = "ben@example.com"
        token = other.walk(visit)[-1].partition("buyerToken=")[2]
        assert get_buyer(na, token)["buyerId"] != get_buyer(na, first)["buyerId"]

    def test_the_id_is_that_of_sign_in_and_set_up(self, shop: Shop) -> None:
        """A shop with both buttons finds the same account."""
        session_id = shop.clicked(SIGN_IN, "SignInAndSetup")
        shop.buyer().walk(session_id)
        session = shop.done("completeCheckoutSession", session_id)
        permission = shop.done("getChargePermission", session["chargePermissionId"])
        ids = {session["buyer"]["buyerId"], permission["buyer"]["buyerId"], get_buyer(shop, sign_in(shop))["buyerId"]}
        assert len(ids) == 1

    def test_a_token_works_for_a_day(self, na: Shop) -> None:
        """And is unknown afterward."""
        token = sign_in(na)
        na.emulator.clock.advance("PT23H59M59S")
        assert get_buyer(na, token)["buyerId"]
        na.emulator.clock.advance("PT1S")
        assert refusal(na.call("getBuyer", token)) == (404, "ResourceNotFound")

    def test_tokens_do_not_pile_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page that repeats its button again and again ends those of the earliest."""
        monkeypatch.setattr(world, "MAX_STARTED", 3)
        with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
            tokens = [sign_in(shop) for _ in range(5)]
            assert [shop.call("getBuyer", token).status_code for token in tokens] == [404, 404, 200, 200, 200]

    def test_another_merchants_token_looks_absent(self, na: Shop) -> None:
        """As each object of another merchant does."""
        token = sign_in(na)
        with Shop(na.emulator, na.emulator.other_merchant) as other:
            assert refusal(other.call("getBuyer", token)) == (404, "ResourceNotFound")

    @pytest.mark.parametrize("token", ["unknown", quote("Atza|UNKNOWN", safe=""), "%00", "a" * 3000])
    def test_an_unknown_token_is_not_found(self, na: Shop, token: str) -> None:
        """Whatever it looks like."""
        assert refusal(na.call("getBuyer", token)) == (404, "ResourceNotFound")

    def test_the_id_of_a_session_is_no_token(self, na: Shop) -> None:
        """The two must not be mixed up."""
        assert refusal(na.call("getBuyer", na.session())) == (404, "ResourceNotFound")


class TestPlainSignIn:
    """The visit of a button with product type SignIn."""

    def test_no_checkout_session_is_made(self, na: Shop) -> None:
        """Neither on the way nor at the end; the visit is over."""
        visit = na.clicked(PLAIN, "SignIn")
        assert refusal(na.call("getCheckoutSession", visit)) == (404, "ResourceNotFound")
        assert na.buyer().walk(visit)[:-1] == PAGES
        assert refusal(na.call("getCheckoutSession", visit)) == (404, "ResourceNotFound")
        assert refusal(na.call("completeCheckoutSession", visit)) == (404, "ResourceNotFound")
        assert na.buyer().open(visit).status_code == 404

    def test_a_buyer_who_cancels_comes_to_the_cancel_address(self, na: Shop) -> None:
        """As it is: there is nothing to be told."""
        visit = na.clicked(PLAIN | {"signInCancelUrl": CANCEL}, "SignIn")
        assert na.buyer().walk(visit, share="cancel")[-1] == CANCEL

    def test_without_a_cancel_address_no_token_comes_back(self, na: Shop) -> None:
        """The shop has to treat that as not signed in."""
        visit = na.clicked(PLAIN, "SignIn")
        assert na.buyer().walk(visit, sign_in="cancel")[-1] == SIGNED_IN
        assert na.buyer().open(visit).status_code == 404

    def test_a_visit_that_nobody_ends_is_given_up(self, na: Shop) -> None:
        """With the session that it resembles, after a day."""
        visit = na.clicked(PLAIN, "SignIn")
        assert na.buyer().open(visit).status_code == 200
        na.emulator.clock.advance("PT24H")
        assert na.buyer().open(visit).status_code == 404

    def test_the_share_page_says_what_the_shop_receives(self, na: Shop) -> None:
        """Each scope that was asked for."""
        visit, buyer = na.clicked(PLAIN | {"signInScopes": ["email", "postalCode"]}, "SignIn"), na.buyer()
        shown = buyer.press(buyer.open(visit), action="continue", email=buyer.email)
        assert page_of(shown) == "share"
        assert ("your email address" in shown.text, "your shipping address" in shown.text) == (True, False)

    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            ({}, "MissingParameterValue"),
            (SIGN_IN, "UnrecognizedField"),
            (PLAIN | {"chargePermissionType": "PaymentMethodOnFile"}, "UnrecognizedField"),
            (PLAIN | {"signInScopes": ["age"]}, "InvalidParameterValue"),
            (PLAIN | {"storeId": "amzn1.application-oa2-client.other"}, "InvalidParameterValue"),
            ({"signInReturnUrl": "javascript:alert(1)"}, "InvalidParameterValue"),
        ],
        ids=["no-address", "nested", "a-wallet", "unknown-scope", "unknown-store", "dangerous"],
    )
    def test_a_wrong_payload_ends_on_amazons_page(self, na: Shop, payload: Json, expected: str) -> None:
        """Its addresses stand at the top level, and it saves nothing."""
        shown = na.click(payload, "SignIn")
        assert shown.status_code == 400
        assert expected in shown.text


class TestSignInAndSetUp:
    """One consent for two things."""

    @pytest.mark.parametrize("payload", [SET_UP, PLAIN, {}], ids=["set-up", "plain", "empty"])
    def test_the_product_type_decides_about_the_flow(self, na: Shop, payload: Json) -> None:
        """The payload then has to say where to, inside webCheckoutDetails."""
        shown = na.click(payload, "SignInAndSetup")
        assert shown.status_code == 400
        assert "signInReturnUrl" in shown.text or "webCheckoutDetails" in shown.text

    def test_complete_answers_with_what_was_asked_for(self, shop: Shop) -> None:
        """The buyer has the fields of Get Buyer."""
        session_id = shop.clicked(
            SIGN_IN | {"signInScopes": ["name", "postalCode", "billingAddress"]}, "SignInAndSetup"
        )
        shop.buyer().walk(session_id)
        buyer = shop.done("completeCheckoutSession", session_id)["buyer"]
        assert list(buyer) == list(WIRE["response"]["body"])
        shown = {name for name, value in buyer.items() if value is not None}
        assert shown == {"buyerId", "name", "postalCode", "countryCode", "billingAddress"}

    def test_the_session_names_no_return_address_of_another_flow(self, na: Shop) -> None:
        """And lacks nothing: sign in and set up needs neither a result address nor an amount."""
        session = na.done("getCheckoutSession", na.clicked(SIGN_IN, "SignInAndSetup"))
        assert [row["constraintId"] for row in session["constraints"]] == ["BuyerNotAssociated"]
        assert session["webCheckoutDetails"]["checkoutResultReturnUrl"] is None

    def test_the_buyer_may_choose_how_to_pay(self, na: Shop) -> None:
        """Which is what the permission is charged on."""
        session_id = na.clicked(SIGN_IN, "SignInAndSetup")
        pages = na.buyer().walk(session_id, cards=("4444",))
        assert pages[:-1] == ["sign-in", "payment-method", "consent"]
        wallet = na.done("completeCheckoutSession", session_id)["chargePermissionId"]
        assert "4444" in na.done("getChargePermission", wallet)["paymentPreferences"][0]["paymentDescriptor"]

    def test_a_buyer_who_cancels_comes_to_the_cancel_address_as_it_is(self, na: Shop) -> None:
        """Like checkoutCancelUrl, signInCancelUrl gets no parameter."""
        web = {"signInReturnUrl": SIGNED_IN, "signInCancelUrl": CANCEL, "checkoutCancelUrl": RESULT}
        session_id = na.clicked({"webCheckoutDetails": web}, "SignInAndSetup")
        assert na.buyer().walk(session_id, consent="cancel")[-1] == CANCEL
        assert na.state("getCheckoutSession", session_id) == "Canceled"
