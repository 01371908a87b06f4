"""Grade a handler of instant notifications: send it good ones, bad ones and disorder, and compare its answers.

    amazonpay-nb grade http://127.0.0.1:8000/notifications

The handler only has to answer.  It must accept certificates from the host ``127.0.0.1``, at any port and at a path of
SNS's form, and refuse whatever is not a genuine notification.  If it can sign requests to the emulator that sends the
notifications, it is also graded on whether it gets the objects.
"""

import itertools
import json
import socket
import time
import tomllib
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.loopback import http_client
from amazonpay_nb.shop import Shop
from amazonpay_nb.shop.inbox import INBOX_PATH
from amazonpay_nb.signing.envelope import EnvelopeSigner, delivery_headers, unsigned_envelope
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, host_of
from amazonpay_nb.spec.data import as_kind, data_row
from amazonpay_nb.spec.notifications import DELIVERY_TIMEOUT_SECONDS
from amazonpay_nb.workbench.director import Director

GOOD, WRONG, ADVICE, UNSEEN = "✓ good", "✗ wrong", "– advice", "– not seen"
TAKEN, REFUSED = "2xx: it is genuine", "4xx: it is not genuine"
_ALL, _LOOKS = "all of these", "a GET of the object"
_LOOK_SECONDS = 3.0  # how long a handler may take to get an object
_OBJECTS = 3  # a permission, a charge and a refund


# The answer to one check; its verdict is `ADVICE` if the answer is not as expected but need not be.
Grade = namedtuple("Grade", "sent expected answered verdict")


def passes(grades: list[Grade]) -> bool:
    """Tell whether a handler does everything that it must."""
    return all(row.verdict != WRONG for row in grades)


@data_row
class Check:
    """A notification, or several, and the expected answer; ``grading.toml`` describes the fields."""

    sent: str
    genuine: bool = True
    required: bool = True
    count: int = 1
    rounds: int = 1
    at_once: bool = False
    version: str = "1"
    age_hours: int = 0
    announces: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    altered: dict[str, str] = field(default_factory=dict)
    forged: bool = False
    body: str = ""


_DATA = Path(__file__).with_suffix(".toml")
CHECKS = as_kind(_DATA.name, tomllib.loads(_DATA.read_text("utf-8"))["checks"], tuple[Check, ...])


def grade(url: str, emulator: Emulator, *, observed: bool = False) -> list[Grade]:
    """Send everything to a handler and return its grades.

    Args:
        url: Its address, on loopback.
        emulator: The notifications come from it; its time is real, since handlers look at the clock.
        observed: Whether the handler can get objects from this emulator, so that this is graded.
    Raises:
        ConfigurationError: The address is not on loopback, or has no answer.
    """
    _check_address(url)
    *three, dispute = _objects(emulator)
    grades, objects = [], itertools.cycle(three)
    with http_client(timeout=DELIVERY_TIMEOUT_SECONDS) as http:
        for check in CHECKS:
            about = [dispute if check.announces else next(objects) for _ in range(check.count)]
            posts = [_post(emulator, check, *names) for names in about]
            grades.append(_grade_one(http, url, check, posts))
    return [*grades, _grade_gets(emulator) if observed else Grade(_ALL, _LOOKS, "", UNSEEN)]


def _check_address(url: str) -> None:
    advice = "Write for example http://127.0.0.1:8000/notifications, and start the handler first."
    try:
        parts = urlsplit(url)
        if parts.scheme != "http" or host_of(parts.netloc) not in LOOPBACK_HOSTS:
            raise ValueError("it is not http, or not on loopback")
        socket.create_connection((parts.hostname, parts.port or 80), timeout=DELIVERY_TIMEOUT_SECONDS).close()
    except ValueError:
        raise ConfigurationError(f"{url!r} is not an http address on this machine.", advice=advice) from None
    except OSError:
        raise ConfigurationError(f"There is no answer at {url}.", advice=advice) from None


def _objects(emulator: Emulator) -> list[tuple[str, str, str]]:
    # Type, id and permission of what the notifications are about.
    with closing(MerchantAccount(emulator)) as account:
        wallet = account.wallet()
        charge = account.request("createCharge", wallet, capture_now=True)()
        refund = account.request("createRefund", charge.charge_id)()
        dispute = emulator.control.post("disputes", chargeId=charge.charge_id)
    return [
        ("CHARGE_PERMISSION", wallet, wallet),
        ("CHARGE", charge.charge_id, wallet),
        ("REFUND", refund.refund_id, wallet),
        ("CHARGEBACK", str(dispute["disputeId"]), wallet),
    ]


def _post(emulator: Emulator, check: Check, object_type: str, object_id: str, permission_id: str) -> dict[str, Any]:
    """Return a notification of a check, about one object: body and headers."""
    moment = datetime.now(UTC) - timedelta(hours=check.age_hours)
    document = {
        "notificationId": str(uuid4()), "notificationType": "STATE_CHANGE",
        "objectType": object_type, "objectId": object_id, "chargePermissionId": permission_id,
        "merchantId": emulator.merchant_id, "messageId": str(uuid4()),
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }  # fmt: skip
    document |= check.announces
    unsigned = unsigned_envelope(emulator.url, emulator.topic_arn, document, version=check.version) | check.fields
    sign = EnvelopeSigner().sign if check.forged else emulator.sign_notification
    envelope = sign(unsigned) | check.altered
    return {"content": check.body or json.dumps(envelope), "headers": delivery_headers(envelope)}


def _grade_one(http: httpx.Client, url: str, check: Check, posts: list[dict[str, Any]]) -> Grade:
    # The newest first: a handler may not rely on the order.
    posts = posts[::-1] * check.rounds
    with ThreadPoolExecutor(len(posts) if check.at_once else 1) as pool:
        statuses = list(pool.map(lambda post: _answer(http, url, post), posts))
    wanted, expected = (2, TAKEN) if check.genuine else (4, REFUSED)
    good = all(status is not None and status // 100 == wanted for status in statuses)
    answered = ", ".join(dict.fromkeys(str(status or "none in time") for status in statuses))
    return Grade(check.sent, expected, answered, GOOD if good else WRONG if check.required else ADVICE)


def _answer(http: httpx.Client, url: str, post: dict[str, Any]) -> int | None:
    try:
        return http.post(url, **post).status_code
    except httpx.HTTPError:
        return None


def _grade_gets(emulator: Emulator) -> Grade:
    end, paths = time.monotonic() + _LOOK_SECONDS, set[str]()
    while len(paths) < _OBJECTS and time.monotonic() < end:
        time.sleep(0.05)
        rows = emulator.control.get("journal")["exchanges"]
        gets = [row for row in rows if row["method"] == "GET" and row["status"] == httpx.codes.OK]
        paths = {row["path"] for row in gets if row["operation"] != "getDispute"}
    verdict = GOOD if len(paths) == _OBJECTS else WRONG
    return Grade(_ALL, _LOOKS, f"{len(paths)} of {_OBJECTS} objects", verdict)


def grade_own(region_code: str) -> list[Grade]:
    """Grade the shop's own inbox, with a separate emulator."""
    # The shop goes first: a notification that comes late finds the client that it is looked up with.
    with Emulator(region_code) as emulator, closing(MerchantAccount(emulator)) as account, closing(Shop()) as shop:
        Director(emulator, account.client.journal).listen(shop, account.client, at_once=True)
        return grade(f"{shop.url}{INBOX_PATH}", emulator, observed=True)
