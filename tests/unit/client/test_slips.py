"""Each mistake made on purpose is recognized by the verifier."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from amazonpay_nb.client.slips import SLIPS, diagnose
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing.keys import MerchantKeys, generate
from amazonpay_nb.signing.mistakes import RequestParts
from amazonpay_nb.signing.steps import IDEMPOTENCY_KEY, SIGNED_HEADERS, format_date

HEADERS = {
    "accept": "application/json",
    "content-type": "application/json",
    "x-amz-pay-date": format_date(datetime(2026, 1, 15, 12, tzinfo=UTC)),
    "x-amz-pay-host": "pay-api.amazon.com",
    "x-amz-pay-region": "na",
}
REQUEST = RequestParts(
    "POST", "/v2/charges", "", [*HEADERS.items(), (IDEMPOTENCY_KEY, "once")],
    ";".join(sorted([*SIGNED_HEADERS, IDEMPOTENCY_KEY])), b'{"a":1,"url":"https://shop.example/"}',
)  # fmt: skip


@pytest.fixture(scope="module")
def keys() -> MerchantKeys:
    return replace(generate(), public_key_id="SANDBOX-" + "A" * 24)


@pytest.mark.parametrize("slip", SLIPS)
def test_the_verifier_names_the_step_that_was_broken(keys: MerchantKeys, slip: str) -> None:
    """Without a slip the request is accepted."""
    diagnosis = diagnose(REQUEST, keys, slip)
    assert diagnosis.differs
    assert (diagnosis.mismatch.finding if diagnosis.mismatch else "") == SLIPS[slip].finding


def test_the_lines_that_differ_are_marked(keys: MerchantKeys) -> None:
    """What was signed comes first, and what arrives below it."""
    lines = diagnose(REQUEST, keys, "content-type").compared.split("\n")
    place = lines.index("− content-type:application/json")
    assert lines[place + 1] == "+ content-type:application/json; charset=utf-8"
    assert all(line.startswith("  ") or not line for line in (*lines[:place], *lines[place + 2 :]))


def test_a_slip_that_does_not_exist_is_refused(keys: MerchantKeys) -> None:
    """The message names those that do."""
    with pytest.raises(ConfigurationError, match="slip='magic'") as refusal:
        diagnose(REQUEST, keys, "magic")
    assert "body-re-encoded" in refusal.value.advice
