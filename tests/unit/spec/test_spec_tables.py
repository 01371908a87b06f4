"""The tables of `spec` are complete and agree with each other: exhaustive by enumeration."""

import ast
from pathlib import Path

import pytest

from amazonpay_nb.emulator import refusal
from amazonpay_nb.spec.money import (
    CHARGE_CEILINGS,
    CURRENCY_DECIMALS,
    REFUND_CEILINGS,
    REFUND_EXTRAS,
)
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.reasons import (
    BODY_REASONS,
    COMMON_REASONS,
    OPERATION_REASONS,
    REASONS,
    STATE_REASONS,
    UNDECIDED,
    Recovery,
    Retry,
    reasons_of,
    recovery_for,
    retry_advice,
    state_reason,
)
from amazonpay_nb.spec.regions import REGIONS, Region, region
from amazonpay_nb.spec.simulations import (
    ANYWHERE,
    CARDS,
    SIMULATIONS,
    simulation,
)
from amazonpay_nb.spec.states import MACHINES
from tests.golden import TRANSITIONS


def a_sentence(text: str) -> bool:
    """Tell whether *text* begins with a capital or digit and ends in a full stop."""
    return (text[0].isupper() or text[0].isdigit()) and text.endswith(".") and "  " not in text


class TestReasons:
    """Error reason codes."""

    def test_every_operation_has_its_reasons(self) -> None:
        """The reasons are listed for exactly the operations there are."""
        assert OPERATION_REASONS.keys() == OPERATIONS.keys()

    def test_an_operation_refuses_what_its_request_can_get_wrong(self) -> None:
        """An id can be unknown, a body can hold an unknown field, a key can be used twice."""
        for name, operation in OPERATIONS.items():
            codes = reasons_of(name)
            assert ("UnrecognizedField" in codes) == bool(operation.body), name
            assert ("DuplicateIdempotencyKey" in codes) == (operation.method == "POST"), name
            assert "ResourceNotFound" in codes or "{id}" not in operation.path, name

    def test_every_reason_is_reachable(self) -> None:
        """Each row belongs to some operation or to all of them; a query can hold a wrong value as a body can."""
        assert {code for name in OPERATIONS for code in reasons_of(name)} == REASONS.keys()
        own = {code for name, codes in OPERATION_REASONS.items() if OPERATIONS[name].body for code in codes}
        assert {*COMMON_REASONS, *BODY_REASONS}.isdisjoint(own)

    def test_advice_fits_the_call(self) -> None:
        """What to do after a refused capture or refund is not what to do after a refused charge."""
        for name in OPERATIONS:
            for code in reasons_of(name):
                recovery = recovery_for(code, REASONS[code].status_codes[0], name)
                assert a_sentence(recovery.next_step), (name, code)
                assert a_sentence(recovery.meaning), (name, code)
                if name in ("captureCharge", "createRefund") and recovery.retry == Retry.NEW_KEY:
                    assert "create the charge" not in recovery.next_step, (name, code)

    def test_only_the_unchanged_request_may_be_repeated(self) -> None:
        """A loop on `may_retry` ends: what has to be corrected first is not repeated as it is."""
        repeated = {code for code, row in REASONS.items() if row.may_retry}
        assert repeated == {
            "SoftDeclined", "RequestTimeout", "TooManyRequests", "InternalServerError", "ProcessingFailure",
            "ServiceUnavailable", "TransactionTimedOut",
        }  # fmt: skip
        for code in ("AmountMismatch", "DuplicateIdempotencyKey", "InvalidParameterValue"):
            assert REASONS[code].retry is Retry.CORRECTED
        assert retry_advice(Retry.CORRECTED, "createCharge").startswith("No: correct the request first")

    def test_a_refusal_before_the_key_is_looked_at_costs_no_key(self) -> None:
        """An earlier attempt under it may have done the work."""
        for code in ("InvalidHeaderValue", "MissingHeader", "MissingHeaderValue", "InvalidRequest", "HTTP 400"):
            advice = retry_advice(recovery_for(code, 400).retry, "createCharge")
            assert advice == "No: correct the request first, then send it with the same idempotency key."
            assert "new key" not in recovery_for(code, 400).next_step

    def test_the_next_step_names_its_calls(self) -> None:
        """As data, in the order of the text; what is different after a capture is different there as well."""
        assert REASONS["SoftDeclined"].calls == ("getChargePermission", "createCharge")
        assert recovery_for("ProcessingFailure", 500, "captureCharge").calls == ("getCharge", "captureCharge")
        assert recovery_for("NeverHeardOf", 422).calls == ()

    def test_a_key_is_spoken_of_where_a_call_takes_one(self) -> None:
        """A GET or DELETE is just sent again."""
        assert retry_advice(Retry.SAME_KEY, "createCharge").endswith("with the same idempotency key.")
        assert retry_advice(Retry.LATER, "getCharge") == "Yes, after a pause: the same request."
        assert retry_advice(Retry.NEW_KEY) == "Yes: a new attempt with a new idempotency key."
        assert {retry_advice(Retry.NO, name) for name in OPERATIONS} == {"No: the same request would be refused again."}

    def test_the_emulator_refuses_in_documented_ways_only(self) -> None:
        """Each literal of the API's modules is a row of the table, with a status that the code is known for."""
        folder = Path(refusal.__file__).parent
        found = [
            # Without a status it is the usual one of the code.
            (node.args[0].value, [k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)
                                  and k.arg == "status"])
            for path in (*folder.rglob("api/*.py"), *folder.rglob("rules/*.py"), folder / "world.py")
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal"
            and isinstance(node.args[0], ast.Constant)
        ]  # fmt: skip
        assert len(found) > 30
        assert all(code in REASONS and {*status} <= {*REASONS[code].status_codes} for code, status in found)

    def test_a_row_says_what_to_do(self) -> None:
        """Meaning, next step and message to the buyer are sentences."""
        texts = {
            (code, text) for code, row in REASONS.items() for text in (row.meaning, row.next_step, row.tell_the_buyer)
        }  # fmt: skip
        assert [(code, text) for code, text in texts if text and not a_sentence(text)] == []
        assert [code for code, row in REASONS.items() if not (row.meaning and row.next_step)] == []

    def test_where_nobody_knows_no_buyer_pays_again(self) -> None:
        """Amazon may have taken the money: "try again" would let it be taken twice."""
        texts = [row.tell_the_buyer for row in (*REASONS.values(), recovery_for("", 500)) if row.retry in UNDECIDED]
        assert [text for text in texts if text and "do not pay again" not in text] == []
        assert len(list(filter(None, texts))) == 4

    def test_a_known_code_is_judged_by_its_row(self) -> None:
        """Whatever the status it comes with."""
        assert recovery_for("HardDeclined", 418).meaning.startswith("The payment method was declined")
        assert recovery_for("ResourceNotFound", 500).retry == Retry.NO
        assert recovery_for("ServiceUnavailable", 400).retry == Retry.LATER

    def test_a_decline_tells_the_buyer_and_never_repeats_the_key(self) -> None:
        """The stored answer of a decline comes back under the same key, so only a new one can help."""
        declines = {code: row for code, row in REASONS.items() if row.is_decline}
        assert [code for code, row in declines.items() if not row.tell_the_buyer] == []
        assert [code for code, row in declines.items() if row.retry not in (Retry.NO, Retry.NEW_KEY)] == []

    @pytest.mark.parametrize(
        ("status", "retry"),
        [
            (400, Retry.CORRECTED_SAME_KEY),
            (410, Retry.CORRECTED_SAME_KEY),
            (401, Retry.NO),
            (403, Retry.NO),
            (404, Retry.NO),
            (405, Retry.CORRECTED_SAME_KEY),
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

    def test_every_reason_of_the_machines_is_explained(self) -> None:
        """A reason that a transition gives has a row for its state, and the row is of that state."""
        for transition in TRANSITIONS:
            if transition.reason:
                row = state_reason(transition.machine, transition.target, transition.reason)
                assert row, transition
                assert (row.object, row.state, row.code) == (*transition[:1], *transition[4:6])

    def test_a_row_names_a_state_that_exists(self) -> None:
        """Object and state are those of `states`, and the texts are sentences."""
        assert [row for row in STATE_REASONS if row.state not in MACHINES[row.object].states] == []
        texts = [text for row in STATE_REASONS for text in (row.meaning, row.next_step)]
        assert [text for text in texts if not a_sentence(text)] == []

    def test_what_a_region_lacks_is_advised_with_what_it_has_instead(self) -> None:
        """A table does not know where its reader sells, and Japan has no Update page."""
        advice = {row.next_step for row in (*REASONS.values(), *STATE_REASONS)}
        advice |= {recovery_for(code, 422, name).next_step for name in OPERATIONS for code in reasons_of(name)}
        way = "(on the Update page or, in Japan, in a new set-up)"
        assert {text for text in advice if "Update page" in text} == {text for text in advice if way in text} != set()

    def test_a_state_without_a_reason_needs_no_explanation(self) -> None:
        """An Authorized charge has no reason code."""
        assert state_reason("Charge", "Authorized", None) is None


class TestSimulations:
    """Simulated cards and simulation codes."""

    def test_a_success_is_the_success_of_its_operation(self) -> None:
        """A simulation that is not an error has the documented status."""
        for row in SIMULATIONS.values():
            operation = OPERATIONS[row.operation]
            assert row.reason_code or row.status in (operation.success, operation.pending)

    def test_a_code_belongs_to_its_operation_only(self) -> None:
        """A code is unknown at another operation."""
        assert simulation("captureCharge", "TransactionTimedOut") is None
        assert simulation("createCharge", "TransactionTimedOut") == SIMULATIONS["createCharge", "TransactionTimedOut"]
        assert simulation("nothing", ANYWHERE[0]) is None

    def test_a_card_goes_by_its_last_digits(self) -> None:
        """Descriptor and look-up use the four digits, and only Amazon's own cards carry its mark."""
        assert CARDS["1111"].descriptor == "Visa ****1111 (Amazon Pay)"
        assert CARDS["0005"].descriptor == "Amex ****0005 (Amazon Pay)"
        assert [row.last4 for row in CARDS.values() if not row.marked] == ["9995", "9987"]
        assert [row.last4 for row in CARDS.values() if row.prerequisite] == ["0701", "4354"]
        assert [row.effect for row in CARDS.values() if not a_sentence(row.effect)] == []


class TestRegions:
    """Regions, limits and quotas."""

    @pytest.mark.parametrize("row", REGIONS.values(), ids=lambda row: row.code)
    def test_a_region_is_consistent(self, row: Region) -> None:
        """Its defaults are among its choices and its aliases lead back to it."""
        assert row.default_language in row.languages
        assert set(row.ledger_currencies) <= set(row.currencies) <= CURRENCY_DECIMALS.keys()
        assert {region(code) for code in (row.code, row.code.upper(), *row.aliases)} == {row}
        assert len({row.api_host, row.checkout_script_host, row.hosted_host}) == 3

    def test_an_unknown_region_is_refused_with_the_choice(self) -> None:
        """The message lists the codes."""
        with pytest.raises(ValueError, match="choose one of na, us, eu, de, uk, jp"):
            region("mars")

    def test_undocumented_numbers_are_those_of_their_neighbors(self) -> None:
        """Where Amazon names four currencies, the others have the euro's; two operations have another one's quota."""
        for amounts in (CHARGE_CEILINGS, REFUND_CEILINGS, REFUND_EXTRAS):
            assert {amounts[currency] for currency in CURRENCY_DECIMALS if currency != "JPY"} == {amounts["EUR"]}
        for name, like in (("finalizeCheckoutSession", "completeCheckoutSession"), ("getBuyer", "getCharge")):
            quota, other = OPERATIONS[name].quota, OPERATIONS[like].quota
            assert (quota.live, quota.sandbox) == (other.live, other.sandbox)
            assert quota.evidence is Evidence.INFERRED

    def test_the_sandbox_is_never_more_generous(self) -> None:
        """And a bucket fills up again."""
        for row in OPERATIONS.values():
            assert row.quota.live.burst >= row.quota.live.per_second > 0
            assert 0 < row.quota.sandbox.burst <= row.quota.live.burst
