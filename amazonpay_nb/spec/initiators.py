"""Who starts a charge, and where the buyer ordered: what ``chargeInitiator`` and ``channel`` can say.

The values are those of Amazon's SDKs; what they stand for is our reading of them, so every row is marked inferred.
"""

from dataclasses import dataclass

from amazonpay_nb.spec.parity import Evidence

__all__ = ["CHANNELS", "INITIATORS", "Channel", "Initiator"]

_I = Evidence.INFERRED


@dataclass(frozen=True, slots=True)
class Initiator:
    """One value of ``chargeInitiator``.

    Attributes:
        code: As it travels.
        stands_for: The letters, spelled out.
        use_it_when: The situation it is the truth in.
    """

    code: str
    stands_for: str
    use_it_when: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Channel:
    """One value of ``channel``.

    Attributes:
        code: As it travels.
        the_buyer_orders: Where.
    """

    code: str
    the_buyer_orders: str
    evidence: Evidence


INITIATORS = (
    Initiator(
        "CITU",
        "customer-initiated transaction, unscheduled",
        "The buyer is present and places this order with the saved wallet.",
        _I,
    ),
    Initiator(
        "MITU",
        "merchant-initiated transaction, unscheduled",
        "You charge while the buyer is away: a ride has ended, a bill is due.",
        _I,
    ),
    Initiator(
        "CITR", "customer-initiated transaction, recurring", "Recurring permissions only: the first payment.", _I
    ),
    Initiator(
        "MITR", "merchant-initiated transaction, recurring", "Recurring permissions only: the payments after.", _I
    ),
)

CHANNELS = (
    Channel("Web", "on your web site", _I),
    Channel("App", "in your app", _I),
    Channel("Phone", "by phone", _I),
    Channel("PointOfSale", "in your shop, at the till", _I),
    Channel("Alexa", "by voice, with Alexa", _I),
    Channel("FireTv", "on a television, with Fire TV", _I),
    Channel("Offline", "without being online", _I),
    Channel("Amazon", "at Amazon", _I),
)
