"""The tables of `spec` are complete and agree with each other: exhaustive by enumeration."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest

from amazonpay_nb.emulator import refusal
from amazonpay_nb.spec.money import (
    CHARGE_CEILINGS,
    CURRENCY_DECIMALS,
    MONTHLY_LIMITS,
    RECURRING_MONTHLY_LIMITS,
    REFUND_CEILINGS,
    REFUND_EXTRAS,
    overcharge_limit,
    refund_allowance,
)
from amazonpay_nb.spec.operations import OPERATIONS, THROTTLES, Quota
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.reasons import REASONS, Recovery, Retry, recovery_for, retry_advice
from amazonpay_nb.spec.refusals import BODY_REASONS, COMMON_REASONS, OPERATION_REASONS, reasons_of, wrong_state
from amazonpay_nb.spec.regions import REGIONS, Region, region
from amazonpay_nb.spec.simulations import (
    ANYWHERE,
    CARDS,
    PENDING_SECONDS,
    SIMULATIONS,
    CardEffect,
    SimulatedCard,
    Simulation,
    card,
    codes_for,
    simulation,
)
from amazonpay_nb.spec.state_reasons import STATE_REASONS, StateReason, state_reason
from amazonpay_nb.spec.states import CHARGE, MACHINES, REFUND

REGION_CURRENCIES = [(row.code, currency) for row in REGIONS.values() for currency in row.currencies]

# The object that each operation's simulations move.
MOVED = {
    "completeCheckoutSession": "Checkout Session",
    "createCharge": "Charge",
    "captureCharge": "Charge",
    "closeChargePermission": "Charge Permission",
    "createRefund": "Refund",
}


def a_sentence(text: str) -> bool:
    """Tell whether *text* begins with a capital or digit and ends in a full stop."""
    return (text[0].isupper() or text[0].isdigit()) and text.endswith(".") and "  " not in text


class TestReasons:
    """Error reason codes."""

    def test_every_operation_has_its_reasons(self) -> None:
        """The reasons are listed for exactly the operations there are."""
        assert OPERATION_REASONS.keys() == OPERATIONS.keys()

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_every_reason_of_an_operation_has_a_row(self, name: str) -> None:
        """No operation names a code twice, or one without a recovery."""
        codes = reasons_of(name)
        assert len(set(codes)) == len(codes)
        assert set(codes) <= REASONS.keys()

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_an_operation_refuses_what_its_request_can_get_wrong(self, name: str) -> None:
        """An id can be unknown, a body can hold an unknown field, a key can be used twice."""
        operation, codes = OPERATIONS[name], reasons_of(name)
        assert ("UnrecognizedField" in codes) == bool(operation.body)
        assert ("DuplicateIdempotencyKey" in codes) == (operation.method == "POST")
        assert "ResourceNotFound" in codes or "{id}" not in operation.path

    def test_every_reason_is_reachable(self) -> None:
        """Each row belongs to some operation or to all of them."""
        assert {code for name in OPERATIONS for code in reasons_of(name)} == REASONS.keys()
        assert {*COMMON_REASONS, *BODY_REASONS}.isdisjoint(
            code for codes in OPERATION_REASONS.values() for code in codes
        )

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_advice_fits_the_call(self, name: str) -> None:
        """What to do after a refused capture or refund is not what to do after a refused charge."""
        for code in reasons_of(name):
            recovery = recovery_for(code, REASONS[code].status_codes[0], name)
            assert a_sentence(recovery.next_step)
            assert a_sentence(recovery.meaning)
            assert recovery.may_retry == (recovery.retry != Retry.NO)
            if name in ("captureCharge", "createRefund") and recovery.retry == Retry.NEW_KEY:
                assert "create the charge" not in recovery.next_step
        assert recovery_for("SoftDeclined", 422, "createCharge") is REASONS["SoftDeclined"]

    def test_a_key_is_spoken_of_where_a_call_takes_one(self) -> None:
        """A GET or DELETE is just sent again."""
        assert retry_advice(Retry.SAME_KEY, "createCharge").endswith("with the same idempotency key.")
        assert retry_advice(Retry.LATER, "getCharge") == "Yes, after a pause: the same request."
        assert retry_advice(Retry.NEW_KEY) == "Yes: a new attempt with a new idempotency key."
        assert {retry_advice(Retry.NO, name) for name in OPERATIONS} == {"No: the same request would be refused again."}

    @pytest.mark.parametrize("trigger", ["Capture Charge", "Cancel Charge", "Create Refund"])
    def test_a_wrong_state_names_the_object_whose_state_it_is(self, trigger: str) -> None:
        """A charge that went with its permission points to the permission, where that code is documented."""
        name = next(row.name for row in OPERATIONS.values() if row.title == trigger)
        assert wrong_state("Charge", trigger, "MerchantCanceled") == "InvalidChargeStatus"
        gone = wrong_state("Charge", trigger, "ChargePermissionCanceled")
        assert gone in OPERATION_REASONS[name]
        assert (gone == "InvalidChargePermissionStatus") == (trigger != "Create Refund")

    def test_the_emulator_refuses_in_documented_ways_only(self) -> None:
        """Each literal of the API's modules is a row of the table, with a status that the code is known for."""
        folder = Path(refusal.__file__).parent
        found = [
            (node.args[0].value, node.args[1].value)
            for path in (*folder.rglob("api/*.py"), *folder.rglob("rules/*.py"), folder / "world.py")
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal"
            and all(isinstance(arg, ast.Constant) for arg in node.args[:2])
        ]  # fmt: skip
        assert len(found) > 30
        pairs = {(status, code) for code, row in REASONS.items() for status in row.status_codes}
        assert set(found) <= pairs

    @pytest.mark.parametrize("code", REASONS)
    def test_a_row_says_what_to_do(self, code: str) -> None:
        """Meaning, next step and message to the buyer are sentences; the statuses are those of errors."""
        row = REASONS[code]
        assert a_sentence(row.meaning)
        assert a_sentence(row.next_step)
        assert not row.tell_the_buyer or a_sentence(row.tell_the_buyer)
        assert row.status_codes
        assert all(400 <= status < 600 for status in row.status_codes)
        assert recovery_for(code, 418) is row

    @pytest.mark.parametrize("code", [code for code, row in REASONS.items() if row.is_decline])
    def test_a_decline_tells_the_buyer_and_never_repeats_the_key(self, code: str) -> None:
        """The stored answer of a decline comes back under the same key, so only a new one can help."""
        assert REASONS[code].tell_the_buyer
        assert REASONS[code].retry in (Retry.NO, Retry.NEW_KEY)
        assert REASONS[code].status_codes == (422,)

    @pytest.mark.parametrize(
        ("status", "retry"),
        [
            (400, Retry.NO),
            (401, Retry.NO),
            (403, Retry.NO),
            (404, Retry.NO),
            (405, Retry.NO),
            (408, Retry.SAME_KEY),
            (409, Retry.NO),
            (422, Retry.NO),
            (425, Retry.SAME_KEY),
            (429, Retry.LATER),
            (500, Retry.SAME_KEY),
            (599, Retry.SAME_KEY),
        ],
    )
    def test_an_unknown_code_is_judged_by_its_status(self, status: int, retry: Retry) -> None:
        """A code that nobody has listed still gets advice, and is never taken for a decline."""
        recovery = recovery_for("NeverHeardOf", status)
        assert type(recovery) is Recovery
        assert (recovery.retry, recovery.is_decline) == (retry, False)
        assert a_sentence(recovery.next_step)


class TestStateReasons:
    """Reason codes inside statusDetails."""

    @pytest.mark.parametrize("name", MACHINES)
    def test_every_reason_of_the_machines_is_explained(self, name: str) -> None:
        """A reason that a transition gives has a row for its state."""
        reasons = {(row.target, row.reason) for row in MACHINES[name].rows if row.reason}
        assert reasons == {pair for pair in reasons if state_reason(name, *pair)}

    @pytest.mark.parametrize("row", STATE_REASONS, ids=lambda row: f"{row.object}-{row.state}-{row.code}")
    def test_a_row_names_a_state_that_exists(self, row: StateReason) -> None:
        """Object and state are those of `states`, and the texts are sentences."""
        assert row.state in MACHINES[row.object].states
        assert a_sentence(row.meaning)
        assert a_sentence(row.next_step)
        assert state_reason(row.object, row.state, row.code) is row

    def test_a_state_without_a_reason_needs_no_explanation(self) -> None:
        """An Authorized charge has no reason code."""
        assert state_reason("Charge", "Authorized", None) is None


class TestSimulations:
    """Simulated cards and simulation codes."""

    @pytest.mark.parametrize("row", SIMULATIONS.values(), ids=lambda row: f"{row.operation}-{row.code}")
    def test_a_simulation_names_what_exists(self, row: Simulation) -> None:
        """Operation, reason code and states are known; a delay goes with a later state and nothing else."""
        # Completing a session with a pending authorization moves the charge.
        moved = CHARGE if row.status == 202 else MACHINES[MOVED[row.operation]]
        assert row.reason_code is None or row.reason_code in reasons_of(row.operation)
        assert {row.state, row.later_state} - {None} <= set(moved.states)
        assert row.delay_seconds == (PENDING_SECONDS if row.later_state else 0)
        assert (row.reason_code is None) == (row.status < 300)
        assert simulation(row.operation, row.code) is row

    @pytest.mark.parametrize("row", SIMULATIONS.values(), ids=lambda row: f"{row.operation}-{row.code}")
    def test_the_reason_of_a_simulation_explains_its_last_state(self, row: Simulation) -> None:
        """A reason is a state reason of the state that the object ends up in."""
        last = row.later_state or row.state
        if last in ("Declined", "Canceled", "Closed"):
            assert state_reason(MOVED[row.operation], last, row.later_reason)
        else:
            assert row.later_reason is None

    @pytest.mark.parametrize("row", SIMULATIONS.values(), ids=lambda row: f"{row.operation}-{row.code}")
    def test_a_later_state_is_a_transition_of_the_machine(self, row: Simulation) -> None:
        """What happens by itself after the delay is a row that Amazon takes."""
        machine = REFUND if row.operation == "createRefund" else CHARGE
        if row.state and row.later_state:
            assert machine.leading_to(row.state, row.later_state, row.later_reason)
        else:
            assert row.later_state is None

    def test_a_success_is_the_success_of_its_operation(self) -> None:
        """A simulation that is not an error has the documented status."""
        for row in SIMULATIONS.values():
            operation = OPERATIONS[row.operation]
            assert row.reason_code or row.status in (operation.success, operation.pending)

    def test_an_error_has_the_status_of_its_reason(self) -> None:
        """A simulation that is an error has the status that the code is known for."""
        for row in SIMULATIONS.values():
            assert row.reason_code is None or row.status == REASONS[row.reason_code].status_codes[0]

    def test_a_code_belongs_to_its_operation_only(self) -> None:
        """A code is unknown at another operation."""
        assert simulation("captureCharge", "TransactionTimedOut") is None
        assert "TransactionTimedOut" in codes_for("createCharge")
        assert codes_for("getCharge") == ()
        assert simulation("nothing", ANYWHERE[0]) is None

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_some_refusals_can_be_asked_for_anywhere(self, name: str) -> None:
        """Those that an emulator has no cause for: documented for every operation, and marked as our own codes."""
        for code in ANYWHERE:
            row = simulation(name, code)
            assert row
            assert code in COMMON_REASONS
            assert (row.reason_code, row.status) == (code, REASONS[code].status_codes[0])
            assert row.evidence is Evidence.EMULATOR_ONLY

    @pytest.mark.parametrize("row", CARDS.values(), ids=lambda row: row.last4)
    def test_a_card_is_told_by_its_last_digits(self, row: SimulatedCard) -> None:
        """Descriptor and look-up use the four digits, and only Amazon's own cards carry its mark."""
        assert card(row.last4) is row
        assert row.descriptor == f"{row.brand} ****{row.last4} (Amazon Pay)"
        assert row.marked == (row.evidence is Evidence.DOCUMENTED)
        assert row.requires_pending == bool(row.prerequisite)
        assert a_sentence(row.effect)

    def test_every_effect_has_a_card(self) -> None:
        """Each word of the vocabulary can be tried out."""
        assert {row.trigger for row in CARDS.values()} == set(CardEffect)
        assert [row.last4 for row in CARDS.values() if row.requires_pending] == ["0701", "4354"]

    def test_an_unknown_card_is_refused_with_the_choice(self) -> None:
        """The message lists the cards."""
        with pytest.raises(ValueError, match="choose one of 1111, 0005"):
            card("1234")


class TestRegions:
    """Regions, limits and quotas."""

    @pytest.mark.parametrize("row", REGIONS.values(), ids=lambda row: row.code)
    def test_a_region_is_consistent(self, row: Region) -> None:
        """Its defaults are among its choices and its aliases lead back to it."""
        assert row.default_language in row.languages
        assert set(row.ledger_currencies) <= set(row.currencies) <= CURRENCY_DECIMALS.keys()
        assert {region(code) for code in (row.code, row.code.upper(), *row.aliases)} == {row}
        assert len({row.api_host, row.checkout_script_host, row.hosted_host}) == 3

    @pytest.mark.parametrize(
        ("code", "hosts"),
        [
            ("na", ("pay-api.amazon.com", "static-na.payments-amazon.com", "apay-us.amazon.com")),
            ("eu", ("pay-api.amazon.eu", "static-eu.payments-amazon.com", "payments.amazon.de")),
            ("jp", ("pay-api.amazon.jp", "static-fe.payments-amazon.com", "payments.amazon.co.jp")),
        ],
    )
    def test_a_region_has_three_hosts(self, code: str, hosts: tuple[str, ...]) -> None:
        """For the API, the script and the buyer's pages."""
        row = REGIONS[code]
        assert (row.api_host, row.checkout_script_host, row.hosted_host) == hosts

    def test_regions_do_not_share_what_tells_them_apart(self) -> None:
        """Hosts and id digits are one region's own."""
        assert len({row.api_host for row in REGIONS.values()}) == len(REGIONS)
        assert [row.id_digits for row in REGIONS.values()] == ["01", "02", "03"]
        assert [row.code for row in REGIONS.values() if row.psd2] == ["eu"]
        assert [row.code for row in REGIONS.values() if not row.update_page] == ["jp"]

    def test_an_unknown_region_is_refused_with_the_choice(self) -> None:
        """The message lists the codes."""
        with pytest.raises(ValueError, match="choose one of na, us, eu, de, uk, jp"):
            region("mars")

    @pytest.mark.parametrize(("code", "currency"), REGION_CURRENCIES)
    def test_every_currency_has_its_numbers(self, code: str, currency: str) -> None:
        """A recurring month is below a wallet's, which is within the ceiling of one charge."""
        assert 0 < RECURRING_MONTHLY_LIMITS[code, currency] < MONTHLY_LIMITS[code, currency]
        assert MONTHLY_LIMITS[code, currency] <= CHARGE_CEILINGS[currency] == REFUND_CEILINGS[currency]

    @pytest.mark.parametrize(
        ("code", "currency", "wallet", "recurring"),
        [
            ("na", "USD", 15_000, 1_000),
            *(("eu", currency, 15_000, 1_000) for currency in ("EUR", "GBP", "CHF", "AUD", "NZD", "USD")),
            *(("eu", currency, 150_000, 10_000) for currency in ("DKK", "NOK", "SEK", "HKD", "ZAR")),
            ("eu", "JPY", 2_000_000, 100_000),
            ("jp", "JPY", 2_000_000, 100_000),
        ],
    )
    def test_monthly_limits_are_the_documented_ones(
        self, code: str, currency: str, wallet: int, recurring: int
    ) -> None:
        """For each currency of a region."""
        assert MONTHLY_LIMITS[code, currency] == wallet
        assert RECURRING_MONTHLY_LIMITS[code, currency] == recurring

    @pytest.mark.parametrize(
        ("captured", "currency", "extra"),
        [
            ("100.00", "USD", "15.00"),
            ("500.00", "EUR", "75.00"),
            ("500.01", "GBP", "75.00"),
            ("14.01", "USD", "2.10"),
            ("501", "JPY", "75"),
            ("60000", "JPY", "8400"),
            ("0", "USD", "0.00"),
        ],
    )
    def test_a_refund_may_exceed_the_capture_a_little(self, captured: str, currency: str, extra: str) -> None:
        """15 %, capped, rounded down to what the currency can pay."""
        assert str(refund_allowance(Decimal(captured), currency)) == extra

    def test_undocumented_numbers_are_those_of_their_neighbours(self) -> None:
        """Where Amazon names four currencies, the others have the euro's; two operations have another one's quota."""
        for amounts in (CHARGE_CEILINGS, REFUND_CEILINGS, REFUND_EXTRAS):
            assert {amounts[currency] for currency in CURRENCY_DECIMALS if currency != "JPY"} == {amounts["EUR"]}
        for name, like in (("finalizeCheckoutSession", "completeCheckoutSession"), ("getBuyer", "getCharge")):
            assert (THROTTLES[name].live, THROTTLES[name].sandbox) == (THROTTLES[like].live, THROTTLES[like].sandbox)
            assert THROTTLES[name].evidence is Evidence.INFERRED

    @pytest.mark.parametrize(
        ("order", "currency", "most"),
        [("10.00", "USD", "500"), ("100.00", "EUR", "900.00"), ("7000", "JPY", "70000"), ("8000", "JPY", "72000")],
    )
    def test_an_order_may_be_overcharged_where_that_was_allowed(self, order: str, currency: str, most: str) -> None:
        """900 %, or a fixed amount where that is more."""
        assert overcharge_limit(Decimal(order), currency) == Decimal(most)

    @pytest.mark.parametrize(
        ("operation", "live", "sandbox"),
        [
            ("createCheckoutSession", (40, 16), (5, 1)), ("getCheckoutSession", (40, 8), (10, 1)),
            ("updateCheckoutSession", (20, 8), (5, 1)), ("completeCheckoutSession", (20, 4), (2, 1)),
            ("getChargePermission", (20, 4), (10, 1)), ("updateChargePermission", (10, 2), (5, 1)),
            ("closeChargePermission", (10, 2), (2, 1)), ("createCharge", (10, 4), (2, 1)),
            ("getCharge", (20, 4), (5, 1)), ("captureCharge", (20, 4), (2, 1)), ("cancelCharge", (10, 2), (2, 1)),
            ("createRefund", (10, 4), (2, 1)), ("getRefund", (20, 4), (5, 1)),
        ],
    )  # fmt: skip
    def test_quotas_are_the_documented_ones(
        self, operation: str, live: tuple[int, int], sandbox: tuple[int, int]
    ) -> None:
        """So many at once, and so many more each second."""
        row = THROTTLES[operation]
        assert (row.live, row.sandbox, row.evidence) == (Quota(*live), Quota(*sandbox), Evidence.DOCUMENTED)

    def test_every_operation_has_a_quota(self) -> None:
        """The table covers all operations and a few that are not ours; Sandbox is never more generous."""
        assert OPERATIONS.keys() <= THROTTLES.keys()
        for row in THROTTLES.values():
            assert row.live.burst >= row.live.per_second > 0
            assert row.sandbox is None or 0 < row.sandbox.burst <= row.live.burst
        assert [row.operation for row in THROTTLES.values() if row.sandbox is None] == ["getAuthorizationToken"]
