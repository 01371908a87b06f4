"""The signed payload, and the JSON that goes into a page."""

import json

import pytest
from hypothesis import given, strategies as st

from amazonpay_nb.client.button import button_config, embed, set_up_payload, sign_button
from amazonpay_nb.signing import explain_payload
from amazonpay_nb.signing.keys import MerchantKeys, generate, with_id
from amazonpay_nb.spec.flows import FLOWS, flow_of, lookup
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.workbench.parameters import ENVIRONMENTS

KEYS: MerchantKeys = generate("SANDBOX-AAAAAAAAAAAAAAAAAAAAAAAA")
NEUTRAL = with_id(KEYS, "AAAAAAAAAAAAAAAAAAAAAAAA")


def test_a_set_up_payload_is_the_set_up_flow() -> None:
    """It holds every required field, none that is forbidden, and no amount."""
    payload = set_up_payload("store", result_url="https://shop.example/r", cancel_url="https://shop.example/c")
    flow = FLOWS["setup"]

    assert flow_of(payload, "PayOnly") is flow
    assert all(lookup(payload, field) is not None for field in flow.required)
    assert not any(lookup(payload, field) for field in flow.forbidden)


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_the_signature_covers_the_text_that_goes_into_the_page(name: str) -> None:
    """Whatever the payload holds, the page's text verifies."""
    signed = sign_button({"merchantMetadata": {"merchantStoreName": name}}, KEYS)

    assert explain_payload(signed.payload_json, signed.signature, signed.algorithm, KEYS.public_pem) is None
    assert json.loads(signed.payload_json)["merchantMetadata"]["merchantStoreName"] == name


def test_a_signed_payload_does_not_show_its_signature() -> None:
    """A representation ends up in a notebook."""
    signed = sign_button({"storeId": "s"}, KEYS)

    assert signed.signature not in repr(signed)
    assert "344 characters" in repr(signed)


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_embedded_json_cannot_leave_its_script(text: str) -> None:
    """`</script>` and line separators are written as escapes, and read back the same."""
    embedded = embed({"payloadJSON": f"</script><!--{text}"})

    assert not set("<>&\u2028\u2029") & set(embedded)
    assert json.loads(embedded)["payloadJSON"] == f"</script><!--{text}"


def test_only_a_neutral_key_needs_the_sandbox_flag() -> None:
    """A prefixed key says by itself which environment it is for."""
    for prefix in ("SANDBOX-", "LIVE-"):
        config = button_config(
            sign_button({}, with_id(KEYS, prefix + NEUTRAL.public_key_id)), merchant_id="A1", region=REGIONS["jp"]
        )
        assert "sandbox" not in config
        assert (config["ledgerCurrency"], config["checkoutLanguage"]) == ("JPY", "ja_JP")


@pytest.mark.parametrize(
    ("environment", "sandbox"), [({}, True), *(({"environment": e}, e != "live") for e in ENVIRONMENTS)]
)
@pytest.mark.parametrize("key_id", [NEUTRAL.public_key_id, "A-NEUTRAL-KEY", ""])
def test_the_page_says_for_a_neutral_key_whether_money_is_real(
    key_id: str, environment: dict[str, str], sandbox: bool
) -> None:
    """A live page must not send the buyer to the Sandbox; what makes a key neutral is its prefix, not its dashes."""
    signed = sign_button({}, with_id(KEYS, key_id))

    assert button_config(signed, merchant_id="A1", region=REGIONS["na"], **environment)["sandbox"] is sandbox


def test_the_estimate_of_an_order_is_an_option_and_not_signed() -> None:
    """It is left out where there is none."""
    signed, price = sign_button({}, KEYS), {"amount": "14.00", "currencyCode": "USD"}
    with_it, without = (
        button_config(signed, merchant_id="A1", region=REGIONS["na"], estimate=estimate) for estimate in (price, None)
    )

    assert with_it == without | {"estimatedOrderAmount": price}
