"""The signed payload, and the JSON that goes into a page."""

import json

from hypothesis import given, strategies as st

from amazonpay_nb.button import button_config, embed, set_up_payload, sign_button
from amazonpay_nb.keys import MerchantKeys, generate, with_id
from amazonpay_nb.signing import verify_payload
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.visits import FLOWS, flow_of, lookup

KEYS: MerchantKeys = generate("SANDBOX-AAAAAAAAAAAAAAAAAAAAAAAA")


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

    assert verify_payload(signed.payload_json, signed.signature, signed.algorithm, KEYS.public_pem) is None
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
    neutral = with_id(KEYS, "AAAAAAAAAAAAAAAAAAAAAAAA")
    configs = [button_config(sign_button({}, keys), merchant_id="A1", region=REGIONS["jp"]) for keys in (KEYS, neutral)]

    assert ["sandbox" in config for config in configs] == [False, True]
    assert (configs[0]["ledgerCurrency"], configs[0]["checkoutLanguage"]) == ("JPY", "ja_JP")
