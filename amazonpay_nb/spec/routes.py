"""Which flow is the right one: a few questions, and what their answers lead to.

Who knows the buyer, whether something is bought, and who says what the order costs in the end is what tells the
documented flows apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["QUESTIONS", "ROUTES", "Answer", "Question", "Route"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a question."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question on the way to a flow.

    Attributes:
        answers: The likeliest first.
        asked_when: The answers after which it is asked; the first question is always asked.
    """

    name: str
    text: str
    answers: tuple[Answer, ...]
    asked_when: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """Where answers lead to.

    Attributes:
        flow: Name of a row of `visits.FLOWS`.
        why: What makes it the right one.
    """

    answers: Mapping[str, str]
    flow: str
    why: str


_NO_YES = (Answer("no", "no"), Answer("yes", "yes"))
_PURPOSES = (
    Answer("save", "to save Amazon Pay for later"),
    Answer("buy", "to pay for an order"),
    Answer("change", "to change a Saved Wallet's payment method"),
    Answer("sign-in", "to sign in, and nothing else"),
)
_SAVE, _BUY = {"purpose": "save"}, {"purpose": "buy"}
QUESTIONS = (
    Question("purpose", "What is the button for?", _PURPOSES, {}),
    Question("signed_in", "Is the buyer signed in at your shop?", _NO_YES[::-1], _SAVE),
    Question("final", "Is the order final before the buyer goes to Amazon?", _NO_YES, _BUY),
    Question("ships", "Is something delivered?", _NO_YES, _BUY),
)
ROUTES = (
    Route(_SAVE | {"signed_in": "yes"}, "setup", "Nothing is bought, and you know who the buyer is."),
    Route(_SAVE | {"signed_in": "no"}, "sign-in", "One consent signs the visitor in and saves Amazon Pay."),
    Route(_BUY | {"final": "no"}, "express", "The buyer chooses at Amazon and reviews the order in your shop."),
    Route(_BUY | {"final": "yes"}, "end-of-checkout", "Amount and address are signed; the buyer only pays."),
    Route({"purpose": "change"}, "update", "The Charge Permission is charged on something else, and keeps its id."),
    Route({"purpose": "sign-in"}, "amazon-sign-in", "Nothing is saved; Get Buyer tells who it is."),
)
