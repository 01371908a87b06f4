"""Where a shop delivers to: the rules of `deliverySpecifications`, and the hosted page that keeps to them."""

import re

import pytest

from amazonpay_nb.emulator.rules import personas as buyers
from amazonpay_nb.emulator.rules.shipping_areas import refuses
from tests.emulated import REVIEW, SET_UP, Json, Shop, end_of_checkout, express, page_of, usd

SEATTLE, TORONTO, HONOLULU_BOX = buyers.addresses("na", "ada@example.com")
BERLIN, VIENNA, PACKSTATION = buyers.addresses("eu", "greta@example.com")
LONDON, DUBLIN, LONDON_BOX = buyers.addresses("eu", "hugh@example.com")
TOKYO, OKINAWA, _ = buyers.addresses("jp", "hana@example.com")


def only(**countries: Json) -> Json:
    return {"addressRestrictions": {"type": "Allowed", "restrictions": countries}}


def anywhere_but(**countries: Json) -> Json:
    return {"addressRestrictions": {"type": "NotAllowed", "restrictions": countries}}


def special(*names: str) -> Json:
    return {"specialRestrictions": list(names)}


def states(*names: str) -> Json:
    return {"statesOrRegions": list(names)}


def codes(*numbers: str) -> Json:
    return {"zipCodes": list(numbers)}


class TestRules:
    """What is matched, field by field."""

    @pytest.mark.parametrize("specifications", [None, {}, only(), anywhere_but(), special()])
    def test_without_a_rule_everything_is_delivered_to(self, specifications: Json | None) -> None:
        """Naming no country restricts nothing."""
        assert refuses(specifications, SEATTLE) is None

    @pytest.mark.parametrize(
        ("restrictions", "address", "inside"),
        [
            ({"US": {}}, SEATTLE, True),
            ({"US": {}}, TORONTO, False),
            ({"us": {}}, SEATTLE, True),
            ({"US": {}, "CA": {}}, TORONTO, True),
            ({"US": states("WA", "OR")}, SEATTLE, True),
            ({"US": states("wa")}, SEATTLE, True),
            ({"US": states("OR")}, SEATTLE, False),
            ({"US": states("Washington")}, SEATTLE, False),
            ({"JP": states("沖縄県")}, OKINAWA, True),
            ({"JP": states("沖縄県")}, TOKYO, False),
            ({"DE": states("Berlin")}, BERLIN, False),
            ({"US": codes("98101")}, SEATTLE, True),
            ({"US": codes("98102")}, SEATTLE, False),
            ({"US": codes("981*")}, SEATTLE, True),
            ({"US": codes("982*", "1*")}, SEATTLE, False),
            ({"US": codes("*")}, SEATTLE, True),
            ({"US": codes("9*1")}, SEATTLE, False),
            ({"GB": codes("e16an")}, LONDON, True),
            ({"GB": codes("E1*")}, LONDON, True),
            ({"GB": codes("SW1*")}, LONDON, False),
            ({"US": states("OR") | codes("98101")}, SEATTLE, True),
            ({"US": states("WA") | codes("10001")}, SEATTLE, True),
            ({"US": states("OR") | codes("10001")}, SEATTLE, False),
            ({"US": {"statesOrRegions": [], "zipCodes": None}}, SEATTLE, True),
        ],
        ids=str,
    )
    def test_a_place_is_matched_both_ways(self, restrictions: Json, address: Json, inside: bool) -> None:
        """What is allowed by one type is refused by the other, in words that name the rule."""
        allowed, not_allowed = only(**restrictions), anywhere_but(**restrictions)
        assert (refuses(allowed, address) is None) is inside
        assert (refuses(not_allowed, address) is None) is not inside
        reason = refuses(not_allowed if inside else allowed, address)
        assert reason
        assert reason.text == "not-delivered"
        country = next(iter(restrictions))
        assert re.search(rf"addressRestrictions: {'NotAllowed' if inside else 'Allowed'} {country}\b", reason.rule)

    @pytest.mark.parametrize(
        ("restriction", "address", "text"),
        [
            ("RestrictPOBoxes", HONOLULU_BOX, "po-box"),
            ("RestrictPOBoxes", LONDON_BOX, "po-box"),
            ("RestrictPOBoxes", SEATTLE | {"addressLine2": "P.O. Box 7"}, "po-box"),
            ("RestrictPOBoxes", BERLIN | {"addressLine1": "Postfach 1"}, "po-box"),
            ("RestrictPOBoxes", BERLIN | {"countryCode": "FR", "addressLine1": "BP 12"}, "po-box"),
            ("RestrictPOBoxes", BERLIN | {"countryCode": "ES", "addressLine1": "Apartado de correos 3"}, "po-box"),
            ("RestrictPOBoxes", BERLIN | {"countryCode": "IT", "addressLine1": "Casella Postale 3"}, "po-box"),
            ("RestrictPOBoxes", BERLIN | {"countryCode": "PT", "addressLine1": "Apartado 3"}, "po-box"),
            ("RestrictPOBoxes", SEATTLE, None),
            ("RestrictPOBoxes", SEATTLE | {"addressLine1": "1 Boxwood Lane"}, None),
            ("RestrictPOBoxes", DUBLIN | {"addressLine1": "PO Box 1"}, None),
            ("RestrictPOBoxes", PACKSTATION, None),
            ("RestrictPackstations", PACKSTATION, "packstation"),
            ("RestrictPackstations", VIENNA | {"addressLine1": "Packstation 1"}, None),
            ("RestrictPackstations", HONOLULU_BOX, None),
        ],
    )
    def test_boxes_are_known_by_their_country(self, restriction: str, address: Json, text: str | None) -> None:
        """In the countries that a special restriction is for, and in their words."""
        reason = refuses(special(restriction), address)
        assert (reason and reason.text) == text

    def test_both_kinds_of_rule_hold(self) -> None:
        """A box in an allowed country is still a box."""
        both = only(US={}) | special("RestrictPOBoxes", "RestrictPackstations")
        assert refuses(both, SEATTLE) is None
        assert [reason and reason.text for reason in (refuses(both, HONOLULU_BOX), refuses(both, TORONTO))] == [
            "po-box",
            "not-delivered",
        ]


class TestPage:
    """What the buyer meets."""

    @pytest.mark.parametrize(
        ("region", "specifications", "refused", "sentence", "taken"),
        [
            ("na", only(US={}), "2", "does not deliver to Toronto, ON M5V 2T6 (CA).", "1"),
            ("na", special("RestrictPOBoxes"), "3", "does not deliver to PO boxes.", "2"),
            ("eu", anywhere_but(DE={}), "1", "does not deliver to 10115 Berlin (DE).", "2"),
            ("eu", special("RestrictPackstations"), "3", "does not deliver to parcel lockers.", "1"),
            ("jp", only(JP=states("東京都")), "2", "900-0001 沖縄県那覇市 (JP)にはお届けできません。", "1"),
        ],
        ids=["abroad", "po-box", "country", "packstation", "prefecture"],
    )
    def test_an_address_outside_is_refused_and_another_taken(
        self, request: pytest.FixtureRequest, region: str, specifications: Json, refused: str, sentence: str, taken: str
    ) -> None:
        """The reason stands at the field; nothing is associated until the choice is one that the shop delivers to."""
        shop: Shop = request.getfixturevalue(region)
        session_id = shop.clicked(express(deliverySpecifications=specifications), "PayAndShip")
        buyer = shop.buyer()
        shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
        shown = buyer.press(shown, action="continue", address=refused)
        assert (shown.status_code, page_of(shown)) == (400, "shipping-address")
        at_field = re.search(r'aria-describedby="address-error">.*?id="address-error">([^<]*)<', shown.text, re.DOTALL)
        assert at_field
        assert sentence in at_field[1]
        assert "deliverySpecifications." in shown.text
        assert shop.done("getCheckoutSession", session_id)["shippingAddress"] is None
        shown = buyer.press(shown, action="continue", address=taken)
        assert page_of(shown) == "payment-method"
        book = buyers.addresses(region, buyer.email)
        assert shop.done("getCheckoutSession", session_id)["shippingAddress"] == book[int(taken) - 1]

    @pytest.mark.parametrize(
        ("specifications", "likely"),
        [(None, "1"), (only(US={}), "1"), (only(CA={}), "2"), (only(FR={}), "1")],
        ids=["anywhere", "home", "abroad", "nowhere"],
    )
    def test_what_is_delivered_to_is_chosen_beforehand(self, na: Shop, specifications: Json, likely: str) -> None:
        """Home where that is possible, so that most buyers have nothing to do."""
        payload = express(**({"deliverySpecifications": specifications} if specifications else {}))
        buyer = na.buyer()
        shown = buyer.press(buyer.open(na.clicked(payload, "PayAndShip")), action="continue", email=buyer.email)
        assert re.findall(r'value="(\d)" required[^>]* checked', shown.text) == [likely]

    def test_a_change_of_address_keeps_to_the_rules(self, na: Shop) -> None:
        """The first choice stays until another one is taken."""
        session_id = na.clicked(express(deliverySpecifications=only(US={})), "PayAndShip")
        buyer = na.buyer()
        buyer.walk(session_id)
        told = {"amazonCheckoutSessionId": session_id, "changeAction": "changeAddress"}
        shown = na.http.get("/checkout/initiate_auth", params=told, follow_redirects=True)
        shown = buyer.press(shown, action="continue", address="2")
        assert (shown.status_code, page_of(shown)) == (400, "shipping-address")
        assert na.done("getCheckoutSession", session_id)["shippingAddress"]["city"] == "Seattle"
        shown = buyer.press(shown, action="continue", address="3")
        assert shown.headers["location"] == f"{REVIEW}?amazonCheckoutSessionId={session_id}"

    def test_another_address_takes_the_agreement_back(self, na: Shop) -> None:
        """What the buyer has agreed to was to be shipped elsewhere."""
        details = {"paymentIntent": "Authorize", "chargeAmount": usd("14.00")}
        web = {"checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": "https://shop.example/result"}
        session_id = na.clicked(express(webCheckoutDetails=web, paymentDetails=details), "PayAndShip")
        buyer = na.buyer()
        buyer.walk(session_id)
        buyer.walk(session_id)
        told = {"amazonCheckoutSessionId": session_id, "changeAction": "changeAddress"}
        shown = na.http.get("/checkout/initiate_auth", params=told, follow_redirects=True)
        buyer.press(shown, action="continue", address="2")
        assert na.call("completeCheckoutSession", session_id, chargeAmount=usd("14.00")).status_code == 422
        buyer.walk(session_id)
        assert na.call("completeCheckoutSession", session_id, chargeAmount=usd("14.00")).status_code == 200

    def test_an_address_of_the_button_is_final(self, na: Shop) -> None:
        """The shop has chosen it, so nobody compares it with where the shop delivers to."""
        payload = end_of_checkout(deliverySpecifications=only(CA={}))
        pages = na.buyer().walk(na.clicked(payload, "PayAndShip"))
        assert pages[0:2] == ["sign-in", "payment-method"]

    @pytest.mark.parametrize("address", ["", "0", "4", "x"])
    def test_an_address_must_be_in_the_book(self, na: Shop, address: str) -> None:
        """The page says so."""
        buyer = na.buyer()
        shown = buyer.press(buyer.open(na.clicked(express(), "PayAndShip")), action="continue", email=buyer.email)
        shown = buyer.press(shown, action="continue", address=address)
        assert (shown.status_code, page_of(shown)) == (400, "shipping-address")

    @pytest.mark.parametrize(
        ("payload", "product_type", "asked"),
        [
            (SET_UP, "PayOnly", False),
            (SET_UP, "PayAndShip", True),
            (express(), "PayOnly", False),
            (express(), "PayAndShip", True),
            (end_of_checkout(), "PayAndShip", False),
        ],
        ids=["setup", "setup-ships", "express", "express-ships", "end-of-checkout"],
    )
    def test_an_address_is_asked_for_where_amazon_is_to_deal_with_it(
        self, na: Shop, payload: Json, product_type: str, asked: bool
    ) -> None:
        """Not for PayOnly, nor where the button brings the address."""
        pages = na.buyer().walk(na.clicked(payload, product_type))
        assert ("shipping-address" in pages) is asked
