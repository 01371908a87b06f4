"""Cards and payment desk, without Jupyter: what is possible, what is shown, and that a click is a call."""

import ast
import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from pydantic.alias_generators import to_camel, to_snake

from amazonpay_nb import workbench
from amazonpay_nb.client.guide import NotChargeable, complete_set_up
from amazonpay_nb.client.journal import Exchange, Journal
from amazonpay_nb.client.sending import ATTEMPTS
from amazonpay_nb.client.snippets import sign_for_curl
from amazonpay_nb.errors import AmazonPayError, ApiError, ConfigurationError, DeclinedError, TransportError
from amazonpay_nb.shop import buyer
from amazonpay_nb.signing.keys import Finding
from amazonpay_nb.spec.machine import NEW, Machine, NotAllowed
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Kind
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.diagrams import state_map
from amazonpay_nb.workbench.panels import form, panels
from amazonpay_nb.workbench.panels.cards import Card, Desk, cards
from amazonpay_nb.workbench.panels.events import NotificationPanel
from amazonpay_nb.workbench.panels.panel import Panel, Panels
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, View, choose, static
from amazonpay_nb.workbench.panels.wire import WirePanel
from tests.kernels import kernel
from tests.processes import PATIENCE, until

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
EVERY_KIND = tuple(KINDS.values())
EVERY_STATE = [(kind, state) for kind in EVERY_KIND for state in MACHINES[kind.title].states]
PORT = re.compile(r"127\.0\.0\.1:\d+")


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A workbench with keys, whose buyer is a script."""
    opened = workbench.open("emulator", "na", "script")
    opened.set_up_keys()
    yield opened
    opened.close()


@pytest.fixture
def desk(wb: Workbench) -> Desk:
    """The desk of a workbench with one saved wallet."""
    asyncio.run(wb.play_set_up())
    session, permission, *_ = cards(wb).panels.values()
    session.act("get_checkout_session")
    session.act("complete_checkout_session")
    permission.act("get_charge_permission")
    return Desk(wb)


def name_of(value: Kind | str) -> str:
    return value.title if isinstance(value, Kind) else value


def described(kind: Kind, object_id: str, state: str, at: str = "20260115T120000Z") -> Exchange:
    """Return an answer that describes an object in a state."""
    money = {"amount": "1.00", "currencyCode": "USD"}
    ids = {other.id_field: f"{other.title}-1" for other in EVERY_KIND if other is not kind}
    details = {"state": state, "lastUpdatedTimestamp": at}
    answer = {**ids, kind.id_field: object_id, "statusDetails": details, "chargeAmount": money, "disputeAmount": money}
    return Exchange(NOON, f"get{kind.model.__name__}", "GET", "/", 200, response={**answer, "refundAmount": money})


# --- The frame --------------------------------------------------------------------------------------------------------


class Till(Panel):
    """A panel with one of each."""

    def __init__(self, *, live: bool = False) -> None:
        super().__init__(live=live)
        self.taken: list[tuple[str, bool, str]] = []

    def view(self, chosen: Chosen) -> View:
        fields = (
            Field("amount", "14.00", help="Write a number."),
            Field("now", True),
            Field("kind", "a", options={"a": "a", "b": "Bee"}),
        )
        actions = (
            Action("take", "Take", self.take, fields=("amount", "now", "kind")),
            Action("drop", "Drop", self.take, False, "It is shut."),
        )
        return View("Till", (f"{len(self.taken)} taken",), fields, actions)

    def mark(self) -> object:
        return len(self.taken)

    def take(self, amount: str, now: bool, kind: str) -> str:
        if not amount.replace(".", "").isdigit():
            raise ConfigurationError("It cannot be taken: it is no number.")
        self.taken.append((amount, now, kind))
        return f"took {amount}"


def test_an_action_takes_defaults_for_what_is_not_given() -> None:
    """A parameter that is left out is the field's default, as an untouched form field is."""
    till = Till()
    assert till.act("take", kind="b") == "took 14.00"
    assert till.taken == [("14.00", True, "b")]


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("drop", {}, "It is shut"),
        ("tak", {}, "Did you mean take"),
        ("take", {"amont": "1"}, "Did you mean amount"),
        ("take", {"amount": "x"}, "it is no number"),
        ("take", {"kind": "c"}, "Choose one of a, b"),
        ("take", {"now": "yes"}, "is not of type bool"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_happens(name: str, values: dict[str, str], words: str) -> None:
    """The message names the parameter and says what would do."""
    till = Till()
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        till.act(name, **values)
    assert till.taken == []


def test_a_choice_that_has_gone_is_the_default_again() -> None:
    """The options of a field may change under a person's hands."""
    field = Field("kind", "a", options={"a": "a", "b": "b"})
    assert choose([field], {"kind": "b"}) == {"kind": "b"}
    assert choose([field], {"kind": "gone"}) == {"kind": "a"}


def test_a_panel_in_a_script_is_static_and_says_everything() -> None:
    """Text and HTML hold the body, every parameter, and each action with its reason."""
    bundle = Till()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    for written in bundle.values():
        for words in ("0 taken", "amount", "14.00", "a, b", "Take", "It is shut."):
            assert words in written


def test_a_click_runs_in_a_thread() -> None:
    """The kernel is free meanwhile."""
    panel = Till(live=True)
    assert set(panel._repr_mimebundle_()) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    fill(panel, {"amount": "5.00"})
    panel.press("take").join()
    assert (panel.taken, panel.outcome) == ([("5.00", True, "a")], "took 5.00")
    assert "1 taken" in shown(panel, "amazonpay-body")


def test_a_click_that_fails_explains_itself_and_keeps_what_was_typed() -> None:
    """The error stands in the panel; the form is as it was and the buttons work again."""
    panel = Till(live=True)
    assert isinstance(clicked(panel, "take", amount="x"), ConfigurationError)
    assert panel.chosen["amount"] == "x"
    assert 'role="alert"' in shown(panel, "amazonpay-said")
    clicked(panel, "take", amount="2")
    assert panel.taken == [("2", True, "a")]


def test_the_tab_on_view_follows_and_another_does_when_it_is_opened() -> None:
    """Whatever acts, by a click or with parameters; what nobody sees is not rendered."""
    first, second = Till(live=True), Till(live=True)
    tabs = Panels("Tills", {"first": first, "second": second})
    for index in (1, 0):
        tabs.widget.selected_index = index
    tabs._repr_mimebundle_()
    seen = threading.Event()
    part_of(first, "amazonpay-body").observe(lambda change: seen.set() if "1 taken" in change["new"] else None)
    first.taken.append(("1", True, "a"))
    second.taken.append(("1", True, "a"))
    assert seen.wait(PATIENCE)
    assert "0 taken" in shown(second, "amazonpay-body")
    first.press("take").join()
    assert "2 taken" in shown(first, "amazonpay-body")
    second.act("take")
    tabs.widget.selected_index = 1
    assert "2 taken" in shown(second, "amazonpay-body")


class Shelf(Panel):
    """A panel without buttons, which shows how long the journal is."""

    def view(self, chosen: Chosen) -> View:
        return View("Shelf", (f"{len(self.journal or ())} entries",))


class Broken(Shelf):
    """One whose first two looks at a journal with something in it fail."""

    looks = 0

    def view(self, chosen: Chosen) -> View:
        self.looks += len(self.journal or ())
        if 0 < self.looks < 3:
            raise IndexError
        put = Action("put", "Put", self.put, reason="One entry more.")
        return View("Shelf", super().view(chosen).body, actions=[put])

    def put(self) -> str:
        assert self.journal is not None
        self.journal.record(described(KINDS["Charge"], "C-1", "Authorized"))
        return "It is put there."


@pytest.mark.parametrize("tabs", [False, True], ids=["alone", "under a tab"])
def test_a_panel_on_view_follows_what_cells_send(wb: Workbench, tabs: bool) -> None:
    """Nobody clicks; a request of a cell is enough."""
    shelf = Shelf(live=True, journal=wb.journal)
    shown_as = Panels("Shelves", {"first": shelf}) if tabs else shelf
    shown_as._repr_mimebundle_()
    seen = threading.Event()
    part_of(shelf, "amazonpay-body").observe(lambda change: seen.set() if "1 entries" in change["new"] else None)
    wb.journal.record(described(KINDS["Charge"], "C-1", "Authorized"))
    assert seen.wait(PATIENCE)


def test_a_look_that_fails_is_tried_again(wb: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """One log entry, and the panel follows on."""
    shelf = Broken(live=True, journal=wb.journal)
    shelf._repr_mimebundle_()
    wb.journal.record(described(KINDS["Charge"], "C-1", "Authorized"))
    assert until(lambda: "1 entries" in part_of(shelf, "amazonpay-body").value)
    told = [row.message for row in caplog.records if "look" in row.message]
    assert told == ["A look at the run failed, and is tried again."]


def test_a_look_that_fails_hides_no_answer(wb: Workbench) -> None:
    """Neither of a call nor of a click; the buttons come back."""
    called, clicked_ = (Broken(live=True, journal=journal) for journal in (wb.journal, Journal()))
    assert called.widget
    assert called.act("put") == "It is put there."
    assert clicked_.widget
    clicked_.press("put").join()
    assert (clicked_.outcome, clicked_.looks) == ("It is put there.", 1)
    assert not part_of(clicked_, "amazonpay-action-put").disabled


def test_a_panel_that_is_opened_and_followed_at_once_is_made_once() -> None:
    """Of two forms, what a person chooses in the first is lost when the second takes its place."""
    opens, go = threading.Event(), threading.Event()

    class Slow(Till):
        def view(self, chosen: Chosen) -> View:
            if threading.current_thread() is opening:
                opens.set()
                assert go.wait(PATIENCE)
            return super().view(chosen)

    slow = Slow(live=True)
    tabs = Panels("Tills", {"first": Till(live=True), "slow": slow})
    select = tabs.widget.set_trait
    opening = threading.Thread(target=select, args=("selected_index", 1))
    following = threading.Thread(target=tabs.refresh)
    opening.start()
    assert opens.wait(PATIENCE)
    following.start()
    following.join(0.5)  # it has made a form by then, or waits
    early = tabs.widget.children[1].children
    go.set()
    opening.join(PATIENCE)
    following.join(PATIENCE)
    assert early == ()
    assert tabs.widget.children[1].children == (slow.form.box,)


def test_a_panel_misses_nothing_that_comes_when_it_has_just_been_drawn(wb: Workbench) -> None:
    """The thread that follows may begin late."""
    late = threading.Event()

    class Slow(Shelf):
        def mark(self) -> object:
            if threading.current_thread().name == "panel: follow":
                late.wait(PATIENCE)
            return super().mark()

    shelf = Slow(live=True, journal=wb.journal)
    shelf._repr_mimebundle_()
    seen = threading.Event()
    part_of(shelf, "amazonpay-body").observe(lambda change: seen.set() if "1 entries" in change["new"] else None)
    wb.journal.record(described(KINDS["Charge"], "C-1", "Authorized"))
    late.set()
    assert seen.wait(PATIENCE)


@pytest.mark.parametrize(
    ("outcome", "look"),
    [
        (None, 'role="status" class=amazonpay-good'),
        ([Finding(True, "It fits.")], 'role="status" class=amazonpay-good'),
        ([Finding(True, "It fits."), Finding(False, "It is old.")], 'role="alert"'),
        ("An hour later.", 'role="status"'),
    ],
)
def test_only_a_good_answer_has_the_green_bar(outcome: Any, look: str) -> None:
    """What is wrong is an alert, and a text that only tells something is neither."""
    panel = Till(live=True)
    panel.take = lambda **_: outcome  # type: ignore[method-assign]
    panel.press("take").join()
    assert f"<div {look}>" in shown(panel, "amazonpay-said")


def part_of(panel: Panel, name: str) -> Any:
    """The first widget of a form that has a class."""
    parts = [panel.widget]
    for part in parts:
        if name in part._dom_classes:
            return part
        parts += getattr(part, "children", ())
    raise AssertionError(f"nothing is {name}")


def shown(panel: Panel, name: str) -> str:
    """The HTML of the first part of a form that has a class."""
    return str(part_of(panel, name).value)


def fill(panel: Panel, values: dict[str, Any]) -> None:
    """Put values into fields, as if they were typed."""
    for name, value in values.items():
        part_of(panel, f"amazonpay-field-{name}").value = value


# --- Cards ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "state"),
    EVERY_STATE,
    ids=name_of,
)
def test_what_a_card_offers_is_what_the_machine_allows(wb: Workbench, kind: Kind, state: str) -> None:
    """Every state × call: a row makes a live button, and without one the machine's own refusal is the reason."""
    wb.journal.record(described(kind, "X-1", state))
    card = Card(wb, kind)
    for action in card.view({}).actions:
        operation = OPERATIONS[to_camel(action.name)]
        if not operation.acts_on:
            assert action.enabled
        else:
            assert action.enabled == MACHINES[kind.title].has(state, operation.title)
            assert action.enabled or str(NotAllowed(MACHINES[kind.title], state, operation.title)) in action.reason


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.title)
def test_a_card_without_an_object_offers_nothing(wb: Workbench, kind: Kind) -> None:
    """Every button is grey, and the card says why."""
    view = Card(wb, kind).view({})
    assert not any(action.enabled for action in view.actions)
    assert {action.reason for action in view.actions} == {f"There is no {kind.title} yet."}
    with pytest.raises(ConfigurationError, match="is not possible now"):
        Card(wb, kind).act(view.actions[0].name)


def test_every_call_about_an_object_is_on_a_card(wb: Workbench) -> None:
    """The others are about none of the five: a button, signed-in buyers, files, parcels, reports and payouts."""
    offered = [action.name for kind in EVERY_KIND for action in Card(wb, kind).view({}).actions]
    assert len(offered) == len(set(offered))
    assert {name for name in map(to_snake, OPERATIONS) if "report" not in name} - {*offered} == {
        "create_checkout_session", "get_buyer", "upload_file", "create_delivery_tracker", "get_disbursements",
    }  # fmt: skip


def test_an_object_that_was_only_named_has_to_be_asked_for(wb: Workbench) -> None:
    """A completed session names its permission; what state that is in, only Get Charge Permission tells."""
    session, permission, *_ = EVERY_KIND
    wb.journal.record(described(session, "S-1", "Completed"))
    actions = {action.name: action for action in Card(wb, permission).view({}).actions}
    assert actions["get_charge_permission"].enabled
    assert "Get Charge Permission first" in actions["create_charge"].reason


def test_a_replayed_answer_is_an_old_one(wb: Workbench) -> None:
    """An answer with an earlier time than what is known changes nothing."""
    charge = KINDS["Charge"]
    wb.journal.record(described(charge, "C-1", "Captured", "20260115T130000Z"))
    wb.journal.record(described(charge, "C-1", "Authorized", "20260115T120000Z"))
    assert "● Captured" in static(Card(wb, charge).view({})).text


def test_a_card_shows_the_chosen_object_else_the_newest(wb: Workbench) -> None:
    """The field is a parameter like any other."""
    charge = KINDS["Charge"]
    wb.journal.record(described(charge, "C-1", "Captured"))
    wb.journal.record(described(charge, "C-2", "Authorized"))
    assert Card(wb, charge).view({}).title == "Charge C-2"
    assert Card(wb, charge).view({"charge_id": "C-1"}).title == "Charge C-1"
    assert "capture_charge" in {a.name for a in Card(wb, charge).view({}).actions if a.enabled}
    assert "capture_charge" not in {a.name for a in Card(wb, charge).view({"charge_id": "C-1"}).actions if a.enabled}


def test_a_session_that_nobody_finished_is_not_the_first_that_is_seen(wb: Workbench) -> None:
    """The newest of the others is; where there is none, the newest after all; in the list, each keeps its place."""
    session = KINDS["Checkout Session"]

    def expired(number: str) -> Exchange:
        exchange = described(session, number, "Canceled")
        assert exchange.response
        exchange.response["statusDetails"]["reasonCode"] = "Expired"
        return exchange

    wb.journal.record(expired("S-0"))
    assert Card(wb, session).view({}).title == "Checkout Session S-0"
    wb.journal.record(described(session, "S-1", "Completed"))
    wb.journal.record(expired("S-2"))
    view = Card(wb, session).view({})
    assert view.title == "Checkout Session S-1"
    field = next(field for field in view.fields if field.name == "checkout_session_id")
    assert [*field.options] == ["", "S-0", "S-1", "S-2"]


def test_a_charge_says_what_was_refunded_after_its_newest_answer(desk: Desk, wb: Workbench) -> None:
    """Until it is asked for again; then the answer says so itself."""
    desk.act("create_charge", amount="1200.00")
    desk.act("create_refund", amount="1100.00")
    card = Card(wb, KINDS["Charge"])
    assert "Refunded by now: 1,100.00 USD." in static(card.view({})).text
    desk.act("wait")
    desk.act("get_charge")
    shown = static(card.view({})).text
    assert "Refunded by now" not in shown
    assert "1100.00" in shown
    assert "1,100.00" in static(desk.view({})).text


def test_a_view_sends_nothing(desk: Desk, wb: Workbench) -> None:
    """To look is free: only actions send requests."""
    before = len(wb.journal)
    for model in (*cards(wb).panels.values(), desk):
        static(model.view({}))
    assert len(wb.journal) == before


# --- Pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.name)
def test_the_map_shows_every_state_and_every_way_out_of_here(machine: Machine) -> None:
    """As text and as a picture, from the rows alone."""
    for here in (NEW, *machine.states):
        picture = state_map(machine, here)
        reached = {row.target for row in machine.rows if row.source == here != row.target}
        lines = picture.as_text.strip("\n").split("\n")
        assert [line[2:].split()[0] for line in lines] == [NEW, *machine.states]
        assert {line[2:].split()[0] for line in lines if "(" in line} == reached
        assert [line[2:].split()[0] for line in lines if line.startswith("●")] == [here]
        html = picture.as_html
        assert html.count("<rect") == len(lines)
        assert html.count('stroke-width="2"') == len(reached)


# --- The desk ---------------------------------------------------------------------------------------------------------


def test_the_desk_takes_money_and_gives_it_back(desk: Desk, wb: Workbench) -> None:
    """Held, captured in part, refunded in part: ledger, bars and limit follow."""
    desk.act("create_charge", amount="10.00", capture_now=False)
    desk.act("capture_charge", amount="8.00")
    desk.act("create_refund", amount="3.00")
    desk.act("wait")
    assert desk.act("get_refund").state == "Refunded"
    shown = static(desk.view({})).text
    for words in ("$8.00 of $15,000.00", "$0.00   $8.00     $3.00", "Monthly limit of this wallet, 2026-01"):
        assert words in shown
    assert wb.journal.totals()["USD"]["balance"] == Decimal("5.00")


@pytest.mark.parametrize(
    "instead",
    [{}, {"status": 201, "response": {"message": "Welcome"}}, {"status": 403, "response": {"message": "Forbidden"}}],
    ids=["none", "a page", "a gateway"],
)
def test_a_lost_answer_is_asked_for_again_and_there_is_one_charge(
    desk: Desk, wb: Workbench, instead: dict[str, Any]
) -> None:
    """Amazon has done the work; the desk offers the same request under its key, and counts what it made."""
    assert not action_of(desk, "again").enabled
    with pytest.raises(TransportError):
        desk.act("create_charge", amount="9.00", lose_the_answer=True)
    wb.journal.record(replace(wb.journal.exchanges[-1], **instead))
    assert action_of(desk, "again").enabled
    key = wb.journal.exchanges[-1].idempotency_key
    charge = desk.act("again")
    rows = dict(desk.report[-1].rows)  # type: ignore[union-attr]
    assert f"{key} was sent before without an answer" in rows["idempotency key"]
    assert f"{key}, and 1 Charge: {charge.charge_id}" in " ".join(static(desk.view({})).text.split())
    assert wb.emulator
    assert [row["chargeId"] for row in wb.emulator.control.get("objects/charges")["objects"]] == [charge.charge_id]
    assert not action_of(desk, "again").enabled


@pytest.mark.parametrize("faults", [[("drop-after-commit", 1), ("status", 3)], [("status", 4)]], ids=["lost", "busy"])
def test_an_undecided_request_is_asked_for_again_and_there_is_one_charge(
    desk: Desk, wb: Workbench, faults: list[tuple[str, int]]
) -> None:
    """After 503, Amazon may have done the work, and keeps no refusal; a new key might charge once more."""
    for fault, times in faults:
        wb.director.inject_fault("createCharge", fault, times=times)
    with pytest.raises(ApiError) as caught:
        desk.act("create_charge", amount="9.00")
    assert not caught.value.is_decided
    assert "refusal" not in dict(desk.report[-1].rows)["idempotency key"]  # type: ignore[union-attr]
    assert action_of(desk, "again").enabled
    charge = desk.act("again")
    assert wb.emulator
    assert [row["chargeId"] for row in wb.emulator.control.get("objects/charges")["objects"]] == [charge.charge_id]
    assert not action_of(desk, "again").enabled


def test_a_request_that_the_journal_masks_is_not_sent_again(desk: Desk, wb: Workbench, tmp_path: Path) -> None:
    """It would be another request: refused, or a charge for an order that nobody has."""
    wb.director.inject_fault("createCharge", "drop-after-commit", times=ATTEMPTS)
    (wallet,) = wb.journal.known.ids("Charge Permission")
    fields = {"merchant_metadata": {"merchantReferenceId": "ada@example.com"}, "idempotency_key": "mine"}
    with pytest.raises(TransportError):
        wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.amount, **fields)  # type: ignore[arg-type]
    sent = len(wb.journal.exchanges)
    with pytest.raises(ConfigurationError, match=r"masks a part(?s:.*)idempotency_key='mine'"):
        desk.act("again")
    with pytest.raises(ConfigurationError, match="masks a part"):
        sign_for_curl(wb.journal.exchanges[-1], wb.client.sender.auth, tmp_path)
    assert (len(wb.journal.exchanges), list(tmp_path.iterdir())) == (sent, [])
    # Typed into the desk's own field, the key meets another request: the first one is as undecided as before.
    with pytest.raises(AmazonPayError, match="DuplicateIdempotencyKey"):
        desk.act("create_charge", amount="9.00", idempotency_key="mine")
    assert action_of(desk, "again").enabled


def test_what_the_journal_has_masked_is_not_offered_again(desk: Desk, wb: Workbench) -> None:
    """A session's body has the buyer's address, which no journal keeps: sent again, it would be another request."""
    wb.director.inject_fault("createCheckoutSession", "drop-after-commit", times=ATTEMPTS)
    with pytest.raises(TransportError):
        wb.client.create_checkout_session(store_id=wb.store_id, web_checkout_details={}, idempotency_key="mine")
    assert not action_of(desk, "again").enabled


def test_a_key_of_ones_own_repeats_nothing(desk: Desk, wb: Workbench) -> None:
    """The same key is the same charge; an empty field is a new key."""
    first, again = (desk.act("create_charge", amount="9.00", idempotency_key="mine") for _ in range(2))
    assert again.charge_id == first.charge_id
    assert "mine was sent before: Amazon replays" in dict(desk.report[-1].rows)["idempotency key"]  # type: ignore[union-attr]
    assert desk.act("create_charge", amount="9.00").charge_id != first.charge_id
    assert wb.journal.exchanges[-1].idempotency_key != "mine"


def test_the_desk_lets_days_pass(desk: Desk) -> None:
    """A hold ends after 30 of them."""
    held = desk.act("create_charge", capture_now=False)
    assert f"Charge {held.charge_id}: Expire" in desk.act("wait", time="31 days")
    assert desk.act("get_charge").state == "Canceled"


def test_a_state_says_which_answer_it_comes_from(desk: Desk, wb: Workbench) -> None:
    """A refusal or time that came later is a reason to ask again; the answer to that settles it."""
    assert "after that" not in static(desk.view({})).text
    with pytest.raises(DeclinedError):
        desk.act("create_charge", simulation_code="HardDeclined")
    desk.act("wait", time="8 days")
    known = len(wb.journal.exchanges) - 1  # Get Charge Permission, before the refusal
    words = " ".join(static(desk.view({})).text.split())
    assert f"As of the answer to request {known}; after that came HardDeclined, 8 days later: ask again." in words
    desk.act("get_charge_permission")
    assert f"is NonChargeable. As of the answer to request {known + 2}." in static(desk.view({})).text
    asyncio.run(desk.act("repair"))
    assert "after that came Completed: ask again." in " ".join(static(desk.view({})).text.split())


def action_of(panel: Panel, name: str) -> Action:
    return next(action for action in panel.view({}).actions if action.name == name)


def test_a_held_charge_is_canceled_and_a_wallet_closed(desk: Desk) -> None:
    """The reasons are the fields' own; afterward the buttons are grey."""
    desk.act("create_charge", capture_now=False)
    assert desk.act("cancel_charge").reason_code == "MerchantCanceled"
    assert desk.act("close_charge_permission", reason="Moved away.").reason_code == "MerchantClosed"
    actions = {action.name: action for action in desk.view({}).actions}
    assert not actions["create_charge"].enabled
    assert "Let the buyer set up Amazon Pay again" in actions["create_charge"].reason
    assert not actions["repair"].enabled


def test_a_declined_charge_leaves_the_desk_as_it_was_and_can_be_tried_again(desk: Desk, wb: Workbench) -> None:
    """A soft decline: the same again, under another key."""
    with pytest.raises(DeclinedError):
        desk.act("create_charge", simulation_code="SoftDeclined")
    assert desk.act("create_charge").state == "Captured"
    keys = [e.idempotency_key for e in wb.journal.exchanges if e.operation == "createCharge"]
    assert len(set(keys)) == len(keys) == 2


@pytest.mark.parametrize("region", ["na", "jp"])
def test_a_wallet_that_was_declined_for_good_is_repaired(region: str) -> None:
    """On the Update page the wallet keeps its id; where there is none, the buyer sets up another."""
    wb = workbench.open("emulator", region, "script", amount="1400")
    try:
        wb.set_up_keys()
        asyncio.run(wb.play_set_up())
        session, permission, *_ = cards(wb).panels.values()
        session.act("get_checkout_session")
        first = session.act("complete_checkout_session").charge_permission_id
        permission.act("get_charge_permission")
        desk = Desk(wb)
        with pytest.raises(DeclinedError):
            desk.act("create_charge", simulation_code="HardDeclined")
        with pytest.raises(NotChargeable):
            desk.act("create_charge")
        repaired = asyncio.run(desk.act("repair"))
        assert (repaired.charge_permission_id == first) == wb.region.update_page
        desk.act("get_charge_permission")
        assert desk.act("create_charge").charge_permission_id == repaired.charge_permission_id
    finally:
        wb.close()


def test_a_purchase_is_completed_with_its_own_amounts(wb: Workbench) -> None:
    """Complete repeats what Get Checkout Session said, digit for digit."""
    session = KINDS["Checkout Session"]
    answer = described(session, "S-1", "Open").response or {}
    wb.journal.record(
        Exchange(NOON, "getCheckoutSession", "GET", "/", 200, response=answer | {"paymentDetails": {
            "chargeAmount": {"amount": "12.50", "currencyCode": "USD"}, "totalOrderAmount": None,
        }})
    )  # fmt: skip
    with pytest.raises(Exception, match="404"):
        Card(wb, session).act("complete_checkout_session")
    assert wb.journal.exchanges[-1].request == {"chargeAmount": {"amount": "12.50", "currencyCode": "USD"}}


@pytest.mark.parametrize("action", ["create_charge", "get_charge_permission", "wait"])
def test_a_click_makes_one_view_and_reads_the_journal_once(desk: Desk, action: str) -> None:
    """However long the run is by then: everything else is known already."""
    assert desk.widget
    calls = Counter[CodeType]()
    threading.setprofile(lambda frame, event, _: calls.update([frame.f_code] if event == "call" else []))
    try:
        desk.press(action).join()
    finally:
        threading.setprofile(None)
    assert not isinstance(desk.outcome, Exception)
    assert calls[Desk.view.__code__] == 1
    assert calls[Journal.__iter__.__code__] == 1


@pytest.mark.parametrize("changed", [{}, {"amount": "5.00"}], ids=["the same", "another amount"])
def test_a_double_click_moves_money_once(
    desk: Desk, changed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """The second press comes after the answer; whoever has read it, or typed something else, is heard again."""
    monkeypatch.setattr(form, "AGAIN", PATIENCE)  # a busy machine's second press is late, too
    once = len(desk.journal.known.ids("Charge")) + 1

    def charges() -> int:
        button = part_of(desk, "amazonpay-action-create_charge")
        button.click()
        [one.join() for one in threading.enumerate() if one.name == "panel: create_charge"]
        return len(desk.journal.known.ids("Charge"))

    assert charges() == charges() == once
    fill(desk, changed)
    assert charges() == once + len(changed)
    monkeypatch.setattr(form, "AGAIN", 0)
    assert charges() == once + len(changed) + 1


def test_a_key_that_is_held_down_moves_money_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The button is pressed again and again, the last times long after the answer."""

    def press() -> int:
        part_of(desk, "amazonpay-action-create_charge").click()
        [one.join() for one in threading.enumerate() if one.name == "panel: create_charge"]
        return len(desk.journal.known.ids("Charge"))

    monkeypatch.setattr(form, "AGAIN", PATIENCE)
    once, answered = press(), time.time()
    assert until(lambda: time.time() > answered + 3)
    assert press() == once
    monkeypatch.setattr(form, "AGAIN", time.time() - answered)
    assert press() == once
    monkeypatch.setattr(form, "AGAIN", 0)
    assert press() == once + 1


def test_a_buyer_who_is_back_ends_no_other_action(desk: Desk, wb: Workbench) -> None:
    """Create Charge is under way by then: its button stays gray, and another press does nothing."""
    assert wb.emulator
    wb.buyer, before = "you", len(desk.journal.known.ids("Charge"))
    live = Desk(wb)
    repairing = live.press("repair")
    assert until(lambda: live.page is not None)
    assert until(lambda: not part_of(live, "amazonpay-action-create_charge").disabled)
    wb.emulator.inject_fault("createCharge", "delay", seconds=8)
    charging = live.press("create_charge")
    assert until(lambda: bool(part_of(live, "amazonpay-action-create_charge").disabled))
    buyer.arrive(buyer.approve(live.page.url, card="4444"))
    repairing.join()
    assert part_of(live, "amazonpay-action-create_charge").disabled
    live.press("create_charge").join()
    assert charging.is_alive(), "the charge was faster than the buyer"
    charging.join()
    assert len(wb.journal.known.ids("Charge")) == before + 1
    assert not part_of(live, "amazonpay-action-create_charge").disabled


@pytest.mark.parametrize("latest", [False, True])
@pytest.mark.parametrize("layout", [None, 4])
def test_a_double_click_sends_again_once_under_a_new_key(
    desk: Desk, wb: Workbench, monkeypatch: pytest.MonkeyPatch, *, latest: bool, layout: int | None
) -> None:
    """The wire inspector's button moves money, too; after the first click, the latest exchange is another one."""
    monkeypatch.setattr(form, "AGAIN", PATIENCE)
    desk.act("create_charge")
    number = len(wb.journal.exchanges)
    wire = WirePanel(wb, show="again") if latest else WirePanel(wb, show="again", exchange=str(number))
    body = part_of(wire, f"amazonpay-field-body_{number}").value
    fill(wire, {"under_a_new_key": True, f"body_{number}": json.dumps(json.loads(body), indent=layout)})
    for _ in range(2):
        part_of(wire, "amazonpay-action-send").click()
        [one.join() for one in threading.enumerate() if one.name == "panel: send"]
    assert len(desk.journal.known.ids("Charge")) == 2


def test_what_is_entered_after_a_press_makes_another_one(
    desk: Desk, wb: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no second click of a double one."""
    monkeypatch.setattr(form, "AGAIN", PATIENCE)
    desk.act("create_charge")
    wire = WirePanel(wb, exchange=str(len(wb.journal.exchanges)), show="again")
    for new_key in (True, False, True):
        fill(wire, {"under_a_new_key": new_key})
        part_of(wire, "amazonpay-action-send").click()
        [one.join() for one in threading.enumerate() if one.name == "panel: send"]
    assert len(desk.journal.known.ids("Charge")) == 3


def test_each_press_sends_again_what_is_on_view_by_then(
    desk: Desk, wb: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest exchange is another one each time, with a body of its own."""
    monkeypatch.setattr(form, "AGAIN", 0)
    desk.act("create_charge")
    wire = WirePanel(wb, show="again")
    for number in (2, 3):
        fill(wire, {"under_a_new_key": True})
        part_of(wire, "amazonpay-action-send").click()
        [one.join() for one in threading.enumerate() if one.name == "panel: send"]
        assert len(desk.journal.known.ids("Charge")) == number


def test_a_press_is_for_the_object_that_is_on_view(desk: Desk, wb: Workbench) -> None:
    """A cell has made another charge since the card was drawn, which nobody has seen yet."""
    seen = desk.act("create_charge", capture_now=False).charge_id
    card = Card(wb, KINDS["Charge"])
    assert card.widget
    new = desk.act("create_charge", capture_now=False).charge_id
    part_of(card, "amazonpay-action-capture_charge").click()
    [one.join() for one in threading.enumerate() if one.name == "panel: capture_charge"]
    assert wb.journal.known.states()[seen] == "Captured"
    assert wb.journal.known.states()[new] == "Authorized"


def test_what_is_chosen_keeps_its_place_in_the_list(desk: Desk) -> None:
    """The page sends the place alone, and a charge may be made before it arrives."""
    first = desk.act("create_charge", capture_now=False).charge_id
    desk.act("create_charge", capture_now=False)
    choice = part_of(desk, "amazonpay-field-charge_id")
    place = [value for _, value in choice.options].index(first)
    desk.act("create_charge", capture_now=False)
    choice.set_state({"index": place})
    assert (choice.value, len(choice.options)) == (first, 4)


def test_what_is_typed_after_a_press_is_for_the_next_one(desk: Desk) -> None:
    """The action begins a moment later, in a thread of its own."""
    before = set(desk.journal.known.ids("Charge"))
    with desk.form._lock:  # so much later
        fill(desk, {"amount": "5.00"})
        part_of(desk, "amazonpay-action-create_charge").click()
        fill(desk, {"amount": "6.00"})
    [one.join() for one in threading.enumerate() if one.name == "panel: create_charge"]
    (charge,) = set(desk.journal.known.ids("Charge")) - before
    assert desk.journal.known.of("Charge")[charge]["chargeAmount"]["amount"] == "5.00"


AT_A_DESK = """
import threading, time
from amazonpay_nb import workbench
from amazonpay_nb.client.guide import complete_set_up
from amazonpay_nb.workbench.panels.cards import Desk
from amazonpay_nb.workbench import kernel
from amazonpay_nb.workbench.panels import form
from amazonpay_nb.workbench.panels.form import AGAIN
wb = workbench.open(buyer="script")
wb.set_up_keys()
wallet = complete_set_up(wb.client, (await wb.play_set_up()).checkout_session_id).charge_permission_id
wb.client.get_charge_permission(wallet)
desk = Desk(wb)
button = desk.form._actions["create_charge"].button
def answered():
    [one.join() for one in threading.enumerate() if one.name in {f"panel: {name}" for name in desk.form._actions}]
    return len(wb.journal.known.ids("Charge"))
def until(condition):
    while not condition():
        time.sleep(0.01)
"""


def test_a_press_that_waited_for_a_cell_was_made_before_the_answer() -> None:
    """Somebody presses, runs a cell, sees nothing yet, and presses again: there is one charge."""
    with kernel() as (_, client):

        def tell(source: str, **asked: str) -> Any:
            # Not any answer: a kernel that was slow to begin was asked twice whether it is ready.
            answer = client.execute(source, user_expressions=asked, reply=True, timeout=PATIENCE)["content"]
            return {name: row["data"]["text/plain"] for name, row in answer["user_expressions"].items()}

        comm = tell(AT_A_DESK, button="button.comm.comm_id")["button"].strip("'")
        press = {"comm_id": comm, "data": {"method": "custom", "content": {"event": "click"}}}
        messages = [client.session.msg("comm_msg", press) for _ in range(2)]
        client.shell_channel.send(messages[0])
        client.execute("answered(), time.sleep(AGAIN)")
        client.shell_channel.send(messages[1])
        assert tell("", charges="answered()") == {"charges": "1"}


def at_a_desk(client: Any) -> tuple[Any, dict[str, str]]:
    """Open a desk in a kernel; returns what runs a cell there, and the channels of fields and buttons."""
    execute = partial(client.execute, reply=True, timeout=PATIENCE, store_history=False)  # as no window's cell
    fields, actions = ("amount", "capture_now"), {"button": "create_charge", "look": "get_charge_permission"}
    actions["capture"] = "capture_charge"
    parts = {name: f"desk.form._fields[{name!r}].input.comm.comm_id" for name in fields}
    parts |= {part: f"desk.form._actions[{name!r}].button.comm.comm_id" for part, name in actions.items()}
    found = execute(AT_A_DESK, user_expressions=parts)["content"]["user_expressions"]
    return execute, {part: ast.literal_eval(row["data"]["text/plain"]) for part, row in found.items()}


def test_a_press_counts_if_the_page_showed_what_the_kernel_knows() -> None:
    """JupyterLab holds back what is typed after the first key in a busy kernel, and sends a press at once."""
    with kernel() as (_, client):
        execute, comms = at_a_desk(client)

        def does(part: str, data: dict[str, Any]) -> None:
            client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": comms[part], "data": data}))

        def charges(*amounts: str) -> str:
            for amount in amounts:
                does("amount", {"method": "update", "state": {"value": amount}, "buffer_paths": []})
                if amount == amounts[0]:
                    does("button", {"method": "custom", "content": {"event": "click"}})
            asked = {"charges": "answered(), wb.journal.totals().get('USD', {}).get('captured')"}
            kept = execute("", user_expressions=asked)["content"]["user_expressions"]
            return str(kept["charges"]["data"]["text/plain"])

        client.execute("time.sleep(2 * form.LATE)")
        assert charges("2", "25.50") == "(0, None)"
        assert charges("25.50") == "(1, Decimal('25.50'))"
        client.execute("time.sleep(2 * form.LATE)")
        assert charges("3") == "(2, Decimal('28.50'))"


def test_a_press_counts_if_its_window_has_shown_what_another_one_did() -> None:
    """One whose connection hung: what it sent comes after somebody has typed or pressed in the other one."""
    with kernel() as (_, client):
        execute, comms = at_a_desk(client)

        def does(part: str, data: dict[str, Any], window: str, ago: float = 0) -> None:
            message = client.session.msg("comm_msg", {"comm_id": comms[part], "data": data})
            date = message["header"]["date"] - timedelta(seconds=ago)
            message["header"] |= {"date": date, "session": window}
            client.shell_channel.send(message)

        def says(part: str, value: str | bool, window: str) -> None:
            does(part, {"method": "update", "state": {"value": value}, "buffer_paths": []}, window)

        def answer(question: str) -> Any:
            answers = execute("", user_expressions={"it": question})["content"]["user_expressions"]
            return ast.literal_eval(answers["it"]["data"]["text/plain"])

        def charged(window: str, ago: float = 0, part: str = "button") -> Any:
            does(part, {"method": "custom", "content": {"event": "click"}}, window, ago)
            return answer("[*map(str, (wb.journal.known.of('Charge') if answered() else {}))]")

        says("amount", "250", "this one")
        assert charged("another", ago=2) == []
        assert charged("another") == [], "its page may be late"
        says("capture_now", False, "another")
        assert charged("another") == [], "it knows no more of what was typed before"
        assert charged("this one") == [], "the other one has typed as well"
        execute("kernel.acted.clear()")  # five seconds later
        one = charged("this one")
        assert len(one) == 1
        execute("time.sleep(AGAIN)")
        assert charged("another") == one, "its page may not show the answer"
        assert charged("this one", part="look") == one
        execute("kernel.acted.clear(); time.sleep(AGAIN)")
        client.execute("desk.refresh()", reply=True, timeout=PATIENCE)
        assert charged("another") == one, "its page may not show what a cell did"
        execute("kernel.acted.clear()")
        assert charged("this one", part="look") == one
        acted = answer("kernel.acted")
        assert charged("another") == one
        assert answer("kernel.acted") == acted, "a press that was refused is no reason to refuse the next one"
        execute("form.ELSEWHERE = 0; time.sleep(AGAIN)")
        assert charged("this one", ago=60) == one, "before the answer"
        assert len(charged("another")) == 2


def test_a_press_counts_if_the_page_showed_the_same_object(desk: Desk) -> None:
    """It waited, and a cell has made another charge meanwhile."""
    desk.act("create_charge", capture_now=False)
    assert desk.widget
    with desk.form._lock:
        made = form.kernel.made()
        newer = desk.act("create_charge", capture_now=False).charge_id
    with pytest.raises(ConfigurationError, match="Look at what it says now, and press again"):
        desk.form._do_as_shown("capture_charge", desk.form.call("capture_charge"), made)
    part_of(desk, "amazonpay-action-capture_charge").click()
    [one.join() for one in threading.enumerate() if one.name == "panel: capture_charge"]
    assert desk.journal.known.states()[newer] == "Captured"


def lost(wb: Workbench, amount: str) -> None:
    wallet = wb.journal.known.ids("Charge Permission")[-1]
    wb.director.inject_fault("createCharge", "drop-after-commit", times=ATTEMPTS)
    with pytest.raises(TransportError):
        wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price(amount))


def save_wallet(wb: Workbench) -> None:
    complete_set_up(wb.client, asyncio.run(wb.play_set_up()).checkout_session_id)


@pytest.mark.parametrize(
    ("action", "panel", "happens"),
    [
        ("again", Desk, partial(lost, amount="2.00")),
        ("repair", Desk, save_wallet),
        ("get_charge_permission", Desk, save_wallet),
        ("send", partial(WirePanel, show="again"), partial(lost, amount="2.00")),
        ("sign", partial(WirePanel, show="curl"), save_wallet),
        ("redeliver", NotificationPanel, save_wallet),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_press_counts_if_the_panel_is_about_the_same(
    action: str, panel: Callable[[Workbench], Panel], happens: Callable[[Workbench], None], desk: Desk, wb: Workbench
) -> None:
    """Whatever it shows follows the run; it waited, and a cell has done something meanwhile."""
    wb.director.listen(wb.shop, wb.client)
    lost(wb, "1.00")
    shown = panel(wb)
    assert shown.widget
    with shown.form._lock:
        made, before = form.kernel.made(), shown.mark()
        happens(wb)
        shown.refresh()
    assert shown.mark() != before
    sent = len(wb.journal)
    with pytest.raises(ConfigurationError, match="Look at what it says now, and press again"):
        shown.form._do_as_shown(action, shown.form.call(action), made)
    assert len(wb.journal) == sent


@pytest.mark.parametrize("cells", [0, 2])
@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_another_clock_is_no_wait(ahead: int, cells: int) -> None:
    """Somebody's browser is an hour behind the hub, or ahead; the kernel has learned it from two cells, or not."""
    with kernel() as (_, client):
        execute = partial(client.execute, reply=True, timeout=PATIENCE, store_history=False)
        found = execute(AT_A_DESK, user_expressions={"button": "button.comm.comm_id"})["content"]["user_expressions"]

        def send(kind: str, content: dict[str, Any]) -> None:
            message = client.session.msg(kind, content)
            message["header"] |= {"date": message["header"]["date"] + timedelta(seconds=ahead), "session": "elsewhere"}
            client.shell_channel.send(message)

        execute("kernel._IDLE = 0")
        for _ in range(cells):
            send("execute_request", {"code": "pass", "silent": False})
        comm = ast.literal_eval(found["button"]["data"]["text/plain"])
        send("comm_msg", {"comm_id": comm, "data": {"method": "custom", "content": {"event": "click"}}})
        charges = execute("", user_expressions={"charges": "answered()"})["content"]["user_expressions"]["charges"]
        assert charges["data"]["text/plain"] == "1"


def test_a_clock_is_what_messages_to_an_idle_kernel_agree_on() -> None:
    """Not what some have waited; after a machine's sleep, it may have been an hour ahead for a message."""
    with kernel() as (_, client):
        execute = partial(client.execute, reply=True, timeout=PATIENCE)
        execute("import time\nfrom amazonpay_nb.workbench import kernel\nkernel._IDLE = 0")

        def waited(*behind: float) -> float:
            """Send messages whose clocks are so many seconds behind; returns how long the last one has waited."""
            for seconds in behind:
                content = {"code": "waited = time.time() - kernel.made()", "silent": False}
                message = client.session.msg("execute_request", content)
                date = message["header"]["date"] - timedelta(seconds=seconds)
                message["header"] |= {"date": date, "session": "elsewhere"}
                client.shell_channel.send(message)
            answer = execute("", user_expressions={"waited": "waited"})["content"]["user_expressions"]
            return float(answer["waited"]["data"]["text/plain"])

        assert waited(0.5, 0.5, 0.7) > 0.6, "a machine is so slow"
        assert waited(0, *[60] * 9) > 59, "nine have waited"
        assert waited(-3600, 0) < 59, "one alone says nothing"
        assert waited(-3600, 0) > 59
        execute("kernel._KEPT = 0")
        assert waited(0) < 59


def test_what_waited_first_says_nothing_of_a_clock() -> None:
    """All cells ran at once: the first messages of their client are what is typed and pressed meanwhile."""
    with kernel() as (_, client):
        parts = {"amount": "desk.form._fields['amount'].input.comm.comm_id"}
        parts["button"] = "desk.form._actions['capture_charge'].button.comm.comm_id"
        hold = "wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price({!r})); desk.refresh()"
        ask = partial(client.execute, reply=True, timeout=PATIENCE)
        found = ask(f"{AT_A_DESK}\n{hold.format('5.00')}", user_expressions=parts)["content"]["user_expressions"]
        client.execute(f"time.sleep(4 * form.LATE); {hold.format('99.00')}; time.sleep(2 * form.LATE)")
        does = {"amount": {"method": "update", "state": {"value": "3.00"}, "buffer_paths": []}}
        does["button"] = {"method": "custom", "content": {"event": "click"}}
        for part, data in does.items():
            comm = ast.literal_eval(found[part]["data"]["text/plain"])
            client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": comm, "data": data}))
        done = "[one.join() for one in threading.enumerate() if one.name == 'panel: capture_charge']"
        states = ask(done, user_expressions={"states": "[*wb.journal.known.states().values()][-2:]"})["content"]
        assert states["user_expressions"]["states"]["data"]["text/plain"] == "['Authorized', 'Authorized']"


def test_who_leaves_a_field_by_a_press_has_not_seen_what_is_new(desk: Desk, wb: Workbench) -> None:
    """The panel looks again as the field says something else, and finds another charge, which the page shows later."""
    seen = desk.act("create_charge", capture_now=False).charge_id
    assert desk.widget
    wallet, amount = wb.journal.known.ids("Charge Permission")[0], wb.price("99.00")
    new = wb.client.create_charge(charge_permission_id=wallet, charge_amount=amount).charge_id
    fill(desk, {"amount": "3.00"})
    part_of(desk, "amazonpay-action-capture_charge").click()
    [one.join() for one in threading.enumerate() if one.name == "panel: capture_charge"]
    assert [wb.journal.known.states()[charge] for charge in (seen, new)] == ["Authorized", "Authorized"]


CLICK = {"method": "custom", "content": {"event": "click"}}


def beside_cells(client: Any, window: str) -> Callable[[str, dict[str, Any]], str]:
    """Return what sends a message from a window to a second thread of the kernel, a subshell, as JupyterLab does."""
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    subshell = client.get_control_msg(timeout=PATIENCE)["content"]["subshell_id"]

    def send(kind: str, content: dict[str, Any]) -> str:
        message = client.session.msg(kind, content)
        message["header"] |= {"subshell_id": subshell, "session": window}
        client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    return send


def test_a_press_does_not_overtake_what_was_typed_before_it() -> None:
    """In JupyterLab a second thread of the kernel handles what a person does while a cell runs."""
    with kernel() as (_, client):
        execute, comms = at_a_desk(client)
        send = beside_cells(client, client.session.session)
        # The subshell has changed the button last, and the cell the field.
        send("execute_request", {"code": "button.tooltip = 'changed'", "silent": True})
        execute("while button.tooltip != 'changed': time.sleep(0.01)")
        client.execute("while not wb.journal.known.ids('Charge'): time.sleep(0.01)")
        typed = {"method": "update", "state": {"value": "5.00"}, "buffer_paths": []}
        send("comm_msg", {"comm_id": comms["amount"], "data": typed})
        send("comm_msg", {"comm_id": comms["button"], "data": CLICK})
        execute("(charge,) = wb.journal.known.of('Charge').values()")
        charge = execute("", user_expressions={"amount": "charge['chargeAmount']['amount']"})["content"]
        assert charge["user_expressions"]["amount"]["data"]["text/plain"] == "'5.00'"


CHARGE = "wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price('{}')); desk.refresh()\n"


def captured_beside_a_cell(cell: str, presses: list[str], wait: str) -> bool:
    """Press in one window while another one's cell runs, after a wait each time: is a charge captured afterward?"""
    with kernel() as (_, client):
        execute, comms = at_a_desk(client)
        execute(CHARGE.format("25.50"))
        execute("desk.form._fields['capture_now'].input.value = False; kernel.acted.clear()")
        send = beside_cells(client, "another")
        client.execute(cell)
        for part in presses:
            sent = send("execute_request", {"code": wait, "silent": True})
            while client.get_shell_msg(timeout=PATIENCE)["parent_header"]["msg_id"] != sent:
                pass
            send("comm_msg", {"comm_id": comms[part], "data": CLICK})
        states = execute("", user_expressions={"now": "[*wb.journal.known.states().values()]"})["content"]
        return "Captured" in states["user_expressions"]["now"]["data"]["text/plain"]


def test_a_press_counts_if_its_window_has_shown_what_a_cell_did_that_still_runs() -> None:
    """A charge that came just before the press is not captured."""
    cell = f"{CHARGE.format('250.00')}seen = True; until(lambda: desk.outcome)"
    assert not captured_beside_a_cell(cell, ["capture"], "until(lambda: 'seen' in globals())")


def test_a_press_counts_after_another_one_while_a_cell_runs() -> None:
    """Also in a page that was loaded again, so that its cell seems to be another window's."""
    cell = "until(lambda: 'Captured' in wb.journal.known.states().values() or isinstance(desk.outcome, Exception))"
    assert captured_beside_a_cell(cell, ["button", "capture"], "answered()")


# --- A click is a call ------------------------------------------------------------------------------------------------


def clicked(panel: Panel, name: str, **typed: Any) -> Any:
    """Type into the form, click, and return what came of it."""
    fill(panel, typed)
    panel.press(name).join()
    return panel.outcome


def by_clicks(folder: Path) -> list[Any]:
    """Take flow 1 and a repaired decline by clicks; the buyer's pages are played as a person's browser would."""
    wb = workbench.open("emulator", "na", "you")
    tabs = panels(wb)
    clicked(tabs["Keys"], "create", private_key_file=str(folder / "clicked.pem"))
    clicked(tabs["Page"], "start")
    page = tabs["Page"].page
    buyer.arrive(buyer.approve(page.url))
    page.settle()
    cards_ = tabs["Cards"]
    clicked(cards_["Checkout Session"], "get_checkout_session")
    clicked(cards_["Checkout Session"], "complete_checkout_session")
    clicked(cards_["Charge Permission"], "get_charge_permission")
    desk = tabs["Payment desk"]
    assert isinstance(clicked(desk, "create_charge", simulation_code="HardDeclined"), DeclinedError)
    clicked(desk, "get_charge_permission")
    repairing = desk.press("repair")
    while desk.page is None and repairing.is_alive():
        repairing.join(0.01)
    buyer.arrive(buyer.approve(desk.page.url, card="4444"))
    repairing.join()
    clicked(desk, "get_charge_permission")
    clicked(desk, "create_charge", amount="9.00", simulation_code="")
    clicked(cards_["Charge"], "create_refund", amount="4.00")
    clicked(desk, "wait")
    assert clicked(cards_["Refund"], "get_refund").state == "Refunded"
    return entries_of(wb)


def by_parameters(folder: Path) -> list[Any]:
    """Take the same way with parameters, a script playing the buyer."""
    wb = workbench.open("emulator", "na", "script")
    tabs = panels(wb)
    tabs["Keys"].act("create", private_key_file=str(folder / "called.pem"))
    asyncio.run(tabs["Page"].returned())
    cards_, desk = tabs["Cards"], tabs["Payment desk"]
    cards_["Checkout Session"].act("get_checkout_session")
    cards_["Checkout Session"].act("complete_checkout_session")
    cards_["Charge Permission"].act("get_charge_permission")
    with pytest.raises(DeclinedError):
        desk.act("create_charge", simulation_code="HardDeclined")
    desk.act("get_charge_permission")
    asyncio.run(desk.act("repair"))
    desk.act("get_charge_permission")
    desk.act("create_charge", amount="9.00")
    cards_["Charge"].act("create_refund", amount="4.00")
    desk.act("wait")
    assert cards_["Refund"].act("get_refund").state == "Refunded"
    return entries_of(wb)


def entries_of(wb: Workbench) -> list[Any]:
    """Return the journal without what the run's keys, ports and the time of day make different; close the workbench."""
    own = {"headers", "answerHeaders", "at"}
    entries = [{name: value for name, value in row.items() if name not in own} for row in wb.journal.export()]
    wb.close()
    return [PORT.sub("127.0.0.1:PORT", repr(entry)) for entry in entries]


def test_a_run_by_clicks_and_a_run_by_parameters_leave_equal_journals(tmp_path: Path) -> None:
    """Keys, button, page, completion, a decline for good, its repair, a charge and a refund: entry for entry."""
    clicks, parameters = by_clicks(tmp_path), by_parameters(tmp_path)
    assert "getRefund" in clicks[-1]
    assert clicks == parameters
