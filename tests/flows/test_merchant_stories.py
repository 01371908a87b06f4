"""The five use cases, told over HTTP in every region, and the fork of a world."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.guide import NotChargeable, Step, decide
from amazonpay_nb.client.journal import Exchange
from amazonpay_nb.errors import DeclinedError
from amazonpay_nb.lessons.stories import Branch, Story, fork
from amazonpay_nb.spec.flows import FLOWS
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.words import CHANNELS, INITIATORS, USE_CASES, Payment, payments_of
from amazonpay_nb.workbench import Workbench

CASES = list(dict.fromkeys(row.use_case for row in USE_CASES))
CHARGES = [row for row in USE_CASES if row.charge_initiator]


@pytest.fixture(scope="module", params=list(REGIONS))
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench for each region, with keys."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def told(wb: Workbench, use_case: str) -> Story:
    """A story whose wallet is saved."""
    story = Story(wb, use_case)
    asyncio.run(story.set_up(story.price("10")))
    return story


class TestUseCases:
    """The table."""

    def test_it_names_what_exists(self) -> None:
        """Flows, initiators and channels; only what the checkout charges has no initiator of its own."""
        assert {row.set_up for row in USE_CASES} <= set(FLOWS)
        assert {row.charge_initiator for row in CHARGES} <= {row.code for row in INITIATORS}
        assert {row.channel for row in CHARGES} <= {row.code for row in CHANNELS}
        assert all(FLOWS[row.set_up].complete_with_amount for row in USE_CASES if row not in CHARGES)

    def test_a_use_case_has_one_set_up(self) -> None:
        """And there are five of them."""
        assert len(CASES) == 5
        assert all(len({row.set_up for row in payments_of(case).values()}) == 1 for case in CASES)

    def test_an_unknown_one_is_named_with_those_there_are(self) -> None:
        """Before anything is sent."""
        with pytest.raises(ValueError, match="no use case 'Teleporting'; choose one of Food delivery, Ride"):
            payments_of("Teleporting")


class TestStories:
    """From the set-up to the refund."""

    @pytest.mark.parametrize("use_case", CASES)
    def test_the_set_up_saves_a_wallet(self, wb: Workbench, use_case: str) -> None:
        """By the flow of the table."""
        permission = wb.client.get_charge_permission(told(wb, use_case).permission_id)
        assert (permission.charge_permission_type, permission.state) == ("PaymentMethodOnFile", "Chargeable")

    @pytest.mark.parametrize("row", CHARGES, ids=lambda row: f"{row.use_case}, {row.payment}")
    def test_a_payment_says_what_the_table_says(self, wb: Workbench, row: Payment) -> None:
        """Initiator, channel, and whether the money is taken at once."""
        charge = told(wb, row.use_case).pay(row.payment, wb.amount)
        assert (charge.charge_initiator, charge.channel) == (row.charge_initiator, row.channel)
        assert charge.state == ("Captured" if row.capture_now else "Authorized")

    def test_a_story_has_its_own_ledger_and_diagram(self, wb: Workbench) -> None:
        """What others did before is not in them, and the journal of the run keeps everything."""
        told(wb, "Food delivery").pay("an order", wb.amount)
        before = len(wb.journal)
        ride = told(wb, "Ride hailing")
        fare = ride.pay("a ride", ride.price("2"))
        assert ride.refund(fare, wb.amount).state == "Refunded"
        ledger = ride.ledger()
        assert list(ledger["operation"]) == ["createCharge", "createRefund"]
        assert Decimal(ledger["balance"].iloc[-1]) == Decimal(wb.amount["amount"])
        entries = list(wb.journal)[before:]
        exchanges = [entry for entry in entries if isinstance(entry, Exchange)]
        assert len(ride.diagram().messages) == len(entries) + len(exchanges)

    def test_a_price_is_one_that_the_currency_has(self, wb: Workbench) -> None:
        """A multiple of the run's amount, and never nothing."""
        story = Story(wb, "Food delivery")
        assert Decimal(story.price("2")["amount"]) == 2 * Decimal(wb.amount["amount"])
        assert Decimal(story.price("0.00001")["amount"]) > 0

    def test_a_renter_who_did_not_agree_pays_no_fee_later(self, wb: Workbench) -> None:
        """The rental is paid all the same."""
        car = Story(wb, "Car rental")
        rental = asyncio.run(car.set_up(wb.amount, consent=False))
        assert rental.charge_permission_type == "OneTime"
        paid = wb.client.capture_charge(str(rental.charge_id), capture_amount=wb.amount)
        assert paid.state == "Captured"
        with pytest.raises(NotChargeable):
            car.pay("a fee", wb.amount)

    def test_a_repair_keeps_the_story_going(self, wb: Workbench) -> None:
        """Where there is an Update page the permission stays, else there is another one."""
        app = told(wb, "Shop in an app")
        broken = app.permission_id
        wb.director.cause(broken, "NonChargeable", "PaymentMethodExpired")
        assert decide(wb.client.get_charge_permission(broken)).next_step is Step.UPDATE
        asyncio.run(app.repair(card="4444"))
        assert (app.permission_id == broken) == wb.region.update_page
        assert app.pay("an order", wb.amount).state == "Authorized"

    def test_a_refund_needs_no_open_permission(self, wb: Workbench) -> None:
        """The buyer has ended the agreement in between."""
        shop = told(wb, "Phone and offline")
        till = shop.pay("the till", wb.amount)
        wb.director.cause(shop.permission_id, "Closed", "BuyerClosed")
        assert shop.refund(till, wb.amount).state == "Refunded"


class TestFork:
    """Snapshot, try A, rewind, try B."""

    def test_each_plan_starts_from_the_same_moment(self, wb: Workbench) -> None:
        """Both capture the same charge, which can be captured once."""
        food = told(wb, "Food delivery")
        order = food.pay("an order", food.price("2"))
        branches = fork(
            wb,
            {
                "all": lambda: wb.client.capture_charge(order.charge_id, capture_amount=food.price("2")),
                "half": lambda: wb.client.capture_charge(order.charge_id, capture_amount=food.price("1")),
            },
        )
        assert isinstance(branches, list)
        assert [branch.outcome for branch in branches] == ["Captured", "Captured"]
        assert [branch.captured for branch in branches] == [food.price("2")["amount"], food.price("1")["amount"]]
        assert wb.client.get_charge(order.charge_id).state == "Authorized"

    def test_nothing_of_a_plan_stays(self, wb: Workbench) -> None:
        """Neither objects nor time nor exchanges, even where the plan fails."""
        story = told(wb, "Ride hailing")
        before, entries = wb.client.clock(), len(wb.journal)
        wallet = story.permission_id
        branches = fork(
            wb,
            {
                "close": lambda: wb.client.close_charge_permission(wallet, closure_reason=""),
                "wait": lambda: wb.director.advance(days=40),
                "declined": lambda: story.pay("a ride", wb.amount, simulation_code="HardDeclined"),
                "too late": lambda: wb.director.cause(wallet, "Closed", "BuyerClosed") and story.pay("a ride", {}),
            },
        )
        assert isinstance(branches, list)
        outcomes = [branch.outcome.partition("\n")[0] for branch in branches]
        assert outcomes[:3] == ["Closed", "40 days later.", "422 HardDeclined"]
        assert outcomes[3].startswith(f"NotChargeable: Charge Permission {wallet} is Closed (BuyerClosed)")
        assert wb.emulator
        assert wb.emulator.clock.now() - before < timedelta(days=1)
        assert len(wb.journal) == entries
        assert story.pay("a ride", wb.amount).state == "Captured"
        assert len(wb.journal) == entries + 2

    def test_a_defect_in_a_plan_is_not_hidden(self, wb: Workbench) -> None:
        """It comes out, and the world is rewound all the same."""
        story = told(wb, "Ride hailing")
        journal = wb.journal

        def broken() -> None:
            wb.client.close_charge_permission(story.permission_id, closure_reason="")
            raise KeyError("a defect")

        with pytest.raises(KeyError):
            fork(wb, {"broken": broken})
        assert wb.journal is journal is wb.client.journal
        assert wb.client.get_charge_permission(story.permission_id).state == "Chargeable"

    def test_the_same_key_repeats_a_decline_and_a_new_one_pays(self, wb: Workbench) -> None:
        """The question of the ride's story."""
        ride = told(wb, "Ride hailing")
        with pytest.raises(DeclinedError) as declined:
            ride.pay("a ride", wb.amount, simulation_code="SoftDeclined")
        key = declined.value.idempotency_key
        branches = fork(
            wb,
            {
                "same": lambda: ride.pay("a ride", wb.amount, idempotency_key=key),
                "new": lambda: ride.pay("a ride", wb.amount),
            },
        )
        nothing = format_amount(Decimal(0), wb.currency)
        assert branches == [
            Branch("same", "422 SoftDeclined", 2, nothing, nothing, nothing),
            Branch("new", "Captured", 2, nothing, wb.amount["amount"], nothing),
        ]


def test_where_nothing_can_be_rewound_nothing_is_tried() -> None:
    """On a real environment a plan would move money for good."""
    sandbox = workbench.open("sandbox", buyer="you")
    tried: list[str] = []
    try:
        answer = fork(sandbox, {"pay": lambda: tried.append("pay")})
    finally:
        sandbox.close()
    assert str(answer).startswith("Skipped: only the emulator can be rewound")
    assert not tried
