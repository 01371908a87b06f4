"""Checkout Sessions: what each call does, and what the hosted pages do to a session."""

from datetime import datetime
from typing import Any

from amazonpay_nb.emulator import documents
from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.payments import new_charge, outcome_of_card
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import money, move, require
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import Merchant, World
from amazonpay_nb.spec.simulations import Simulation
from amazonpay_nb.spec.visits import FLOWS, flow_of, lookup

__all__ = ["complete", "create", "new_session", "refresh", "update"]

Body = dict[str, Any]

_SET_UP_ONLY = ("setup", "update", "sign-in")
_NOT_OPEN = "You tried to call an operation on a Checkout Session that is in a state where that operation is not allowed."


def new_session(
    world: World, merchant: Merchant, body: Body, *, trigger: str, product_type: str | None = None, currency: str = ""
) -> Record:
    """Make an Open session from an API body or a button payload."""
    if body["storeId"] != merchant.store_id:
        raise Refusal(
            400, "InvalidParameterValue", f"storeId {body['storeId']!r} does not belong to this merchant account."
        )
    flow = flow_of(body, product_type)
    if flow.name == "express" and not lookup(body, "webCheckoutDetails.checkoutReviewReturnUrl"):
        flow = FLOWS["end-of-checkout"]  # created by an API call, which knows no checkoutMode
    if flow.name == "update":
        world.find("Charge Permission", body["chargePermissionId"], merchant.merchant_id)
    now = world.clock.now()
    session = Record(
        "Checkout Session", world.new_uuid(), merchant.merchant_id, {},
        hidden={
            "flow": flow.name, "updates": body.get("chargePermissionId"), "scopes": _scopes(body),
            "currency": currency, "visit": 0, "agreed": False,
        },
    )  # fmt: skip
    if flow.name == "sign-in":
        body = body | {
            "chargePermissionType": "PaymentMethodOnFile", "paymentMethodOnFileMetadata": {"setupOnly": True},
            "paymentDetails": {"paymentIntent": "Confirm"},
        }  # fmt: skip
    session.document = documents.checkout_session(session.id, body, product_type, now)
    _check_payment(world, session.document)
    move(world, session, trigger)
    refresh(world, session)
    return session


def _scopes(body: Body) -> list[str]:
    # Left out, the scopes are everything but the billing address.
    return body.get("scopes") or body.get("signInScopes") or ["name", "email", "phoneNumber", "shippingAddress"]


def _check_payment(world: World, session: Body) -> None:
    details = session["paymentDetails"]
    if details["canHandlePendingAuthorization"] and details["paymentIntent"] == "AuthorizeWithCapture":
        raise Refusal(
            400, "InvalidParameterCombination",
            "canHandlePendingAuthorization cannot be true when paymentIntent is AuthorizeWithCapture.",
        )  # fmt: skip
    prices = [details[name] for name in ("chargeAmount", "totalOrderAmount") if details[name]]
    currencies = {price["currencyCode"] for price in prices}
    allowed = world.region.currencies if details["presentmentCurrency"] else world.region.ledger_currencies
    if len(currencies) > 1 or not currencies <= {*world.region.currencies, *allowed}:
        raise Refusal(
            400, "CurrencyMismatch",
            f"{' and '.join(sorted(currencies))} cannot be paid in region {world.region.code} in one session.",
        )  # fmt: skip


def refresh(world: World, session: Record) -> None:
    """Recompute constraints and, once there are none, the address for the buyer's next visit."""
    document = session.document
    set_up_only = session.hidden["flow"] in _SET_UP_ONLY
    left = documents.constraints(document, without_amount=set_up_only or _confirms(document))
    if session.hidden["flow"] == "sign-in":  # it returns to signInReturnUrl instead
        left = [row for row in left if row["constraintId"] != "CheckoutResultReturnUrlNotSet"]
    document["constraints"] = left
    document["webCheckoutDetails"]["amazonPayRedirectUrl"] = (
        None if left else f"{world.url}/checkout/processing?amazonCheckoutSessionId={session.id}"
    )
    world.store.put(session)


def _confirms(session: Body) -> bool:
    """A Saved Wallet that is only confirmed pays nothing, so no amount is missing."""
    return (
        session["chargePermissionType"] == "PaymentMethodOnFile"
        and session["paymentDetails"]["paymentIntent"] == "Confirm"
    )


def create(world: World, merchant: Merchant, body: Body) -> Record:
    """Create Checkout Session on the server."""
    return new_session(world, merchant, body, trigger="Create Checkout Session")


def update(world: World, session: Record, body: Body, outcome: Simulation | None) -> Record:
    """Merge what is sent while the session is Open."""
    _require_open(session, "Update Checkout Session")
    changed = documents.merged(session.document, body)
    _check_payment(world, changed)
    details = session.document["statusDetails"]
    session.document = changed
    move(world, session, "Update Checkout Session")
    session.document["statusDetails"] = details | {"lastUpdatedTimestamp": stamp(world.clock.now())}
    refresh(world, session)
    return session


def _require_open(session: Record, trigger: str) -> None:
    if session.state == "Canceled":
        reason = session.document["statusDetails"]["reasonCode"]
        raise Refusal(422, "CheckoutSessionCanceled", f"Checkout Session {session.id} is Canceled ({reason}).")
    try:
        require(session, trigger)
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.reason_code, f"{_NOT_OPEN} {refusal.message}") from None


# Where a simulation code cancels the session instead of completing it.
_CANCELS = {"BuyerCanceled": "Cancel", "AmazonCanceled": "Cancel by Amazon", "Declined": "Decline"}


def complete(
    world: World, session: Record, body: Body, outcome: Simulation | None, *, trigger: str = "Complete Checkout Session"
) -> Record:
    """Make the permission, and the charge unless the intent is Confirm; nothing was final before."""
    _require_open(session, trigger)
    if outcome and outcome.state == "Canceled":
        move(world, session, _CANCELS[outcome.code])
        raise Refusal(
            outcome.status, str(outcome.reason_code),
            f"Checkout Session {session.id} is Canceled ({outcome.later_reason}).", keep=True,
        )  # fmt: skip
    if not session.hidden["agreed"]:
        raise Refusal(
            422, "InvalidCheckoutSessionStatus",
            f"{_NOT_OPEN} The buyer has not come back from Amazon's pages for Checkout Session {session.id}.",
        )  # fmt: skip
    _check_amounts(session, body)
    permission = _permission(world, session)
    charge = _first_charge(world, session, permission, outcome)
    shown: Body = {"chargePermissionId": permission.id, "chargeId": charge and charge.id}
    if session.document["chargePermissionType"] == "PaymentMethodOnFile":
        shown["chargePermissionType"] = permission.document["chargePermissionType"]
    if session.hidden["flow"] == "sign-in":
        shown["buyer"] = session.document["buyer"]
    move(world, session, trigger)
    session.document = documents.completed(session.document, **shown)
    session.hidden["pending"] = bool(charge and charge.state == "AuthorizationInitiated")
    world.store.put(session)
    return session


def _check_amounts(session: Record, body: Body) -> None:
    details = session.document["paymentDetails"]
    for name in ("chargeAmount", "totalOrderAmount"):
        expected, given = details[name], body.get(name)
        if expected and not given:
            raise Refusal(400, "MissingParameterValue", f"{name} is missing: repeat the {name} of the session.")
        if given and expected and given["currencyCode"] != expected["currencyCode"]:
            raise Refusal(
                400, "CurrencyMismatch", f"{name} is in {given['currencyCode']}, not in {expected['currencyCode']}."
            )
        if given and (not expected or money(given) != money(expected)):
            was = expected["amount"] if expected else "not set"
            raise Refusal(409, "AmountMismatch", f"{name} {given['amount']} differs from the session's, which is {was}.")


def _permission(world: World, session: Record) -> Record:
    """Return the new permission, or the existing one with its new payment method."""
    document, hidden = session.document, session.hidden
    if hidden["updates"]:
        permission = world.find("Charge Permission", hidden["updates"], session.merchant_id)
        permission.document["paymentPreferences"] = document["paymentPreferences"]
        permission.hidden["card"] = hidden["card"]
        move(world, permission, "Update the payment method")
        return permission
    kept = document["chargePermissionType"] == "PaymentMethodOnFile" and not hidden.get("consent", True)
    permission_type = "OneTime" if kept else document["chargePermissionType"]
    permission_id = world.new_order_id("S" if permission_type == "OneTime" else "C")
    permission = Record(
        "Charge Permission", permission_id, session.merchant_id,
        documents.charge_permission(permission_id, document, permission_type, world.clock.now()),
        hidden={"card": hidden["card"]},
    )  # fmt: skip
    details = document["paymentDetails"]
    permission.document["presentmentCurrency"] = (
        details["presentmentCurrency"]
        or (details["chargeAmount"] or {}).get("currencyCode")
        or hidden["currency"]
        or world.region.ledger_currencies[0]
    )
    move(world, permission, "Complete Checkout Session")
    if permission.document["expirationTimestamp"]:
        expires = datetime.strptime(permission.document["expirationTimestamp"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        world.store.schedule(permission, "Expire", expires.isoformat())
    return permission


def _first_charge(world: World, session: Record, permission: Record, outcome: Simulation | None) -> Record | None:
    details = session.document["paymentDetails"]
    if details["paymentIntent"] == "Confirm" or not details["chargeAmount"]:
        return None
    body = {
        "chargePermissionId": permission.id,
        "chargeAmount": details["chargeAmount"],
        "captureNow": details["paymentIntent"] == "AuthorizeWithCapture",
        "canHandlePendingAuthorization": details["canHandlePendingAuthorization"],
        "softDescriptor": details["softDescriptor"],
        "merchantMetadata": session.document["merchantMetadata"],
        "channel": "Web",
        "chargeInitiator": "CITU",
    }
    return new_charge(world, permission, body, outcome or outcome_of_card(permission, body))
