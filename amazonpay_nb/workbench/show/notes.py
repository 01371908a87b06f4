"""One line about each field that a merchant sends."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["FIELD_NOTES", "annotated", "is_price", "leaves", "notes_on"]

_URLS, _PAYMENT, _METADATA = "webCheckoutDetails", "paymentDetails", "merchantMetadata"
# Some fields stand inside a session and, in other requests, at the top.
_INTENT = "Confirm charges nothing now; Authorize holds the amount; AuthorizeWithCapture takes it at once."
_PENDING = "true: you can wait for an answer that comes later, in a notification."

# Dotted field of a button payload or request body  ->  what it says.  A note on a group covers all of its fields.
FIELD_NOTES = {
    # Where the buyer comes back
    f"{_URLS}.checkoutReviewReturnUrl": "Where the buyer reviews the order after choosing how to pay; Amazon adds the "
    "session id.",
    f"{_URLS}.checkoutResultReturnUrl": "Where the buyer arrives when Amazon's pages are done; Amazon adds the session "
    "id. Arriving proves nothing: complete the session first.",
    f"{_URLS}.checkoutCancelUrl": "Where the buyer arrives after leaving Amazon's pages without agreeing.",
    f"{_URLS}.checkoutErrorUrl": "Where a mobile app takes over after an error.",
    f"{_URLS}.checkoutMode": "ProcessOrder: the buyer places the order on Amazon's page; there is no review page.",
    f"{_URLS}.signInReturnUrl": "Where the signed-in buyer arrives; Amazon adds the session id.",
    f"{_URLS}.signInCancelUrl": "Where the buyer arrives after leaving the sign-in.",
    f"{_URLS}.signInErrorUrl": "Where the buyer arrives when the sign-in fails.",
    # Whose shop, which kind of agreement
    "storeId": "Your store, as Integration Central names it.",
    "chargePermissionType": "PaymentMethodOnFile asks the buyer for a Saved Wallet; OneTime is a single purchase.",
    "paymentMethodOnFileMetadata.setupOnly": "true: the wallet is saved without a purchase; false: a purchase comes "
    "with it.",
    "chargePermissionId": "The Charge Permission that this is about, as Complete Checkout Session returned it.",
    "scopes": "The buyer details that you ask for; ask for what you need.",
    "signInScopes": "The buyer details that you ask for; left out: name and e-mail address (Amazon Sign-in: the id).",
    "signInReturnUrl": "Plain Amazon Sign-in: where the signed-in buyer arrives; Amazon adds the buyerToken.",
    "signInCancelUrl": "Plain Amazon Sign-in: where the buyer arrives after leaving it.",
    # What is to be paid in the checkout
    f"{_PAYMENT}.paymentIntent": _INTENT,
    f"{_PAYMENT}.canHandlePendingAuthorization": _PENDING,
    f"{_PAYMENT}.chargeAmount": "What the buyer agrees to pay in this checkout; completing repeats it exactly.",
    f"{_PAYMENT}.totalOrderAmount": "The whole order, if further charges will follow; completing repeats it exactly.",
    f"{_PAYMENT}.softDescriptor": "The words on the buyer's statement; at most 16 characters, AuthorizeWithCapture "
    "only.",
    f"{_PAYMENT}.presentmentCurrency": "The currency that the buyer sees and pays in.",
    f"{_PAYMENT}.allowOvercharge": "Raises the limit of a one-time Charge Permission; by invitation.",
    f"{_PAYMENT}.extendExpiration": "Lets a one-time Charge Permission live for 13 months instead of 180 days.",
    # What you and the buyer read later
    f"{_METADATA}.merchantReferenceId": "Your order number, shown to the buyer.",
    f"{_METADATA}.merchantStoreName": "The shop's name, as the buyer knows it.",
    f"{_METADATA}.noteToBuyer": "A line for the buyer.",
    f"{_METADATA}.customInformation": "A line for yourself; the buyer does not see it.",
    "supplementaryData": "Further data about the order, as JSON in a string.",
    "checkoutButtonText": "What the last button on Amazon's page says.",
    # Where to
    "addressDetails": "The delivery address, collected by the shop; fixed once it is signed, and for PayAndShip only.",
    "shippingAddress": "The delivery address of a purchase that is finalized in an app.",
    "billingAddress": "The billing address of a purchase that is finalized in an app.",
    "deliverySpecifications": "Which delivery addresses the buyer may choose; check the chosen one again yourself.",
    "multiAddressesCheckoutMetadata": "The part of the order that goes to each delivery address.",
    # Who is behind the shop
    "platformId": "The solution provider's id.",
    "providerMetadata": "A payment service provider's own reference.",
    "recurringMetadata": "How often and how much to expect; informative, Amazon never charges by itself.",
    # Charges and refunds
    "chargeAmount": "The amount to charge; on completing a session, the one that the buyer agreed to.",
    "totalOrderAmount": "The whole order, repeated because the session has one.",
    "captureNow": "true takes the money at once; false, the default, holds it for a capture within 30 days.",
    "captureAmount": "How much of the held amount to take; the rest is released.",
    "softDescriptor": "The words on the buyer's statement; at most 16 characters.",
    "canHandlePendingAuthorization": _PENDING,
    "paymentIntent": _INTENT,
    "chargeInitiator": "CITU: the buyer is present and starts it; MITU: you start it while the buyer is away.",
    "channel": "Where the buyer ordered, for example Web, App or Phone.",
    "cancellationReason": "Why the charge is canceled.",
    "closureReason": "Why the Charge Permission is closed.",
    "cancelPendingCharges": "true: charges that are not captured yet are canceled with it.",
    "chargeId": "The captured Charge that the money goes back from.",
    "refundAmount": "How much goes back to the buyer.",
    # Not signed: an option of the button
    "productType": "An option of the button, beside the payload: PayOnly or PayAndShip; SignIn tells who the buyer is, "
    "and SignInAndSetup saves a wallet as well.",
}


def is_price(value: Any) -> bool:
    """Tell whether *value* is an amount with its currency, which reads as one value."""
    return isinstance(value, Mapping) and set(value) == {"amount", "currencyCode"}


def leaves(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and value of each field that holds something; a price and a list of words are one value."""
    if isinstance(document, Mapping) and document and not is_price(document):
        for name, value in document.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(document, list) and any(isinstance(item, (Mapping, list, type(None))) for item in document):
        items = [item for item in document if item is not None]
        for index, item in enumerate(items):
            yield from leaves(item, path if len(items) == 1 else f"{path}[{index}]")
    elif document is not None:
        yield path, document


def notes_on(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each noted field, or noted group of fields, of *payload* in its order, with the note."""
    found: dict[str, str] = {}
    for path, _ in leaves(payload):
        field, note = _note(path)
        if note:
            found.setdefault(field, note)
    return list(found.items())


def annotated(payload: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Return each field of *payload* with its value and what it says, or what its group says."""
    return [(path, value, _note(path)[1]) for path, value in leaves(payload)]


def _note(path: str) -> tuple[str, str]:
    # The note on the field itself, or else on the smallest group that it is in.
    names = path.partition("[")[0].split(".")
    groups = (".".join(names[:end]) for end in range(len(names), 0, -1))
    return next(((field, FIELD_NOTES[field]) for field in groups if field in FIELD_NOTES), ("", ""))
