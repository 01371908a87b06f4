"""Maps of states: every state and way stands somewhere, no words meet, and a person sees where the object is."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest
from wcwidth import width as columns

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.spec.machine import NEW, Machine
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION, MACHINES, REFUND
from amazonpay_nb.workbench.diagrams import MAPS, state_map
from tests.unit.workbench.test_show_money import NOON

SVG = "{http://www.w3.org/2000/svg}"
EVERY_MACHINE = pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.name)


def parsed(machine: Machine, here: str = "", walked: tuple[str, ...] = ()) -> ET.Element:
    return ET.fromstring(state_map(machine, here, walked).as_html)  # noqa: S314 (our own text)


def words_at(root: ET.Element) -> list[tuple[float, float, float, float]]:
    """Return where words are: left, right, top, bottom; a column is taken as 7 px."""
    places = []
    for text in root.iter(f"{SVG}text"):
        x, y, half = float(text.get("x", 0)), float(text.get("y", 0)), columns(text.text or "") * 3.5
        places.append((x - half, x + half, y - 10, y + 3))
    return places


def apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


@EVERY_MACHINE
def test_every_state_and_way_has_its_place(machine: Machine) -> None:
    """A new row asks for a new layout: .venv/bin/python -m docs.maps."""
    layout = json.loads(MAPS.read_text("utf-8"))[machine.name]
    assert {*layout["states"]} == {NEW, *machine.states}
    drawn = [(way["source"], way["target"]) for way in layout["ways"]]
    assert sorted(drawn) == sorted({(r.source, r.target) for r in machine.rows if r.source != r.target})


@EVERY_MACHINE
def test_no_words_meet_or_leave_the_picture(machine: Machine) -> None:
    """Neither other words, nor a box that is not theirs; and nothing is scaled at 800 px."""
    for here in ("", NEW, *machine.states):
        root = parsed(machine, here)
        left, top, width, height = map(float, root.get("viewBox", "").split())
        assert width <= 780
        places = words_at(root)
        assert all(apart(one, other) for one, other in combinations(places, 2))
        assert all(left <= a and b <= left + width and top <= c and d <= top + height for a, b, c, d in places)
        for rect in root.iter(f"{SVG}rect"):
            x, y, wide, high = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
            for place in places:
                inside = x <= place[0] and place[1] <= x + wide and y <= place[2] and place[3] <= y + high
                assert inside or apart(place, (x, x + wide, y, y + high))


@EVERY_MACHINE
def test_no_way_runs_through_its_words(machine: Machine) -> None:
    """The points of the curves, between which they hardly bend, stay outside the labels."""
    layout = json.loads(MAPS.read_text("utf-8"))[machine.name]
    places = words_at(parsed(machine))
    for way in layout["ways"]:
        points = [
            point for start in range(0, len(way["curve"]) - 1, 3) for point in bezier(way["curve"][start : start + 4])
        ]
        for x, y in points:
            assert all(apart((x, x, y, y), place) for place in places), (way["source"], way["target"])


@EVERY_MACHINE
def test_every_arrow_has_a_head_of_its_own(machine: Machine) -> None:
    """Two ways into one state do not end in one place."""
    ends = [way["end"][:2] for way in json.loads(MAPS.read_text("utf-8"))[machine.name]["ways"]]
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) >= 12 for a, b in combinations(ends, 2))


def bezier(corners: list[list[float]]) -> list[tuple[float, float]]:
    """Return twenty points of a cubic curve."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    return [
        (
            (1 - t) ** 3 * ax + 3 * (1 - t) ** 2 * t * bx + 3 * (1 - t) * t**2 * cx + t**3 * dx,
            (1 - t) ** 3 * ay + 3 * (1 - t) ** 2 * t * by + 3 * (1 - t) * t**2 * cy + t**3 * dy,
        )
        for t in (step / 20 for step in range(21))
    ]


def thick(root: ET.Element) -> list[str]:
    """Return the first words beside each way that was walked."""
    groups = [group for group in root.iter(f"{SVG}g") if group.find(f"{SVG}path[@stroke-width='4']") is not None]
    return [group.findtext(f"{SVG}text", "") for group in groups]


def test_the_way_that_was_walked_is_thick() -> None:
    """Amazon answers a charge that is captured at once with its last state; the way there has no other choice."""
    assert thick(parsed(CHARGE, "Captured", ("Captured",))) == [
        "Create Charge (merchant)", "Authorize (Amazon)", "Capture Charge", "Capture (Amazon)",
    ]  # fmt: skip
    assert "✓ Authorized" in state_map(CHARGE, "Captured", ("Captured",)).as_text
    assert thick(parsed(CHARGE, "Captured")) == []


def test_a_wallet_that_was_repaired_has_walked_there_and_back() -> None:
    """The state that it is in now is not one that it has left."""
    repaired = ("Chargeable", "NonChargeable", "Chargeable")
    assert len(thick(parsed(CHARGE_PERMISSION, "Chargeable", repaired))) == 3
    assert [line[0] for line in state_map(CHARGE_PERMISSION, "Chargeable", repaired).as_text.split("\n")[1:]] == [
        "✓", "●", "✓", " ",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "state", "color"),
    [
        (CHARGE, "Canceled", "#d1443c"), (CHARGE, "Declined", "#d1443c"), (REFUND, "Declined", "#d1443c"),
        (CHARGE_PERMISSION, "NonChargeable", "#d1443c"), (CHARGE_PERMISSION, "Closed", "currentColor"),
        (CHARGE, "Captured", "#2c974b"), (REFUND, "Refunded", "#2c974b"),
    ],
)  # fmt: skip
def test_what_is_no_success_is_not_green(machine: Machine, state: str, color: str) -> None:
    """Red for a refusal, ink for an end that may be either."""
    here = parsed(machine, state).find(f"{SVG}rect[@fill-opacity]")
    assert here is not None
    assert here.get("stroke") == color


def test_the_whole_map_is_read_aloud() -> None:
    """Without an object, each state says where it leads."""
    assert state_map(REFUND).as_text.split("\n")[1:] == [
        "  New              → RefundInitiated: Create Refund (merchant).",
        "  RefundInitiated  → Refunded: Refund (Amazon). → Declined: Decline: AmazonRejected (Amazon) and 1 more.",
        "  Refunded",
        "  Declined",
    ]


def test_a_map_names_nothing_that_another_picture_may_hold() -> None:
    """Several are on one page: no id, no address, no style sheet."""
    assert not re.search(r"\bid=|href|url\(|<style|class=", state_map(CHARGE, "Captured").as_html)


def test_a_journal_remembers_the_states_that_an_object_went_through() -> None:
    """Once each, in order; a replay of an earlier answer takes it nowhere."""
    journal = Journal()
    for state in ("Authorized", "Authorized", "Captured", "Authorized"):
        body = {"chargeId": "C-1", "chargeAmount": None, "statusDetails": {"state": state}}
        journal.record(Exchange(NOON, "getCharge", "GET", "/v2/charges/C-1", 200, response=body))
    assert journal.known.walks == {("Charge", "C-1"): ["Authorized", "Captured"]}
