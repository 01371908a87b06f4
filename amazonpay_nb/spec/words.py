"""Words for people: what the values and fields of a payment mean; they are in ``words.toml``."""

from collections.abc import Mapping
from typing import Any

from amazonpay_nb.spec.data import data_row, load
from amazonpay_nb.spec.parity import Evidence


@data_row
class Initiator:
    """One value of ``chargeInitiator``: what its letters stand for, and when to use it."""

    code: str
    stands_for: str
    use_it_when: str
    evidence: Evidence


@data_row
class Channel:
    """One value of ``channel``."""

    code: str
    the_buyer_orders: str
    evidence: Evidence


@data_row
class Payment:
    """One kind of payment in a use case."""

    use_case: str
    payment: str
    set_up: str  # the flow that saves the wallet, by its name in `flows.FLOWS`
    charge_initiator: str = ""  # "" where the checkout itself makes the charge, as is the channel
    channel: str = ""
    capture_now: bool
    why: str
    evidence: Evidence

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of *Create Charge* that describe the payment."""
        return {"charge_initiator": self.charge_initiator, "channel": self.channel, "capture_now": self.capture_now}


@data_row
class _File:
    initiators: dict[str, Initiator]
    channels: dict[str, Channel]
    use_cases: dict[str, Payment]
    fields: dict[str, str]


_FILE = load("words.toml", _File, initiators="code", channels="code", use_cases="use_case.payment")
INITIATORS, CHANNELS = tuple(_FILE.initiators.values()), tuple(_FILE.channels.values())
USE_CASES = tuple(_FILE.use_cases.values())
# Dotted field of a button's payload or request body → what it says; a note on a group covers all of its fields.
FIELD_NOTES: Mapping[str, str] = _FILE.fields


def payments_of(use_case: str) -> dict[str, Payment]:
    """Return the payments of a use case by name, or raise `ValueError` with the use cases there are."""
    payments = {each.payment: each for each in USE_CASES if each.use_case == use_case}
    if not payments:
        names = ", ".join(dict.fromkeys(each.use_case for each in USE_CASES))
        raise ValueError(f"there is no use case {use_case!r}; choose one of {names}")
    return payments
