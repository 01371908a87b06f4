"""What a waiting cell says: what it wants, what to do on each page, and what was done instead."""

import re
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb import emulator, shop
from amazonpay_nb.emulator.pages.routes import TEXTS
from amazonpay_nb.shop import Arrival
from amazonpay_nb.spec.flows import PAGES
from amazonpay_nb.texts import languages
from amazonpay_nb.workbench import tracker
from amazonpay_nb.workbench.hosted_page import STARTS

APPROVED = {"state": "Open", "reasonCode": None, "card": "1111", "saves": True}
CANCELED = APPROVED | {"state": "Canceled", "reasonCode": "BuyerCanceled"}
DECLINED = APPROVED | {"state": "Canceled", "reasonCode": "Declined"}
WISHES: list[dict[str, Any]] = [
    {}, {"ending": "any"}, {"ending": "cancel"}, {"ending": "decline"}, {"card": "3434"}, {"mfa": "fail"},
    {"card": "9995", "then": "1111"}, {"consent": False}, {"change": "changePayment", "card": "9995"},
    {"change": "changeAddress", "address": "2"}, {"shipping": "express"},
]  # fmt: skip


def amiss(said: dict[str, Any], kind: str, visit: dict[str, Any], start: str = "button") -> str:
    return tracker.amiss(tracker.wish(start, said), Arrival(kind, ""), visit)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("said", WISHES, ids=str)
def test_there_is_a_sentence_for_each_wish_on_each_page(said: dict[str, Any], start: str) -> None:
    """Whatever a cell says and wherever the buyer is, the table has a row."""
    wish = tracker.wish(start, said)
    for page in (start, "unknown", *PAGES):
        for notice in ("", "declined"):
            assert tracker.sentence("todo", {**wish, "page": page, "notice": notice})


def quoted(language: str) -> set[str]:
    """Return what the sentences about all pages quote."""
    sentences = ""
    for said, start, page in product(WISHES, STARTS, (*STARTS, *PAGES)):
        sentences += tracker.guide(tracker.wish(start, said, language), {"page": page}, "", 60)["todo"]
    return set(re.findall("“(.+?)”", sentences))


@pytest.mark.parametrize("language", languages(TEXTS))
def test_what_it_quotes_is_on_the_page(language: str) -> None:
    """In the language of the page."""
    folders = (Path(shop.__path__[0]) / "texts", Path(emulator.__path__[0]) / "pages" / "texts")
    files = [tomllib.loads((folder / f"{language}.toml").read_text("utf-8")) for folder in folders]
    assert quoted(language) <= {text for file in files for table in file.values() for text in table.values()}
    assert len(quoted(language)) > 8
    assert language.startswith("en") or not quoted(language) & quoted("en_US")


@pytest.mark.parametrize(
    ("said", "start", "goal"),
    [
        ({}, "button", "go through to the end and agree"),
        ({"ending": "cancel"}, "button", "cancel on Amazon's first page"),
        ({"card": "3434"}, "button", "choose the Visa that ends in 3434 and agree"),
        ({"card": "9995", "then": "1111"}, "button",
         "choose the Visa that ends in 9995 and, when it is declined, the Visa that ends in 1111"),
        ({"change": "changePayment", "card": "9995"}, "review",
         "change the payment method to the Visa that ends in 9995"),
        ({"shipping": "express"}, "review", "place the order with “Express, the next day”"),
        ({"card": "4444"}, "redirect",
         "confirm the payment and, if the card is declined, choose the Mastercard that ends in 4444"),
        ({"consent": False}, "button", "go through to the end without saving Amazon Pay"),
    ],
)  # fmt: skip
def test_the_goal_is_what_the_cell_says(said: dict[str, Any], start: str, goal: str) -> None:
    """In words that a buyer understands."""
    assert tracker.wish(start, said)["goal"] == goal


@pytest.mark.parametrize(
    ("said", "kind", "visit"),
    [
        ({}, "result", APPROVED),
        ({}, "signed-in", {}),
        ({"ending": "any"}, "cancel", CANCELED),
        ({"ending": "cancel"}, "cancel", CANCELED),
        ({"ending": "cancel"}, "result", CANCELED),  # the payload names no cancel address
        ({"ending": "cancel"}, "cancel", {}),
        ({"card": "3434"}, "result", DECLINED | {"card": "3434"}),
        ({"card": "3064"}, "result", CANCELED | {"card": "3064"}),
        ({"card": "3434"}, "result", {}),  # Amazon itself does not say more
        ({"card": "4444"}, "result", APPROVED),  # both cards work
        ({"mfa": "fail"}, "result", DECLINED),
        ({"ending": "decline"}, "result", DECLINED | {"card": "9995"}),
        ({"card": "9995", "then": "1111"}, "result", APPROVED),
        ({"consent": False}, "result", APPROVED | {"saves": False}),
    ],
)
def test_what_the_cell_wants_is_not_amiss(said: dict[str, Any], kind: str, visit: dict[str, Any]) -> None:
    """By the arrival and by what the emulator has seen, or by the arrival alone."""
    assert amiss(said, kind, visit) == ""


@pytest.mark.parametrize(
    ("said", "kind", "visit", "sentence"),
    [
        ({}, "cancel", CANCELED, "You canceled"),
        ({}, "cancel", {}, "You canceled"),
        ({}, "result", DECLINED, "your payment method was declined"),
        ({"ending": "cancel"}, "result", APPROVED, "did not cancel"),
        ({"ending": "cancel"}, "result", {}, "did not cancel"),
        ({"card": "3434"}, "result", APPROVED, "You chose the Visa that ends in 1111"),
        ({"card": "3434"}, "cancel", CANCELED, "You canceled before"),
        ({"mfa": "fail"}, "result", APPROVED, "You agreed"),
        ({"ending": "decline"}, "result", APPROVED, "You agreed"),
        ({"consent": False}, "result", APPROVED, "You let the shop save"),
        ({}, "result", APPROVED | {"saves": False}, "You did not let the shop save"),
    ],
)
def test_something_else_is_said_in_words(said: dict[str, Any], kind: str, visit: dict[str, Any], sentence: str) -> None:
    """The buyer reads what happened, and has another try."""
    assert sentence in amiss(said, kind, visit)


def test_the_review_page_wants_a_change_or_the_order() -> None:
    """One is not the other."""
    assert amiss({"change": "changePayment"}, "ordered", APPROVED, "review") == "You placed the order."
    wish = {"change": "changePayment", "card": "9995"}
    assert amiss(wish, "ordered", APPROVED, "review") == "You placed the order."
    assert "removed the check mark" in amiss(wish, "review", APPROVED | {"card": "9995", "saves": False}, "review")
    assert amiss({}, "ordered", APPROVED | {"saves": False}, "review") == ""
    assert "did not place the order" in amiss({}, "review", APPROVED, "review")
    assert amiss({}, "ordered", APPROVED, "review") == ""
    assert amiss({"change": "changeAddress", "address": "2"}, "review", APPROVED, "review") == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(299, "5 minutes"), (61, "2 minutes"), (60, "60 seconds"), (41, "50 seconds"), (0, "10 seconds")],
)  # fmt: skip
def test_the_time_left_is_calm(seconds: float, text: str) -> None:
    """Whole minutes, then tens of seconds, never less than there is."""
    assert tracker.time_left(seconds) == text


def test_a_late_buyer_is_told_the_place_and_no_time() -> None:
    """The page is open all the same."""
    assert (
        tracker.guide(tracker.wish("button", {}), {}, "The shop's page", 0)["state"] == "You are here: The shop's page."
    )
