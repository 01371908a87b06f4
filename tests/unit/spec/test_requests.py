"""The request models: known fields only, lengths, amounts and return addresses."""

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ValidationError

from amazonpay_nb.spec.addresses import return_address_problem
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parts import Price
from amazonpay_nb.spec.requests import ADDRESS_FIELDS, BODIES

ADDRESSES = ("https://shop.example/a?b=c#d", "https://shop.example:8443", "http://localhost:8000/x", "http://[::1]/x")
WRONG = (
    "", "shop.example", "//shop.example", "http://shop.example", "http://127.0.0.1.shop.example", "https://u@shop.example",
    "https://u:p@shop.example", "javascript:alert(1)", "data:,x", "file:///etc/passwd", "https://shop.example/ x",
    "https://shop.example/\n", 'https://shop.example/"', "https://shop.example/\\", "https://[::1", "https://x:99999",
    "https://shop%2eexample/",
)  # fmt: skip


def test_every_operation_with_fields_has_a_model() -> None:
    """And there is no other."""
    assert {row.fields for row in OPERATIONS.values() if row.fields} == BODIES.keys()


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


# As Amazon's SDKs list them.
FREQUENCIES = (
    "PT5M", "PT15M", "PT30M", "PT1H", "PT2H", "PT4H", "PT8H", "PT12H", "PT24H", "PT84H", "P1D", "P2D", "P3D", "P7D",
    "P14D", "P15D", "P18D", "P30D",
)  # fmt: skip
REPORTS = (
    "SETTLEMENT",
    "SANDBOX_SETTLEMENT",
    "ORDER_REFERENCE",
    "BILLING_AGREEMENT",
    "AUTHORIZATION",
    "CAPTURE",
    "REFUND",
)


@pytest.mark.parametrize("frequency", [*FREQUENCIES, "PT6M", "P1M", "P4D", "PT48H", "P1D ", "1D"])
def test_a_schedule_has_one_of_eighteen_frequencies(frequency: str) -> None:
    """No other duration."""
    body = {"reportType": f"_GET_FLAT_FILE_OFFAMAZONPAYMENTS_{REPORTS[1]}_DATA_", "scheduleFrequency": frequency}
    taken = is_taken(BODIES["CreateReportSchedule"], body | {"nextReportCreationTime": "20270101T000000Z"})
    assert taken == (frequency in FREQUENCIES)


@pytest.mark.parametrize("name", [*REPORTS, "refund", "", "A-B"])
def test_reports_are_of_amazons_types(name: str) -> None:
    """Several are separated by commas."""
    types = f"_GET_FLAT_FILE_OFFAMAZONPAYMENTS_{name}_DATA_,_GET_FLAT_FILE_OFFAMAZONPAYMENTS_CAPTURE_DATA_"
    assert is_taken(BODIES["GetReports"], {"reportTypes": types}) == (name in REPORTS)


@pytest.mark.parametrize(
    ("text", "moment"),
    [("20260115T120000Z", "20260115T120000Z"), ("2026-01-15T12:00:00Z", "20260115T120000Z"),
     ("2026-01-15T13:00:00.5+01:00", "20260115T120000Z"), ("2026-01-15T12:00:00", "20260115T120000Z"),
     ("0999-01-15T12:00:00Z", "09990115T120000Z"), ("9999-12-31T23:59:59-14:00", None), ("tomorrow", None)],
)  # fmt: skip
def test_a_moment_is_any_form_of_iso_8601(text: str, moment: str | None) -> None:
    """And becomes the API's own, in UTC; one without a zone is in UTC already."""
    query = {"createdSince": text}
    assert is_taken(BODIES["GetReports"], query) == bool(moment)
    if moment:
        assert BODIES["GetReports"].model_validate(query).model_dump(exclude_unset=True) == {"created_since": moment}


def is_taken(model: type[BaseModel], values: dict[str, str]) -> bool:
    try:
        model.model_validate(values)
    except ValidationError:
        return False
    return True
