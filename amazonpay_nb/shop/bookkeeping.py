"""The shop's books, read from the journal of all answers of Amazon Pay.

A real shop keeps a database.  Here the journal takes its place, so a page can show nothing that Amazon did not answer.
"""

from collections import namedtuple

from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.known import COMPLETIONS
from amazonpay_nb.spec.flows import lookup
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION, CHECKOUT_SESSION, PENDING

_SAVED_WALLET = "PaymentMethodOnFile"
_COMPLETED, _CANCELED = "Completed", "Canceled"

# How an attempt ended, for the buyer; the key is ``saved``, ``changed``, ``paid``, ``paid-and-saved``, ``pending``,
# ``declined``, ``refused`` or ``undecided``, and the price what was ordered, or None.
Outcome = namedtuple("Outcome", "key price", defaults=[None])
# A Saved Wallet: the id of its Charge Permission, and its payment method as Amazon describes it, "" before it was read.
SavedMethod = namedtuple("SavedMethod", "number state name")
# A charge or a refund; the kind says which.
Payment = namedtuple("Payment", "number kind state price")


def outcome(journal: Journal, session_id: str) -> Outcome | None:
    """Return how the attempt with this session ended, or None while the shop's server has not completed it."""
    tries = [e for e in journal.exchanges if e.operation in COMPLETIONS and f"/{session_id}/" in e.path]
    if not tries:
        return None
    # A Completed session stays Completed: a second attempt is refused and changes nothing.
    last = next((e for e in tries if not (e.failed or e.is_lost)), tries[-1])
    body = last.response or {}
    if last.failed or last.is_lost:
        body = journal.known.newest(CHECKOUT_SESSION.name, session_id) or {}
        state = lookup(body, "statusDetails.state")
        if state != _COMPLETED:
            undecided = state != _CANCELED and not last.is_kept and any(e.is_undecided for e in tries)
            return Outcome("undecided" if undecided else "refused")
    charge = journal.known.newest(CHARGE.name, str(body.get("chargeId"))) or {}
    state = lookup(charge, "statusDetails.state")
    if (CHARGE.name, state) in PENDING or state == "Declined":
        return Outcome("declined" if state == "Declined" else "pending")
    price = (last.request or {}).get("chargeAmount") if body.get("chargeId") else None
    saved = body.get("chargePermissionType") == _SAVED_WALLET
    others = (e.response or {} for e in journal.exchanges if e.operation in COMPLETIONS and e not in tries)
    if saved and body.get("chargePermissionId") in [other.get("chargePermissionId") for other in others]:
        return Outcome("changed")  # on the Update page a wallet keeps its id
    words = ["paid"] * bool(price) + ["saved"] * saved
    return Outcome("-and-".join(words) or "paid", price)


def saved_methods(journal: Journal) -> list[SavedMethod]:
    """Return the Saved Wallets, each in the state of the newest answer, under the last name that Amazon gave it."""
    states: dict[str, str] = {}
    names: dict[str, str] = {}
    for exchange in journal.exchanges:
        body = exchange.response or {}
        number = body.get("chargePermissionId") or ""
        preferences = body.get("paymentPreferences") or [None]
        if name := (preferences[0] or {}).get("paymentDescriptor"):
            names[number] = name
        is_wallet = number and body.get("chargePermissionType") == _SAVED_WALLET
        if exchange.operation in COMPLETIONS and not exchange.failed and is_wallet:
            permission = journal.known.newest(CHARGE_PERMISSION.name, number)
            states[number] = permission["statusDetails"]["state"] if permission else CHARGE_PERMISSION.states[0]
    return [SavedMethod(number, state, names.get(number, "")) for number, state in states.items()]


def payments(journal: Journal) -> list[Payment]:
    """Return the charges and refunds, each in the state of the newest answer, the oldest first."""
    rows = []
    for kind, number, body in journal.known:
        if price := body.get("captureAmount") or body.get("chargeAmount") or body.get("refundAmount"):
            rows.append(Payment(number, kind.lower(), body["statusDetails"]["state"], price))
    return rows
