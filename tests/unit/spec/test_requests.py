"""The request models: known fields only, lengths, amounts and return addresses."""

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from amazonpay_nb.spec.addresses import return_address_problem
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parts import Price
from amazonpay_nb.spec.requests import ADDRESS_FIELDS, BODIES

ADDRESSES = ("https://shop.example/a?b=c#d", "https://shop.example:8443", "http://localhost:8000/x", "http://[::1]/x")
WRONG = (
    "", "shop.example", "//shop.example", "http://shop.example", "http://127.0.0.1.shop.example", "https://u@shop.example",
    "https://u:p@shop.example", "javascript:alert(1)", "data:,x", "file:///etc/passwd", "https://shop.example/ x",
    "https://shop.example/\n", 'https://shop.example/"', "https://shop.example/\\", "https://[::1", "https://x:99999",
)  # fmt: skip


def test_every_operation_with_a_body_has_a_model() -> None:
    """And there is no other."""
    assert {row.body for row in OPERATIONS.values() if row.body} == BODIES.keys()


@pytest.mark.parametrize("name", BODIES)
def test_fields_have_amazons_names(name: str) -> None:
    """In camel case only; Python's spelling is refused like any unknown field."""
    for field, info in BODIES[name].model_fields.items():
        assert "_" not in str(info.alias)
        if field != info.alias:
            with pytest.raises(ValidationError, match="Extra inputs"):
                BODIES[name].model_validate({field: None})


@pytest.mark.parametrize("url", ADDRESSES)
def test_a_return_address_is_https_or_loopback(url: str) -> None:
    """With query, fragment and port."""
    assert return_address_problem(url) == ""


@pytest.mark.parametrize("url", WRONG)
def test_any_other_return_address_has_a_problem(url: str) -> None:
    """It is said which."""
    assert return_address_problem(url)


@given(st.text())
def test_any_text_is_judged(url: str) -> None:
    """Without an exception."""
    assert isinstance(return_address_problem(url), str)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [("14", "USD", "14.00"), (14, "USD", "14.00"), ("475.4500", "EUR", "475.45"), (63.03, "GBP", "63.03"),
     ("500", "JPY", "500"), (500, "JPY", "500")],
)  # fmt: skip
def test_amounts_are_normalized(amount: object, currency: str, shown: str) -> None:
    """Numbers and trailing zeros are accepted."""
    assert Price.model_validate({"amount": amount, "currencyCode": currency}).amount == shown


@pytest.mark.parametrize("amount", ["", "0", "-1", "1.001", "1e3", "1,00", "NaN", "Infinity", None, [], {}, True])
def test_what_is_no_amount_is_refused(amount: object) -> None:
    """With a validation error, whatever it is."""
    with pytest.raises(ValidationError):
        Price.model_validate({"amount": amount, "currencyCode": "USD"})


def test_an_address_has_eleven_fields() -> None:
    """The merged field of addressDetails is not one of them."""
    assert len(ADDRESS_FIELDS) == 11
    assert "districtOrCounty" not in ADDRESS_FIELDS
