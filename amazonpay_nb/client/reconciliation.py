"""Compares the money ledger that a shop keeps with what Amazon says about each charge, and with what it settles."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.ledger import table
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.extras import explained
from amazonpay_nb.limits import whole
from amazonpay_nb.loopback import http_client
from amazonpay_nb.spec.money import Counts, counted, format_amount, taken_back
from amazonpay_nb.spec.states import DISPUTE, REFUND

if TYPE_CHECKING:
    import pandas

_COLUMNS = (
    "charge", "currency", "captured", "refunded", "under way", "captured at Amazon", "refunded at Amazon", "disputed",
    "agrees",
)  # fmt: skip

_HEAD = 5  # lines of a settlement file above its columns
_NEEDS = ("TransactionType", "AmazonTransactionId", "TransactionAmount", "CurrencyCode")
_LONGEST = 256 * 2**20  # bytes of one: about a million lines


def read_settlement(place: str) -> "pandas.DataFrame":
    """Return the lines of a settlement file, a path or a report document's url, with amounts as decimals.

    Raises:
        ConfigurationError: It is another file, or one of its amounts is no number.
    """
    with explained("workbook"):
        import pandas  # slow to import

    file: str | StringIO = place
    if "://" in place:
        with http_client() as http:
            answer = whole(http, http.build_request("GET", place), longest=_LONGEST)
            file = StringIO(answer.raise_for_status().text)
    try:
        lines = pandas.read_csv(file, skiprows=_HEAD, dtype=str)  # an id may be digits
        for name in lines.filter(regex="(Amount|Fee)$"):
            lines[name] = lines[name].map(Decimal)
        amounts = lines[[*_NEEDS]]["TransactionAmount"]  # a KeyError, if one of them is missing
        if not amounts.map(Decimal.is_finite).all():
            raise ValueError
    except (ArithmeticError, KeyError, ValueError):  # pandas makes its errors of ValueError
        problem = f"{place.partition('?')[0]} is no settlement file, or one of its amounts is no number."
        raise ConfigurationError(problem, advice="Give a settlement report as Amazon wrote it.") from None
    return lines


def reconcile(client: AmazonPayClient, settlement: "pandas.DataFrame | None" = None) -> "pandas.DataFrame":
    """Return one row for each charge that the client's journal knows, compared with Get Charge.

    Open refunds and disputes are read first: the ledger counts a refund as soon as it is promised, Amazon when the
    money is back, so a refund that is still ``under way`` is not a difference.  Where a row does not agree, money was
    moved without this journal, for example in Seller Central; or a refund ended between two requests, which the next
    comparison notices.
    What is ``disputed`` the buyer's bank has taken back, unless the buyer loses; Get Charge does not say so.
    What a settlement file has ``settled`` of a charge, before fees, has to be what is left of it at Amazon; lines about
    authorizations move no money.  What is in the file and not in the journal has a row of its own; so has what has no
    id or another currency, and a charge that Amazon names by another id there: see ``other.settlement-ids`` of the
    registry.
    """
    known, owners = client.journal.known, dict[str, str]()
    for kind, machine, read in (("Refund", REFUND, client.get_refund), ("Dispute", DISPUTE, client.get_dispute)):
        for object_id, document in known.of(kind).items():
            owners[object_id] = document["chargeId"]
            if not machine.is_final(document["statusDetails"]["state"]):
                read(object_id)
    charge_ids = dict.fromkeys([*known.of("Charge"), *owners.values()])
    if settlement is None:
        return table([_row(client, charge_id) for charge_id in charge_ids], _COLUMNS)
    moved = settlement[settlement["TransactionType"] != "Authorization"]
    ids = moved["AmazonTransactionId"].replace(owners).fillna("")
    lines = moved["TransactionAmount"].groupby([ids, moved["CurrencyCode"].fillna("")], sort=False)
    settled: dict[Any, Decimal] = lines.sum().to_dict()  # by id and currency
    rows = [_row(client, charge_id, settled) for charge_id in charge_ids]
    blank = ("",) * (len(_COLUMNS) - 3)
    rows += [(*place, *blank, f"{amount:f}", False) for place, amount in settled.items()]
    return table(rows, (*_COLUMNS[:-1], "settled", "agrees"))


@contextmanager
def by_hand(client: AmazonPayClient) -> Iterator[None]:
    """Send requests that the shop's journal does not record, as a colleague would in Seller Central."""
    kept, client.journal = client.journal, Journal()
    try:
        yield
    finally:
        client.journal = kept


def _row(client: AmazonPayClient, charge_id: str, settled: dict[Any, Decimal] | None = None) -> tuple[str | bool, ...]:
    """Return the row of a charge, and take what was settled of it out of *settled*."""
    known = client.journal.known
    booked = counted("Charge", known.newest("Charge", charge_id), Counts.CAPTURED)
    refunds = [
        (counted("Refund", row, Counts.REFUNDED), REFUND.is_final(row["statusDetails"]["state"]))
        for row in known.of("Refund", chargeId=charge_id).values()
    ]
    promised = sum((amount for amount, _ in refunds), Decimal(0))
    under_way = sum((amount for amount, is_final in refunds if not is_final), Decimal(0))
    charge = client.get_charge(charge_id)
    currency = charge.charge_amount.currency_code
    moved = charge.capture_amount, charge.refunded_amount
    captured, refunded = (Decimal(price.amount) if price else Decimal(0) for price in moved)
    agrees = (booked, promised - under_way) == (captured, refunded)
    disputed = sum(map(taken_back, known.of("Dispute", chargeId=charge_id).values()), Decimal(0))
    amounts = [booked, promised, under_way, captured, refunded, disputed]
    if settled is not None:
        amounts.append(settled.pop((charge_id, currency), Decimal(0)))
        agrees &= amounts[-1] == captured - refunded - disputed
    return (charge_id, currency, *(format_amount(amount, currency) for amount in amounts), agrees)
