"""Amounts are read strictly, written as Amazon writes them, and count for what their state says."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from amazonpay_nb.spec.money import (
    COUNTING,
    CURRENCY_DECIMALS,
    Counts,
    conversion_rate,
    counted,
    counted_in_month,
    format_amount,
    parse_amount,
    taken_back,
)
from amazonpay_nb.spec.states import CHARGE, REFUND


class TestAmounts:
    """Reading and writing amounts."""

    @given(st.sampled_from(sorted(CURRENCY_DECIMALS)), st.integers(min_value=1, max_value=10**12))
    def test_what_is_written_can_be_read(self, currency: str, units: int) -> None:
        """Every amount survives the wire, with the currency's decimals."""
        amount = Decimal(units).scaleb(-CURRENCY_DECIMALS[currency])
        written = format_amount(amount, currency)
        assert parse_amount(written, currency) == amount
        assert format_amount(parse_amount(written, currency), currency) == written

    @given(st.integers(min_value=1, max_value=10**9), st.integers(min_value=0, max_value=6))
    def test_trailing_zeros_do_not_count(self, cents: int, zeros: int) -> None:
        """More zeros than decimals change nothing."""
        text = format_amount(Decimal(cents).scaleb(-2), "USD")
        assert parse_amount(text + "0" * zeros, "USD") == Decimal(text)

    @given(st.integers(min_value=1, max_value=10**9))
    def test_a_float_means_what_it_prints(self, cents: int) -> None:
        """A number in JSON is as good as its text."""
        assert parse_amount(cents / 100, "EUR") == Decimal(cents) / 100

    @given(st.text(max_size=12) | st.floats() | st.integers() | st.decimals(), st.sampled_from(["USD", "JPY"]))
    def test_whatever_comes_in_is_an_amount_or_a_value_error(self, value: str | float | Decimal, currency: str) -> None:
        """No other exception, no zero, no stray decimals."""
        with suppress(ValueError):
            amount = parse_amount(value, currency)
            assert amount > 0
            assert amount.as_tuple().exponent == -CURRENCY_DECIMALS[currency]

    @pytest.mark.parametrize(
        ("value", "currency", "written"),
        [
            ("14", "USD", "14.00"),
            (14, "USD", "14.00"),
            (63.03, "EUR", "63.03"),
            ("475.4500", "EUR", "475.45"),
            ("0.01", "GBP", "0.01"),
            (Decimal("1E+2"), "USD", "100.00"),
            ("500", "JPY", "500"),
            ("500.00", "JPY", "500"),
            (500.0, "JPY", "500"),
            ("1" * 40, "USD", "1" * 40 + ".00"),
        ],
    )
    def test_an_amount_is_written_as_amazon_writes_it(
        self, value: str | float | Decimal, currency: str, written: str
    ) -> None:
        """Two decimals, or none for the yen."""
        assert format_amount(parse_amount(value, currency), currency) == written

    @pytest.mark.parametrize(
        "value", ["", "x", "1,00", "1_000", " 1", "1\n", "1e3", ".5", "5.", "+1", "NaN", "١", True]
    )
    def test_what_is_not_a_number_is_refused(self, value: str | bool) -> None:
        """Only digits and one point make an amount."""
        with pytest.raises(ValueError, match="is not a number"):
            parse_amount(value, "USD")

    @pytest.mark.parametrize("value", ["0", "0.00", "-0.00", "-14.00", -1, 0.0])
    def test_nothing_and_less_are_refused(self, value: str | float) -> None:
        """An amount is greater than zero."""
        with pytest.raises(ValueError, match="is not greater than zero"):
            parse_amount(value, "USD")

    @pytest.mark.parametrize(("value", "currency"), [("1.001", "USD"), ("0.5", "JPY"), (0.1 + 0.2, "EUR")])
    def test_what_the_currency_cannot_pay_is_refused(self, value: str | float, currency: str) -> None:
        """The message says how many decimals there may be."""
        with pytest.raises(ValueError, match=f"too many decimals: {currency} allows [02]"):
            parse_amount(value, currency)

    def test_an_unknown_currency_is_refused_with_the_choice(self) -> None:
        """Reading and writing both list the currencies."""
        for refuse in (lambda: parse_amount("1", "XXX"), lambda: format_amount(Decimal(1), "XXX")):
            with pytest.raises(ValueError, match="unknown currency 'XXX'; choose one of EUR, GBP"):
                refuse()


def in_state(state: str) -> dict[str, object]:
    """Return a charge and refund of 14.00 in one, of which 10.00 were captured."""
    amounts = {"chargeAmount": "14.00", "captureAmount": "10.00", "refundAmount": "14.00"}
    return {"statusDetails": {"state": state}} | {name: {"amount": amount} for name, amount in amounts.items()}


class TestCounting:
    """What a charge or refund counts for in each state."""

    def test_each_state_of_a_charge_and_a_refund_has_a_row(self) -> None:
        """No amount is forgotten."""
        assert set(COUNTING) == {(machine.name, state) for machine in (CHARGE, REFUND) for state in machine.states}

    @pytest.mark.parametrize(
        ("kind", "state", "column", "amount", "month"),
        [
            ("Charge", "AuthorizationInitiated", "", "14.00", "14.00"),
            ("Charge", "Authorized", "authorized", "14.00", "14.00"),
            ("Charge", "CaptureInitiated", "authorized", "14.00", "14.00"),
            ("Charge", "Captured", "captured", "10.00", "10.00"),
            ("Charge", "Canceled", "", "14.00", "0"),
            ("Charge", "Declined", "", "14.00", "0"),
            ("Refund", "RefundInitiated", "refunded", "14.00", None),
            ("Refund", "Refunded", "refunded", "14.00", None),
            ("Refund", "Declined", "", "14.00", None),
        ],
    )
    def test_an_amount_counts_once(self, kind: str, state: str, column: str, amount: str, month: str | None) -> None:
        """In one column of the ledger, and in the month if it is a charge that is neither canceled nor declined."""
        amounts = {each: counted(kind, in_state(state), each) for each in Counts}
        assert amounts == {each: Decimal(amount if each == column else 0) for each in Counts}
        if month is not None:
            assert counted_in_month(in_state(state)) == Decimal(month)

    def test_what_was_not_said_counts_nothing(self) -> None:
        """An answer without the amount is no error."""
        assert counted("Charge", {"statusDetails": {"state": "Captured"}}, Counts.CAPTURED) == 0
        assert counted("Refund", None, Counts.REFUNDED) == 0

    @pytest.mark.parametrize(
        ("resolution", "amount"),
        [({}, "14.00"), (None, "14.00"), ("BuyerWon", "14.00"), ("MerchantWon", "0"), ("NoFault", "0")],
    )
    def test_a_dispute_takes_the_money_back(self, resolution: object, amount: str) -> None:
        """Until it is decided, and afterward if the buyer has won."""
        details = {} if resolution == {} else {"resolution": resolution}
        dispute = {"statusDetails": details, "disputeAmount": {"amount": "14.00", "currencyCode": "USD"}}
        assert taken_back(dispute) == Decimal(amount)


RATES = {
    "EUR": "1", "GBP": "0.85", "AUD": "1.65", "CHF": "0.95", "DKK": "7.45", "HKD": "8.5", "JPY": "165", "NOK": "11.5",
    "NZD": "1.8", "SEK": "11.25", "USD": "1.1", "ZAR": "20",
}  # fmt: skip


@pytest.mark.parametrize(("currency", "rate"), RATES.items())
def test_the_emulators_rates_are_fixed(currency: str, rate: str) -> None:
    """For one euro; and a pound has the rate of a euro over its own."""
    assert conversion_rate(currency, "EUR") == Decimal(rate)
    assert conversion_rate(currency, "GBP") == (Decimal(rate) / Decimal("0.85")).quantize(Decimal("0.0001"))
