"""Checkout Sessions: what each call does, and what the hosted pages do to a session."""

from functools import partial

from amazonpay_nb.emulator.clock import months_later, stamp
from amazonpay_nb.emulator.notifications.announce import note
from amazonpay_nb.emulator.records import Charge, Merchant, Permission, PermissionNotes, Record, Session, SessionNotes
from amazonpay_nb.emulator.refusal import Body, Refusal
from amazonpay_nb.emulator.rules import calendar, documents, limits, payments, personas
from amazonpay_nb.emulator.rules.transitions import move, require
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.flows import FLOWS, MOBILE_RETURN_PARAMETER, Flow, flow_of, lookup, misfits
from amazonpay_nb.spec.money import CHARGE_CEILINGS
from amazonpay_nb.spec.simulations import Simulation
from amazonpay_nb.spec.states import LONG_LIFETIME_MONTHS, MACHINES, ONE_TIME_LIFETIME, PENDING, timer

_NOT_OPEN = (
    "You tried to call an operation on a Checkout Session that is in a state where that operation is not allowed."
)
# A plain sign-in, which is no object of the API, expires like the session that it resembles.
_SIGN_IN_KEPT = timer("Checkout Session", "Open", "Expire")
_COMPLETE, _FINALIZE = "Complete Checkout Session", "Finalize Checkout Session"
_UPDATE = "Update the payment method"
# What the answer of Finalize shows besides that of Complete; and the address that it repeats, by product type.
_SHOWN_BY_FINALIZE = ("buyer", "paymentPreferences", "billingAddress", "cartDetails")
_REPEATED_ADDRESS = {"PayAndShip": "shippingAddress", "PayOnly": "billingAddress"}
PROCESSING = "/checkout/processing?amazonCheckoutSessionId="  # where a buyer goes on


def new_session(
    world: World, merchant: Merchant, body: Body, *, trigger: str = "Create Checkout Session",
    product_type: str | None = None, currency: str = "", mobile: bool = False,
) -> Session:  # fmt: skip
    """Make an Open session from an API body, a button payload or the Mobile SDK's start call."""
    if body["storeId"] != merchant.store_id:
        raise Refusal("InvalidParameterValue", f"storeId {body['storeId']!r} does not belong to this merchant account.")
    flow = flow_of(body, product_type)
    review = lookup(body, "webCheckoutDetails.checkoutReviewReturnUrl")
    if flow.name == "express" and not review:
        flow = FLOWS["end-of-checkout"]  # created by an API call, which knows no checkoutMode
    if body.get("chargePermissionId"):
        _check_updated_permission(world, merchant, body, flow, mobile)
    scopes, now = body.get("signInScopes" if flow.signs_in else "scopes"), world.clock.now()
    notes = SessionNotes(
        flow=flow.name,
        # A session made by an API call stops at its review address, whatever its flow.
        pages_of="express" if review and product_type is None else flow.name,
        scopes=list(flow.default_scopes if scopes is None else scopes),
        parameter=MOBILE_RETURN_PARAMETER if mobile else flow.returns_with,
        updates=body.get("chargePermissionId") or "",
        address=personas.complete_address(body.get("addressDetails")),
        currency=currency,
        mobile=mobile,
        # A session made by an API call has no product type until the buyer has signed in.
        repeats=_REPEATED_ADDRESS.get(product_type or "", ""),
    )
    session = Record(flow.opens, world.ids.uuid(), merchant.merchant_id, {}, notes)
    top_level = {name: body[name] for name in _TOP_LEVEL if name in body}
    session.document = documents.checkout_session(session.id, {**body, **flow.implies}, product_type, now) | top_level
    _check(world, session.document)
    if flow.opens in MACHINES:
        move(world, session, trigger)
    else:  # not an object of the API, so it has no state
        calendar.schedule(world, session, calendar.DELETE, _SIGN_IN_KEPT)
    refresh(world, session)
    return session


def check_fields(flow: Flow, body: Body, *, mobile: bool) -> None:
    """Refuse a body that lacks what a flow requires, or holds what it forbids."""
    if wrong := misfits(flow, body, mobile=mobile):
        raise Refusal(wrong[0].reason, f"{flow.title}: {wrong[0].text}.")


def _check_updated_permission(world: World, merchant: Merchant, body: Body, flow: Flow, mobile: bool) -> None:
    check_fields(FLOWS["update"], body, mobile=mobile)
    if flow.signs_in:
        raise Refusal("InvalidParameterCombination", "A sign-in updates no permission: leave chargePermissionId out.")
    if not world.region.update_page:
        problem = f"The Update page is not offered in {world.region.name}."
        raise Refusal("InvalidRequest", problem, text="not-offered")
    permission = world.find("Charge Permission", body["chargePermissionId"], merchant.merchant_id)
    require(permission, _UPDATE)
    if (kind := permission.document["chargePermissionType"]) != body["chargePermissionType"]:
        problem = f"Charge Permission {permission.id} is {kind}, and must be {body['chargePermissionType']}."
        raise Refusal("InvalidParameterValue", problem)  # [inferred]


def _check(world: World, session: Body) -> None:
    if not return_address(session):
        problem = "The value for webCheckoutDetails.checkoutReviewReturnUrl is missing: the buyer could not come back."
        raise Refusal("MissingParameterValue", problem)
    details = session["paymentDetails"]
    if details["canHandlePendingAuthorization"] and details["paymentIntent"] == "AuthorizeWithCapture":
        problem = "canHandlePendingAuthorization cannot be true when paymentIntent is AuthorizeWithCapture."
        raise Refusal("InvalidParameterCombination", problem)
    prices = [details[name] for name in ("chargeAmount", "totalOrderAmount") if details[name]]
    currencies = {price["currencyCode"] for price in prices} | set(filter(None, [details["presentmentCurrency"]]))
    if len(currencies) > 1 or not currencies <= {*world.region.currencies}:
        problem = f"{' and '.join(sorted(currencies))} cannot be paid in region {world.region.code} in one session."
        raise Refusal("CurrencyMismatch", problem)
    for price in prices:
        if limits.value_of(price) > CHARGE_CEILINGS[price["currencyCode"]]:
            problem = f"{price['amount']} {price['currencyCode']} is more than one payment may be."
            raise Refusal("TransactionAmountExceeded", problem)


# The addresses of plain Amazon Sign-in.
_TOP_LEVEL = ("signInReturnUrl", "signInCancelUrl")
_ADDRESSES = ("checkoutResultReturnUrl", "checkoutReviewReturnUrl", "signInReturnUrl")


def return_address(session: Body) -> str:
    """Return where the buyer can be sent back to, the end of the flow first, or "" for nowhere."""
    fields = session | session["webCheckoutDetails"]
    return next((str(fields[name]) for name in _ADDRESSES if fields.get(name)), "")


def permission_type_of(session: Session) -> str:
    """Return the type that the permission will have: without the buyer's consent, nothing is kept."""
    return str(session.document["chargePermissionType"]) if session.notes.consents else "OneTime"


def only_saves(session: Session) -> bool:
    """Tell whether a session makes or updates a Saved Wallet, and neither pays nor confirms an amount."""
    details = session.document["paymentDetails"]
    kind = permission_type_of(session), details["paymentIntent"], details["chargeAmount"]
    says_so = session.notes.updates or lookup(session.document, "paymentMethodOnFileMetadata.setupOnly")
    return kind == ("PaymentMethodOnFile", "Confirm", None) and bool(says_so)


def refresh(world: World, session: Session) -> None:
    """Recompute constraints and, once there are none, the address for the buyer's next stay."""
    document = session.document
    without = {*FLOWS[session.notes.flow].waives}
    if only_saves(session):
        without.add("ChargeAmountNotSet")
    if document["chargePermissionType"] != "Recurring":
        without.add("RecurringFrequencyNotSet")
    left = documents.constraints(document, without=without)
    document["constraints"] = left
    document["webCheckoutDetails"]["amazonPayRedirectUrl"] = None if left else f"{world.url}{PROCESSING}{session.id}"
    world.store.put(session)


def update(world: World, session: Session, body: Body, outcome: Simulation | None) -> Session:
    """Merge an update while the session is Open and the buyer has not agreed yet."""
    _require_open(session, "Update Checkout Session")
    if session.notes.agreed:
        raise _not_now(f"The buyer has agreed to Checkout Session {session.id}.")
    session.document = documents.merged(session.document, body)
    session.document["chargePermissionType"] = session.document["chargePermissionType"] or "OneTime"
    if session.notes.updates:  # nothing else can be made of it
        whole = session.document | {"chargePermissionId": session.notes.updates}
        check_fields(FLOWS[session.notes.flow], whole, mobile=session.notes.mobile)
    details = session.document["paymentDetails"]
    if details["presentmentCurrency"] and details["chargeAmount"]:  # it goes with the currency of the amount
        details["presentmentCurrency"] = details["chargeAmount"]["currencyCode"]
    _check(world, session.document)
    move(world, session, "Update Checkout Session")
    refresh(world, session)
    return session


def _not_now(problem: str) -> Refusal:
    return Refusal("InvalidCheckoutSessionStatus", f"{_NOT_OPEN} {problem}")


def _require_open(session: Session, trigger: str) -> None:
    if session.state == "Canceled":
        reason = session.document["statusDetails"]["reasonCode"]
        raise Refusal("CheckoutSessionCanceled", f"Checkout Session {session.id} is Canceled ({reason}).")
    try:
        require(session, trigger)
    except Refusal as refusal:
        raise Refusal(refusal.reason_code, f"{_NOT_OPEN} {refusal.message}", status=refusal.status) from None


# Where a simulation code cancels the session instead of completing it.
_CANCELS = {"BuyerCanceled": "Cancel", "AmazonCanceled": "Cancel by Amazon", "Declined": "Decline"}


def agree(world: World, session: Session) -> None:
    """Let the buyer's stay end well; what is to be paid is held from now on, instead of what was held before."""
    session.notes.agreed = True
    move(world, session, "Agree")
    # More than the whole order is not held, which is what the merchant hears on completing the session.  [inferred]
    if (body := _first_charge(session)) and not _exceeds_total(session):
        permission = new_permission(world, session)
        payments.hold_charge(world, permission, body | {"chargePermissionId": permission.id}, session.id)


def complete(
    world: World, session: Session, body: Body, outcome: Simulation | None, *, trigger: str = _COMPLETE
) -> Session:
    """Create the permission, and give it the charge that is held for it; until now nothing was final."""
    _require_open(session, trigger)
    if outcome and outcome.code in _CANCELS:
        move(world, session, _CANCELS[outcome.code])
        problem = f"Checkout Session {session.id} is Canceled ({outcome.later_reason})."
        raise Refusal(str(outcome.reason_code), problem, status=outcome.status, keep=True)
    if not session.notes.agreed:
        raise _not_now(f"The buyer has not come back from Amazon's pages for Checkout Session {session.id}.")
    if session.notes.mobile and trigger != _FINALIZE:
        raise _not_now(f"Checkout Session {session.id} was started by the Mobile SDK: end it by {_FINALIZE}.")
    if trigger == _FINALIZE:
        _check_repeated(session, body)
    _check_amounts(session, body)
    permission, charge = _permission(world, session, outcome)
    shown: Body = {"chargePermissionId": permission.id, "chargeId": charge and charge.id}
    if session.document["chargePermissionType"] == "PaymentMethodOnFile":
        shown["chargePermissionType"] = permission.document["chargePermissionType"]
    if trigger == _FINALIZE:
        shown |= {name: session.document.get(name) for name in _SHOWN_BY_FINALIZE}
    if FLOWS[session.notes.flow].signs_in:
        shown["buyer"] = personas.profile(world, session.merchant_id, session.notes.buyer, session.notes.scopes)
    move(world, session, trigger)
    session.document = documents.completed(session.document, **shown)
    session.notes.pending = bool(charge and ("Charge", charge.state) in PENDING)
    world.store.put(session)
    return session


finalize = partial(complete, trigger=_FINALIZE)


def _check_repeated(session: Session, body: Body) -> None:
    """Compare Finalize with the choices of the app and the buyer, which are not signed."""
    if (name := session.notes.repeats) and not body.get(name):
        problem = f"{name} is missing: with {session.document['productType']} it is repeated here."
        raise Refusal("MissingParameterValue", problem)
    for name in _REPEATED_ADDRESS.values():
        repeated = _filled(personas.complete_address(body.get(name)))
        if repeated and repeated != _filled(session.document[name]):
            raise Refusal("InvalidParameterValue", f"{name} differs from the one that the buyer confirmed.")
    details = session.document["paymentDetails"]
    for name in ("paymentIntent", "canHandlePendingAuthorization"):
        if body.get(name) not in (None, details[name]):
            raise Refusal("InvalidParameterValue", f"{name} differs from the session's: it is {details[name]}.")
    if (data := session.document["supplementaryData"]) and body.get("supplementaryData") != data:
        if not body.get("supplementaryData"):
            raise Refusal("MissingParameterValue", "supplementaryData is missing: repeat that of the session.")
        raise Refusal("InvalidParameterValue", "supplementaryData differs from the session's: repeat it as it is.")


def _filled(address: Body | None) -> Body:
    return {name: value for name, value in (address or {}).items() if value}


def _check_amounts(session: Session, body: Body) -> None:
    details = session.document["paymentDetails"]
    for name in ("chargeAmount", "totalOrderAmount"):
        expected, repeated = details[name], body.get(name)
        if expected and not repeated:
            raise Refusal("MissingParameterValue", f"{name} is missing: repeat the {name} of the session.")
        if repeated and expected:
            limits.check_currency(expected, repeated["currencyCode"], name)
        if repeated and (not expected or limits.value_of(repeated) != limits.value_of(expected)):
            was = expected["amount"] if expected else "not set"
            raise Refusal("AmountMismatch", f"{name} {repeated['amount']} differs from the session's: it is {was}.")
    if _exceeds_total(session):
        amount, total = (body[name]["amount"] for name in ("chargeAmount", "totalOrderAmount"))
        problem = f"chargeAmount {amount} is more than totalOrderAmount {total}, the whole order."
        raise Refusal("TransactionAmountExceeded", problem)


def _permission(world: World, session: Session, outcome: Simulation | None) -> tuple[Permission, Charge | None]:
    """Return the new permission with its first charge, or the existing one with its new payment method."""
    document, notes, first = session.document, session.notes, _first_charge(session)
    if outcome and not first:
        problem = f"The simulation code {outcome.code!r} is not possible, because this session charges nothing."
        raise Refusal("InvalidSandboxSimulationSpecified", problem)
    if notes.updates:
        permission = world.find("Charge Permission", notes.updates, session.merchant_id)
        for name in ("paymentPreferences", "shippingAddress", "billingAddress"):
            permission.document[name] = document[name] or permission.document[name]
        permission.notes.card = notes.card
        if limits.is_busy(permission):  # its charge ends that, and no payment method
            note(world, permission, MACHINES[permission.kind].step("Chargeable", _UPDATE))
            world.store.put(permission)
        else:
            move(world, permission, _UPDATE)
        return permission, None
    charges = world.store.children("Charge", session.id)
    charge = next((row for row in charges if MACHINES["Charge"].has(row.state, _COMPLETE)), None)  # it waits for this
    if charge and outcome:  # a simulation decides anew
        move(world, charge, "Cancel by Amazon")
        charge = None
    permission = new_permission(world, session, charge.document["chargePermissionId"] if charge else "")
    if charge:
        world.store.delete(charge)
        charge.parent = permission.id
        world.store.put(charge)
    calendar.open_calendar(world, permission)
    move(world, permission, _COMPLETE, flags=("chargeAmount",) if charge else ())
    if first and not charge:
        first |= {"chargePermissionId": permission.id}
        return permission, payments.create_charge(world, permission, first, outcome)
    charge = next(iter(world.store.children("Charge", permission.id)), None)
    if charge and first["captureNow"]:
        payments.capture(world, charge, first["chargeAmount"], None)
    return permission, charge


def new_permission(world: World, session: Session, permission_id: str = "") -> Permission:
    """Return a permission that is not in the store yet."""
    document, notes = session.document, session.notes
    permission_type = permission_type_of(session)
    permission_id = permission_id or world.ids.new_order_id("S" if permission_type == "OneTime" else "C")
    details, now = document["paymentDetails"], world.clock.now()
    is_long = permission_type == "Recurring" or details["extendExpiration"]
    expires = months_later(now, LONG_LIFETIME_MONTHS) if is_long else now + ONE_TIME_LIFETIME
    ledgers = world.region.ledger_currencies
    wanted = details["presentmentCurrency"] or (details["chargeAmount"] or {}).get("currencyCode")
    # A session made by an API call does not name the currency of the merchant's account.
    ledger = notes.currency or (wanted if wanted in ledgers else ledgers[0])
    values = document | {
        "chargePermissionType": permission_type,
        "presentmentCurrency": wanted or ledger,
        "limits": limits.opening_limits(world, permission_type, details, wanted or ledger),
        "expirationTimestamp": None if permission_type == "PaymentMethodOnFile" else stamp(expires),
    }
    if permission_type == "OneTime":
        values["paymentMethodOnFileMetadata"] = values["recurringMetadata"] = None
    shown = documents.new("Charge Permission", permission_id, now, values)
    return Record("Charge Permission", permission_id, session.merchant_id, shown, PermissionNotes(notes.card, ledger))


def _exceeds_total(session: Session) -> bool:
    """Tell whether a session charges more than the whole order that it names."""
    details, first = session.document["paymentDetails"], _first_charge(session)
    total = None if details["allowOvercharge"] else details["totalOrderAmount"]
    return bool(first and total and limits.value_of(first["chargeAmount"]) > limits.value_of(total))


def _first_charge(session: Session) -> Body:
    """Return what Create Charge would be sent for the session's own payment; nothing where it confirms or updates."""
    details = session.document["paymentDetails"]
    if session.notes.updates or details["paymentIntent"] == "Confirm" or not details["chargeAmount"]:
        return {}
    return {
        "chargeAmount": details["chargeAmount"],
        "captureNow": details["paymentIntent"] == "AuthorizeWithCapture",
        "canHandlePendingAuthorization": details["canHandlePendingAuthorization"],
        "softDescriptor": details["softDescriptor"],
        "merchantMetadata": session.document["merchantMetadata"],
        "atCheckout": True,
        "channel": "Web",
        "chargeInitiator": "CITU",
    }
