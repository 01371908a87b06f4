"""The tables of states: every state and trigger is a row or a refusal, and nothing leaks out of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amazonpay_nb.emulator.records import ChargeNotes, NoNotes, PermissionNotes, Record, SessionNotes
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules.transitions import fire_due, move, require, settle
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.machine import MERCHANT, NEW, Machine, NotAllowed
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.regions import region
from amazonpay_nb.spec.simulations import SIMULATIONS
from amazonpay_nb.spec.states import BUYER_SHOWN, CHARGE, MACHINES, timer
from tests.golden import TRANSITIONS, Row

# Every state with every trigger that is not a row.
REFUSED = [
    (machine, state, trigger)
    for machine in MACHINES.values()
    for state in (NEW, *machine.states)
    for trigger in machine.triggers
    if (machine.name, state, trigger) not in {row[:3] for row in TRANSITIONS}
]


def by_pair(value: object) -> str:
    return value.name if isinstance(value, Machine) else str(value)


NOTES: dict[str, Any] = {
    "Checkout Session": SessionNotes("setup", "setup", [], "amazonCheckoutSessionId"),
    "Charge Permission": PermissionNotes(),
    "Refund": NoNotes(),
}


def in_state(machine: Machine, state: str, permission_type: str = "PaymentMethodOnFile") -> Record[Any]:
    details = {"state": state, "reasons": None, "reasonCode": None, "lastUpdatedTimestamp": "20260115T120000Z"}
    notes = NOTES.get(machine.name) or ChargeNotes(permission_type, "2026-02", PRICE)
    created = "20260115T120000Z"
    document = {
        "chargePermissionId": "",
        "creationTimestamp": created,
        "statusDetails": None if state == NEW else details,
    }
    return Record(machine.name, "x", "m", document, replace(notes))


def test_every_other_pair_is_refused() -> None:
    """In the table and in the emulator alike, with what a merchant can do instead."""
    for machine, state, trigger in REFUSED:
        with pytest.raises(NotAllowed) as error:
            machine.step(state, trigger)
        possible = ", ".join(row.trigger for row in machine.allowed(state, MERCHANT)) or "nothing"
        assert f'{machine.name} is {state}: "{trigger}" is not possible (possible: {possible})' == str(error.value)
        if machine.name != "Refund":  # no call of a merchant acts on a refund
            with pytest.raises(Refusal) as refusal:
                require(in_state(machine, state), trigger)
            assert refusal.value.status == 422
            assert refusal.value.message.startswith(f'{machine.name} x is {state}: "{trigger}" is not possible (')
    assert len(REFUSED) > 150


def test_a_follow_up_names_what_exists() -> None:
    """The related machine has the trigger, and no row leads back to where there is nothing."""
    for machine in MACHINES.values():
        for row in machine.rows:
            assert all(follow_up.trigger in MACHINES[follow_up.machine].triggers for follow_up in row.then), row
            assert row.target != NEW, row


PRICE = {"amount": "14.00", "currencyCode": "USD"}
PARENTS = {"Charge": "Charge Permission", "Refund": "Charge"}


def placed(world: World, kind: str, state: str, permission_type: str) -> Record[Any]:
    """Return an object in a state that is part of a world, below the objects it hangs on."""
    parent = placed(world, PARENTS[kind], "Chargeable", permission_type).id if kind in PARENTS else ""
    record = in_state(MACHINES[kind], state, permission_type)
    record.id, record.parent, record.merchant_id = f"{kind}-1", parent, next(iter(world.merchants))
    record.document |= {
        "chargePermissionId": parent, "chargePermissionType": permission_type, "chargeAmount": PRICE,
        "refundAmount": PRICE, "refundedAmount": PRICE, "limits": {"amountLimit": PRICE, "amountBalance": PRICE},
        "expirationTimestamp": "20260301T000000Z",
    }  # fmt: skip
    world.store.put(record)
    return record


@pytest.mark.parametrize("permission_type", BUYER_SHOWN)
def test_a_row_is_what_happens(permission_type: str) -> None:
    """Every documented transition moves an object of the emulator to its target, for its reason and no other."""
    for row in TRANSITIONS:
        world = World(Store(), region("na"), start=datetime(2026, 2, 1, tzinfo=UTC))
        record = placed(world, row.machine, row.source, permission_type)
        move(world, record, row.trigger)
        details = record.document["statusDetails"] or {"state": NEW}
        shown = [reason["reasonCode"] for reason in details.get("reasons") or []] or [details.get("reasonCode")]
        assert (details["state"], shown) == (row.target, [row.reason]), row
        world.store.close()


@pytest.mark.parametrize("machine", MACHINES.values(), ids=by_pair)
def test_every_state_can_be_reached(machine: Machine) -> None:
    """From nothing, by the rows."""
    reached, before = {NEW}, set[str]()
    while reached != before:
        before = set(reached)
        reached |= {row.target for row in machine.rows if row.source in reached}
    assert reached == {NEW, *machine.states}


def test_final_states_are_the_documented_ones() -> None:
    """No row leads out of them to another state."""
    final = {name: {s for s in machine.states if machine.is_final(s)} for name, machine in MACHINES.items()}
    assert final == {
        "Checkout Session": {"Completed", "Canceled"},
        "Charge Permission": {"Closed"},
        "Charge": {"Captured", "Declined", "Canceled"},
        "Refund": {"Refunded", "Declined"},
        "Dispute": {"Closed"},
    }


def test_every_changing_operation_is_a_trigger() -> None:
    """The titles of operations are the words of the tables."""
    for operation in OPERATIONS.values():
        if operation.acts_on:
            assert operation.title in MACHINES[operation.acts_on].triggers


def test_two_rows_cannot_share_a_state_and_a_trigger() -> None:
    """A table that contradicts itself is refused."""
    with pytest.raises(ValueError, match="share a state and a trigger"):
        Machine("Charge", (CHARGE.rows[0], CHARGE.rows[0]))


@pytest.mark.parametrize("row", [row for row in TRANSITIONS if row.source == row.target], ids=str)
def test_an_update_is_no_change_of_state(row: Row) -> None:
    """A row back to its own state writes a new reason, or nothing at all."""
    world = World(Store(), region("na"), start=datetime(2026, 2, 1, tzinfo=UTC))
    record = in_state(MACHINES[row.machine], row.source)
    record.merchant_id = next(iter(world.merchants))
    before = dict(record.document["statusDetails"])
    move(world, record, row.trigger)
    if row.reason is None:
        assert record.document["statusDetails"] == before
    else:
        assert record.document["statusDetails"]["reasons"][0]["reasonCode"] == row.reason
    world.store.close()


def test_real_time_is_not_set_back_to_what_was_due() -> None:
    """A machine that was asleep fires late, and its clock stays the wall clock."""
    world = World(Store(), region("na"), real_time=True)
    session = placed(world, "Checkout Session", "Open", "OneTime")
    world.store.plan(session, "Expire", "2026-02-01T00:00:00+00:00")
    world.store.put(session)
    before = world.clock.now()
    (fired,) = fire_due(world, before)
    assert (fired["at"], fired["trigger"]) == ("2026-02-01T00:00:00Z", "Expire")
    assert world.clock.now() >= before
    world.store.close()


def test_a_simulation_must_lead_somewhere() -> None:
    """A row of the simulations that no transition fits is a mistake of the tables, and says so."""
    world = World(Store(), region("na"), start=datetime(2026, 2, 1, tzinfo=UTC))
    wrong = replace(SIMULATIONS["captureCharge", "CaptureInitiated"], later_state="Authorized")
    with pytest.raises(LookupError, match="CaptureInitiated leads nowhere"):
        settle(world, in_state(CHARGE, "CaptureInitiated"), "Capture", wrong)
    world.store.close()


def test_a_timer_is_found_by_what_it_does() -> None:
    """A mistyped trigger is an error, never a zero."""
    assert timer("Charge", "Authorized", "Expire") == timedelta(days=30)
    with pytest.raises(KeyError):
        timer("Charge", "Captured", "Expire")


def test_what_another_object_pulls_is_nobody_elses() -> None:
    """A charge is canceled with its permission; a merchant does not do so to the charge."""
    assert CHARGE.followed == {"Close Charge Permission", "Complete Checkout Session", "Cancel by Amazon", "Cancel"}
    assert MACHINES["Checkout Session"].followed == {"Decline"}
    assert MACHINES["Charge Permission"].followed == {"Payment method refused by the bank", "Close by Amazon"}
    assert "Close Charge Permission" not in {row.trigger for row in CHARGE.allowed("Authorized", MERCHANT)}
