"""From the answers to a few questions to a flow, and from a flow to the button payload of an attempt."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from amazonpay_nb.client import button as buttons
from amazonpay_nb.shop.attempt import Attempt
from amazonpay_nb.shop.cart import delivery_specifications
from amazonpay_nb.spec.flows import FLOWS, QUESTIONS, Flow, Question
from amazonpay_nb.spec.regions import EXAMPLE_ADDRESSES

# Product types for goods; flows that buy nothing usually need no address.
_GOODS = ("PayOnly", "PayAndShip")


def interview(answers: Mapping[str, Any]) -> Iterator[tuple[Question, str]]:
    """Yield the questions that the answers so far lead to, with their answers; "" where there is none yet."""
    so_far: dict[str, str] = {}
    for row in QUESTIONS:
        if row.asked_when.items() <= so_far.items():
            answer = answers.get(row.name)
            so_far[row.name] = str(answer) if answer in row.answers else ""
            yield row, so_far[row.name]


def route(answers: Mapping[str, Any]) -> Flow | None:
    """Return the flow that the answers lead to; None while they lead to several."""
    answered = {row.name: answer for row, answer in interview(answers)}
    return next((row for row in FLOWS.values() if row.answers.items() <= answered.items()), None)


def payload_of(
    flow: Flow, attempt: Attempt, store_id: str, *, region: str, ships: bool = False,
    charge_amount: dict[str, Any] | None = None, charge_permission_id: str = "", scopes: Sequence[str] = (),
) -> buttons.Payload:  # fmt: skip
    """Return the payload of a flow, with the return addresses of an attempt.

    Args:
        ships: Whether goods are shipped.
        charge_amount: The total, for a flow that completes with an amount.
        charge_permission_id: The Saved Wallet, for the Update page.
        scopes: What the buyer is asked to share; Amazon's default when empty.
    """
    result, cancel = attempt.result_url, attempt.cancel_url
    match flow.name:
        case "setup":
            payload = buttons.set_up_payload(store_id, result_url=result, cancel_url=cancel)
        case "update":
            payload = buttons.update_payload(store_id, charge_permission_id, result_url=result, cancel_url=cancel)
        case "express":
            areas = delivery_specifications(region) if ships else None
            payload = buttons.express_payload(
                store_id, review_url=attempt.review_url, cancel_url=cancel, delivery_specifications=areas
            )
        case "end-of-checkout":
            payload = buttons.end_of_checkout_payload(
                store_id, result_url=result, cancel_url=cancel, charge_amount=charge_amount or {},
                address=EXAMPLE_ADDRESSES[region] if ships else None,
            )  # fmt: skip
        case "sign-in":
            payload = buttons.sign_in_and_set_up_payload(store_id, sign_in_url=attempt.signed_in_url, cancel_url=cancel)
        case _:
            payload = buttons.sign_in_payload(store_id, sign_in_url=attempt.signed_in_url, cancel_url=cancel)
    return payload | ({"signInScopes" if flow.signs_in else "scopes": list(scopes)} if scopes else {})


def product_types(flow: Flow, answers: Mapping[str, Any] = {}) -> tuple[str, ...]:
    """Return the product types of a flow, the usual one first.

    Args:
        answers: What was answered to the questions that lead to a flow; empty where it was chosen by name.
    """
    if fixed := flow.fixed.get("productType"):
        return (str(fixed),)
    ships = answers.get("ships", "no") == "yes" if answers else flow.name == "express"
    return tuple(reversed(_GOODS)) if ships else _GOODS
