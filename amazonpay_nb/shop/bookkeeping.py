"""What the shop knows: a reading of the journal, which holds all that Amazon Pay has told the shop's server.

A real shop keeps a database.  Here the journal is one, so a page of the shop can say nothing that no answer has said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from amazonpay_nb.client.journal import SHOP_SERVER, Exchange, Journal
from amazonpay_nb.spec.states import CHARGE_PERMISSION

__all__ = ["Happening", "Outcome", "Payment", "SavedMethod", "happenings", "outcome", "payments", "saved_methods"]

_COMPLETIONS = ("completeCheckoutSession", "finalizeCheckoutSession")
_SAVED_WALLET = "PaymentMethodOnFile"
# What an answer says about a payment, where it is about one.
_PAYMENTS = {"chargeId": ("charge", "chargeAmount"), "refundId": ("refund", "refundAmount")}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a visit has ended, as the shop tells the buyer.

    Attributes:
        key: ``saved``, ``paid``, ``paid-and-saved``, ``pending`` or ``refused``: the texts of the page.
        price: What was ordered, or None.
    """

    key: str
    price: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A Saved Wallet, as an account page lists it.

    Attributes:
        number: The id of the Charge Permission.
        name: How Amazon describes the payment method; "" until the permission was read.
    """

    number: str
    state: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Payment:
    """A charge or a refund; *kind* says which."""

    number: str
    kind: str
    state: str
    price: dict[str, str]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, on the buyer's side or on the merchant's; *answer* is what came of it."""

    by_buyer: bool
    what: str
    answer: str = ""
    failed: bool = False


def _answers(journal: Journal) -> Iterator[tuple[Exchange, Mapping[str, Any]]]:
    for exchange in journal.exchanges:
        if not exchange.failed and isinstance(exchange.response, Mapping):
            yield exchange, exchange.response


def outcome(journal: Journal, session_id: str) -> Outcome | None:
    """Return how the visit with this session has ended, or None while the shop's server has not completed it."""
    tries = [e for e in journal.exchanges if e.operation in _COMPLETIONS and f"/{session_id}/" in e.path]
    if not tries:
        return None
    # Completed once is completed: a second try is refused and changes nothing.
    last = next((exchange for exchange in tries if not exchange.failed), tries[-1])
    body = last.response or {}
    if last.failed:
        return Outcome("refused")
    if last.status == 202:
        return Outcome("pending")
    price = (last.request or {}).get("chargeAmount") if body.get("chargeId") else None
    saved = body.get("chargePermissionType") == _SAVED_WALLET
    words = ["paid"] * bool(price) + ["saved"] * saved
    return Outcome("-and-".join(words) or "paid", price)


def saved_methods(journal: Journal) -> list[SavedMethod]:
    """Return the Saved Wallets, each as the latest answer describes it."""
    found: dict[str, SavedMethod] = {}
    for exchange, body in _answers(journal):
        number = body.get("chargePermissionId") or ""
        if exchange.operation in _COMPLETIONS and exchange.status == 200:
            if number and body.get("chargePermissionType") == _SAVED_WALLET:
                found.setdefault(number, SavedMethod(number, CHARGE_PERMISSION.states[0]))
        elif number in found and exchange.path.endswith(number):
            preferences = body.get("paymentPreferences") or [{}]
            name = (preferences[0] or {}).get("paymentDescriptor") or found[number].name
            found[number] = replace(found[number], state=body["statusDetails"]["state"], name=name)
    return list(found.values())


def payments(journal: Journal) -> list[Payment]:
    """Return the charges and refunds, each in the state of the latest answer, the oldest first."""
    found: dict[str, Payment] = {}
    for exchange, body in _answers(journal):
        if exchange.operation in _COMPLETIONS:
            state = "AuthorizationInitiated" if exchange.status == 202 else "Authorized"
            price = (exchange.request or {}).get("chargeAmount")
            body = {"chargeId": body.get("chargeId"), "chargeAmount": price, "statusDetails": {"state": state}}
        field = next((name for name in reversed(_PAYMENTS) if body.get(name)), "")
        kind, amount = _PAYMENTS.get(field, ("", ""))
        price = body.get("captureAmount") or body.get(amount)
        if kind and price:
            found[body[field]] = Payment(body[field], kind, body["statusDetails"]["state"], price)
    return list(found.values())


def happenings(journal: Journal) -> list[Happening]:
    """Return what happened, in order; who did it decides the side."""
    return [_happening(entry) for entry in journal]


def _happening(entry: Any) -> Happening:
    if isinstance(entry, Exchange):
        answer = "no answer" if entry.status is None else str(entry.status)
        return Happening(False, f"{entry.method} {entry.path}", f"{answer} {entry.outcome}".strip(), entry.failed)
    return Happening(SHOP_SERVER not in (entry.source, entry.target), entry.text)
