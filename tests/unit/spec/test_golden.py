"""The tables of `spec` say what was typed from Amazon's guide into `tests/wire`: no row is missing or changed."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from amazonpay_nb.spec.machine import MERCHANT
from amazonpay_nb.spec.money import (
    CHARGE_CEILINGS,
    COUNTING,
    CURRENCY_DECIMALS,
    MAX_REFUNDS_ON_A_CHARGE,
    MONTHLY_LIMITS,
    RECURRING_MONTHLY_LIMITS,
    REFUND_CEILINGS,
    Counts,
    counted,
    counted_in_month,
    format_amount,
    overcharge_limit,
    parse_amount,
    refund_allowance,
)
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.reasons import REASONS, Retry, reasons_of, wrong_state
from amazonpay_nb.spec.regions import COUNTRIES_WITHOUT_STATE, REGIONS
from amazonpay_nb.spec.simulations import ANYWHERE, CARDS, PENDING_SECONDS, SIMULATIONS, simulation
from amazonpay_nb.spec.states import BUYER_SHOWN, MACHINES, TIMERS, timer
from tests import golden
from tests.golden import OUTCOMES, TRANSITIONS, Row

# The states in which the refusal of a call depends on why the object is in it.
_GONE = "ChargePermissionCanceled"


def differences(ours: Iterable[Any], theirs: Iterable[Any]) -> dict[str, list[Any]]:
    """Return what only one of two tables has."""
    mine, others = list(ours), list(theirs)
    only = {
        "only in spec": [row for row in mine if row not in others],
        "only in tests/wire": [row for row in others if row not in mine],
    }
    return {where: found for where, found in only.items() if found}


class TestStates:
    """`spec.states` and `tests/wire/states.json`."""

    def test_the_transitions_are_amazons(self) -> None:
        """Source, trigger, actor, target, reason and what follows."""
        ours = [
            Row(name, row.source, row.trigger, str(row.actor), row.target, row.reason,
                tuple((then.machine, then.trigger, then.when) for then in row.then), row.resolution)
            for name, machine in MACHINES.items() for row in machine.rows
        ]  # fmt: skip
        assert differences(ours, TRANSITIONS) == {}
        assert len(ours) == len(TRANSITIONS)

    def test_a_machine_steps_and_refuses_by_them(self) -> None:
        """Every state and trigger: the row's target, or nothing."""
        targets = {(row.machine, row.source, row.trigger): (row.target, row.reason) for row in TRANSITIONS}
        for name, machine in MACHINES.items():
            pairs = [(state, trigger) for state in ("New", *machine.states) for trigger in machine.triggers]
            steps = {pair: machine.step(*pair) for pair in pairs if machine.has(*pair)}
            expected = {pair: targets[name, *pair] for pair in pairs if (name, *pair) in targets}
            assert {pair: (row.target, row.reason) for pair, row in steps.items()} == expected

    def test_what_a_merchant_may_do_is_a_call_of_the_api(self) -> None:
        """In each state; what reaches an object by way of another one is nobody's choice."""
        pulled = {(then[0], then[1]) for row in TRANSITIONS for then in row.then}
        for name, machine in MACHINES.items():
            for state in ("New", *machine.states):
                expected = [
                    row.trigger for row in TRANSITIONS
                    if (row.machine, row.source, row.actor) == (name, state, "merchant")
                    and (name, row.trigger) not in pulled
                ]  # fmt: skip
                assert sorted(row.trigger for row in machine.allowed(state, MERCHANT)) == sorted(expected)

    def test_the_timers_are_amazons(self) -> None:
        """State, trigger and how long it takes."""
        theirs = [tuple(row[:4]) for row in golden.rows("states", "timers")]
        assert differences([(t.machine, t.state, t.trigger, t.after.total_seconds()) for t in TIMERS], theirs) == {}
        assert len(TIMERS) == len(theirs)
        assert [timer(*row[:3]) for row in theirs] == [timedelta(seconds=row[3]) for row in theirs]

    def test_the_buyer_is_shown_as_long_as_documented(self) -> None:
        """Counted from the creation of a one-time permission, and from the end of the others."""
        days = {name: (since, after.days) for name, (since, after) in BUYER_SHOWN.items()}
        assert days == {
            "OneTime": ("creation", 30),
            "Recurring": ("closing", 30),
            "PaymentMethodOnFile": ("closing", 0),
        }

    def test_an_amount_counts_as_documented(self) -> None:
        """The column of a ledger, the month, and the field that holds the amount."""
        ours = [(*key, str(row.column), row.month, row.amount) for key, row in COUNTING.items()]
        theirs = [tuple(row[:5]) for row in golden.rows("states", "counting")]
        assert differences(ours, theirs) == {}

    @pytest.mark.parametrize("row", golden.rows("states", "counting"), ids=lambda row: f"{row[0]}-{row[1]}")
    def test_a_document_is_counted(self, row: list[Any]) -> None:
        """A charge of 100, of which 40 are captured, and a refund of 7."""
        machine, state, column, month, field, *_ = row
        document = {
            "chargeAmount": {"amount": "100.00"}, "captureAmount": {"amount": "40.00"},
            "refundAmount": {"amount": "7.00"}, "statusDetails": {"state": state},
        }  # fmt: skip
        amount = Decimal(document[field]["amount"])
        assert {str(each): counted(machine, document, each) for each in Counts if each} == {
            each: amount if each == column else 0 for each in ("authorized", "captured", "refunded")
        }
        if machine == "Charge":
            assert counted_in_month(document) == (amount if month else 0)

    def test_what_is_not_captured_yet_counts_nothing_there(self) -> None:
        """A field may still be null."""
        document = {"captureAmount": None, "statusDetails": {"state": "Captured"}}
        assert counted("Charge", document, Counts.CAPTURED) == counted_in_month(document) == 0


class TestMoney:
    """`spec.money`, `spec.regions` and `tests/wire/limits.json`."""

    def test_a_month_has_the_documented_limits(self) -> None:
        """For each currency of a region, for Saved Wallet and Recurring; and a region has no other currency."""
        theirs = {
            (code, currency): (wallet, every)
            for code, currency, wallet, every in golden.rows("limits", "monthly limits")
        }
        assert {key: Decimal(wallet) for key, (wallet, _) in theirs.items()} == MONTHLY_LIMITS
        assert {key: Decimal(every) for key, (_, every) in theirs.items()} == RECURRING_MONTHLY_LIMITS
        assert {(code, currency) for code, row in REGIONS.items() for currency in row.currencies} == theirs.keys()

    def test_a_currency_has_the_documented_numbers(self) -> None:
        """Decimals, ceilings, and how far a refund and an order may go beyond."""
        theirs = {row[0]: row[1:6] for row in golden.rows("limits", "by currency")}
        assert {currency: row[0] for currency, row in theirs.items()} == CURRENCY_DECIMALS
        assert {currency: Decimal(row[1]) for currency, row in theirs.items()} == CHARGE_CEILINGS
        assert {currency: Decimal(row[2]) for currency, row in theirs.items()} == REFUND_CEILINGS
        for currency, (_, _, refund, extra, floor) in theirs.items():
            assert refund_allowance(Decimal(refund), currency) == Decimal(extra)
            assert overcharge_limit(Decimal(1), currency) == Decimal(floor)

    @pytest.mark.parametrize(("captured", "currency", "extra"), golden.rows("limits", "refund allowances"))
    def test_a_refund_may_exceed_the_capture_a_little(self, captured: str, currency: str, extra: str) -> None:
        """15 %, capped, rounded down to what the currency can pay."""
        assert str(refund_allowance(Decimal(captured), currency)) == extra

    @pytest.mark.parametrize(("order", "currency", "most"), golden.rows("limits", "overcharge limits"))
    def test_an_order_may_be_overcharged_where_that_was_allowed(self, order: str, currency: str, most: str) -> None:
        """900 %, or a fixed amount where that is more."""
        assert overcharge_limit(Decimal(order), currency) == Decimal(most)

    def test_a_charge_has_a_number_of_refunds(self) -> None:
        """As Amazon's help for merchants has it."""
        most = {what: number for what, number, *_ in golden.rows("limits", "counts")}
        assert most["refunds of a Charge"] == MAX_REFUNDS_ON_A_CHARGE

    @pytest.mark.parametrize(
        ("text", "currency", "amount"),
        [("14", "USD", "14.00"), ("14.5", "EUR", "14.50"), ("0.01", "GBP", "0.01"), ("1.100", "USD", "1.10"),
         ("007.00", "USD", "7.00"), ("500", "JPY", "500"), ("500.00", "JPY", "500"), ("1", "SEK", "1.00")],
    )  # fmt: skip
    def test_an_amount_has_its_currencys_decimals(self, text: str, currency: str, amount: str) -> None:
        """However it was sent."""
        assert format_amount(parse_amount(text, currency), currency) == amount

    @pytest.mark.parametrize(
        ("text", "currency"),
        [("0.001", "USD"), ("0.5", "JPY"), ("0", "USD"), ("0.00", "JPY"), ("-1", "USD"), ("-0.01", "USD"), ("", "USD"),
         (".5", "USD"), ("1.", "USD"), ("1,00", "EUR"), ("1e2", "USD"), ("1", "XXX")],
    )  # fmt: skip
    def test_what_is_no_amount_is_refused(self, text: str, currency: str) -> None:
        """Not a number, not above zero, finer than the currency allows, or in no currency."""
        with pytest.raises(ValueError, match=r"."):
            parse_amount(text, currency)

    def test_quotas_are_the_documented_ones(self) -> None:
        """So many calls at once, and so many more each second."""
        quotas = {name: row.quota for name, row in OPERATIONS.items()}
        ours = [
            [name, row.live.burst, row.live.per_second, row.sandbox.burst, row.sandbox.per_second, str(row.evidence)]
            for name, row in quotas.items()
        ]
        assert differences(ours, [row for row in golden.rows("limits", "quotas") if row[0] in OPERATIONS]) == {}

    def test_regions_are_the_documented_ones(self) -> None:
        """Hosts, currencies, languages, and what is special in each."""
        ours = [
            [row.code, list(row.aliases), row.api_host, row.checkout_script_host, row.hosted_host,
             list(row.ledger_currencies), list(row.languages), row.psd2, row.update_page, row.id_digits,
             row.billing_address]
            for row in REGIONS.values()
        ]  # fmt: skip
        assert differences(ours, golden.rows("limits", "hosts")) == {}

    def test_addresses_have_the_documented_fields(self) -> None:
        """What each table requires, and the countries that it is for."""
        ours = [[row.code, list(row.required_address_fields), list(row.address_countries)] for row in REGIONS.values()]
        assert differences(ours, [row[:3] for row in golden.rows("limits", "address fields")]) == {}
        without = [country for country, _ in golden.rows("limits", "countries without stateOrRegion")]
        assert list(COUNTRIES_WITHOUT_STATE) == without


class TestSimulations:
    """`spec.simulations` and `tests/wire/simulations.json`."""

    def test_codes_do_what_is_documented(self) -> None:
        """Status, reason code, states, delay, and what has to be true."""
        ours = [
            (row.operation, row.code, row.status, row.reason_code, row.state, row.later_state, row.later_reason,
             PENDING_SECONDS if row.later_state else 0, str(row.evidence), row.needs)
            for row in SIMULATIONS.values()
        ]  # fmt: skip
        assert differences(ours, map(tuple, OUTCOMES)) == {}
        found = {(row.operation, row.code): simulation(row.operation, row.code) for row in OUTCOMES}
        assert {key: row and (row.operation, row.code) for key, row in found.items()} == {key: key for key in found}

    def test_some_refusals_can_be_asked_for_anywhere(self) -> None:
        """Those that an emulator has no cause for."""
        theirs = dict(golden.rows("simulations", "anywhere"))
        assert set(ANYWHERE) == set(theirs)
        for code, status in theirs.items():
            for operation in OPERATIONS:
                row = simulation(operation, code)
                assert row
                assert (row.status, row.reason_code, row.state, row.later_state) == (status, code, None, None)

    def test_cards_do_what_is_documented(self) -> None:
        """Brand, effect, and what the session must hold."""
        ours = [
            [row.last4, row.brand, str(row.trigger), row.requires_pending, str(row.evidence), row.plays]
            for row in CARDS.values()
        ]
        assert differences(ours, golden.rows("simulations", "cards")) == {}


class TestReasons:
    """`spec.reasons` and `tests/wire/reasons.json`."""

    def test_statuses_are_the_documented_ones(self) -> None:
        """The usual one first."""
        ours = [[code, list(row.status_codes), str(row.evidence)] for code, row in REASONS.items()]
        assert differences(ours, golden.rows("reasons", "statuses")) == {}

    def test_declines_are_the_documented_ones(self) -> None:
        """A soft decline may be tried again with a new key, the others may not."""
        ours = {code: row.retry == Retry.NEW_KEY for code, row in REASONS.items() if row.is_decline}
        assert ours == dict(golden.rows("reasons", "declines"))

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_an_operation_answers_with_the_documented_codes(self, operation: str) -> None:
        """Its own, those of any operation, and those of any body, each once."""
        body = golden.golden("reasons")["any operation with a body"] if OPERATIONS[operation].body else ()
        ours = reasons_of(operation)
        assert differences(ours, golden.reasons_of(operation) | {*body}) == {}
        assert len(ours) == len(set(ours))

    def test_a_wrong_state_has_the_documented_code(self) -> None:
        """The object's own, but a charge that went with its permission points to the permission."""
        triggers = ("Capture Charge", "Cancel Charge", "Create Refund", "Complete Checkout Session", "Create Charge")
        for machine, code, _ in golden.rows("reasons", "wrong states"):
            for trigger in triggers:
                assert wrong_state(machine, trigger, None) == wrong_state(machine, trigger, "Expired") == code
        for trigger in ("Capture Charge", "Cancel Charge"):
            assert wrong_state("Charge", trigger, _GONE) == "InvalidChargePermissionStatus"
        assert wrong_state("Charge", "Create Refund", _GONE) == "InvalidChargeStatus"


def named_pages(value: Any) -> Iterator[str]:
    """Yield each page that a part of a file names, in a field or in a column."""
    if isinstance(value, dict):
        names = [*value.get("pages", ()), *([value["page"]] if "page" in value else [])]
        columns = [n for n, name in enumerate(value.get("columns", ())) if name in ("page", "pages")]
        for row in value["rows"] if columns else ():
            names += row[columns[0]] if isinstance(row[columns[0]], list) else [row[columns[0]]]
        yield from names
        for part in value.values():
            yield from named_pages(part)


@pytest.mark.parametrize("file", ["states", "limits", "reasons", "simulations"])
def test_every_table_names_the_pages_it_was_read_on(file: str) -> None:
    """Addresses of Amazon's; each is listed once, and used."""
    content = dict(golden.golden(file))
    pages = content.pop("pages", None) or {content["page"]: content["page"]}  # or all of a file is of one page
    addresses = ("https://developer.amazon.com/docs/", "https://pay.amazon.com/help/")
    assert [url for url in pages.values() if not url.startswith(addresses)] == []
    rows = [row for table in content.pop("transitions", {}).values() for row in table]
    assert {*named_pages(content)} | {row[6] for row in rows} == pages.keys()
    tables = {name: table for name, table in content.items() if isinstance(table, dict) and "rows" in table}
    assert "page" in content or [name for name, table in tables.items() if not [*named_pages(table)]] == []


def test_every_row_of_a_life_says_how_sure_it_is() -> None:
    """One of the kinds of evidence, beside its page."""
    transitions = [row for rows in golden.golden("states")["transitions"].values() for row in rows]
    others = [row for table in ("timers", "lifetimes", "counting") for row in golden.rows("states", table)]
    read = [row[7] for row in transitions] + [row[-1] for row in others]
    assert {*read} <= {*Evidence}
