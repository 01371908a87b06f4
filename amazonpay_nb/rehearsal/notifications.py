"""The notifications that a server is sent, genuine, forged and in disorder: the rows of ``notifications.toml``."""

import json
from collections import namedtuple
from collections.abc import Sequence
from contextlib import closing
from dataclasses import field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.loopback import Guard, LoopbackServer
from amazonpay_nb.signing.envelope import EnvelopeSigner, delivery_headers, unsigned_envelope
from amazonpay_nb.spec.data import as_kind, data_row, read


@data_row
class Sending:
    """A notification, or several; ``notifications.toml`` describes the fields."""

    title: str
    check: Literal["genuine", "duplicate", "out-of-order", "forged", "foreign-certificate"] = "genuine"
    required: bool = True
    count: int = 1
    rounds: int = 1
    at_once: bool = False
    version: str = "1"
    age_hours: int = 0
    announces: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    altered: dict[str, str] = field(default_factory=dict)
    strange: bool = False
    body: str = ""
    later: bool = False

    @property
    def genuine(self) -> bool:
        """Whether it has to be accepted."""
        return self.check not in ("forged", "foreign-certificate")

    def is_right(self, status: int | None) -> bool:
        """Tell whether an answer is the right one."""
        return status is not None and status // 100 in ((2,) if self.genuine else (4, 5) if self.later else (4,))


_TABLE = read("notifications.toml", beside=__file__)
SENDINGS = as_kind("notifications.toml", _TABLE["sendings"], tuple[Sending, ...])

# An object that notifications are about, and the permission that it belongs to.
Subject = namedtuple("Subject", "object_type object_id permission")
MADE_UP = Subject("CHARGE", "S01-0000000-0000000-C000000", "S01-0000000-0000000")  # Amazon knows nothing of it

# One for all strangers: a key takes a quarter of a second to make.
_strange_signer = cache(EnvelopeSigner)


class Stranger:
    """Someone who signs with a certificate of their own, and serves it on this machine, where Amazon's never is."""

    def __init__(self, emulator: Emulator) -> None:
        self._signer, self.visits = _strange_signer(), 0  # how often the certificate was fetched
        issued = emulator.folder / "server.pem"
        site = Starlette(routes=[Route(self._signer.path, self._certificate)])
        server = LoopbackServer(Guard(site), certificate=str(issued) if issued.exists() else None).start()
        self.sign, self.close = self._signer.sign, server.stop
        # By https where the emulator has an authority; another name than its own, which may be at any port.
        self.url = server.url.replace("127.0.0.1", "localhost") + self._signer.path

    def _certificate(self, _: Request) -> Response:
        self.visits += 1
        return Response(self._signer.certificate, headers={"connection": "close"})  # no visitor outlives this


def subjects(emulator: Emulator, order: str = "") -> list[Subject]:
    """Make a permission, a charge, for an order if one is named, a refund and a dispute, and return them."""
    metadata = {"merchant_metadata": {"merchantReferenceId": order}} if order else {}
    with closing(MerchantAccount(emulator)) as account:
        wallet = account.wallet()
        charge = str(account.request("createCharge", wallet, capture_now=True, **metadata)().charge_id)
        refund = str(account.request("createRefund", charge)().refund_id)
        dispute = str(emulator.control.post("disputes", chargeId=charge)["disputeId"])
    objects = {"CHARGE_PERMISSION": wallet, "CHARGE": charge, "REFUND": refund, "CHARGEBACK": dispute}
    return [Subject(object_type, object_id, wallet) for object_type, object_id in objects.items()]


def message(
    sending: Sending, about: Sequence[Subject], number: int, emulator: Emulator, stranger: Stranger
) -> tuple[str, dict[str, str]]:  # fmt: skip
    """Return what a row says, about some objects in turn, with its headers; the first happened last.

    The newest goes first: nobody may rely on the order.
    """
    one = about[number % len(about)]
    moment = datetime.now(UTC) - timedelta(hours=sending.age_hours, seconds=number)
    document = {
        "notificationId": str(uuid4()), "notificationType": "STATE_CHANGE", "objectType": one.object_type,
        "objectId": one.object_id, "chargePermissionId": one.permission, "merchantId": emulator.merchant_id,
        "messageId": str(uuid4()),
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }  # fmt: skip
    amazon, stranger_place = emulator.certificate_url.rpartition("/")[0], stranger.url.partition("//")[2]
    places = {"stranger": stranger.url, "stranger_place": stranger_place, "amazon": amazon}
    fields = {name: text.format_map(places) for name, text in sending.fields.items()}
    document |= sending.announces
    unsigned = unsigned_envelope(emulator.certificate_url, emulator.topic_arn, document, version=sending.version)
    sign = stranger.sign if sending.strange else emulator.sign_notification
    envelope = sign(unsigned | fields) | sending.altered
    return sending.body or json.dumps(envelope), delivery_headers(envelope)
