"""Grade a handler of instant notifications: send it good ones, bad ones and disorder, and look at what it does.

    amazonpay-nb grade http://127.0.0.1:8000/notifications

The handler only has to answer.  It must accept certificates from the host ``127.0.0.1``, at any port and at a path of
SNS's form, and refuse whatever is not a genuine notification.  If it can sign requests to the emulator that sends the
notifications, it is also graded on whether it gets the objects, and does nothing twice.
"""

import socket
import time
from collections import namedtuple
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.loopback import check_sockets, http_client
from amazonpay_nb.rehearsal.answer import Answer
from amazonpay_nb.rehearsal.notifications import SENDINGS, Sending, Stranger, Subject, deliver, send, subjects
from amazonpay_nb.shop import Shop
from amazonpay_nb.shop.inbox import INBOX_PATH
from amazonpay_nb.spec.addresses import is_endpoint
from amazonpay_nb.spec.notifications import DELIVERY_TIMEOUT_SECONDS
from amazonpay_nb.workbench.director import Director

GOOD, WRONG, ADVICE, UNSEEN = "✓ good", "✗ wrong", "– advice", "– not seen"
TAKEN, ONCE, REFUSED = "2xx: it is genuine", "2xx, and it counts once", "4xx: it is not genuine"
_ALL, _LOOKS = "all of these", "a GET of the object"
# How long a handler may take to get an object, and what it does after that is waited for.
_LOOK_SECONDS, _CALM_SECONDS, _GLANCE_SECONDS = 3.0, 0.2, 0.05


# The answer to one sending; its verdict is `ADVICE` if the answer is not as expected but need not be.
Grade = namedtuple("Grade", "sent expected answered verdict")


def passes(grades: list[Grade]) -> bool:
    """Tell whether a handler does everything that it must."""
    return all(row.verdict != WRONG for row in grades)


def grade(url: str, emulator: Emulator, *, observed: bool = False) -> list[Grade]:
    """Send everything to a handler and return its grades.

    Args:
        url: Its address, on loopback.
        emulator: The notifications come from it; its time is real, since handlers look at the clock.
        observed: Whether the handler can get objects from this emulator, so that its effects are graded.
    Raises:
        ConfigurationError: The address is not on loopback, or has no answer.
    """
    check_sockets()
    _check_address(url)
    *three, dispute = subjects(emulator)
    watched, grades = emulator if observed else None, list[Grade]()
    with http_client(timeout=DELIVERY_TIMEOUT_SECONDS) as http, closing(Stranger(emulator)) as stranger:
        for number, sending in enumerate(SENDINGS):
            about = [dispute] if sending.announces else (three * 2)[number % len(three) :]
            begun = len(_requests(emulator))
            answers = send(sending, about, emulator, stranger, partial(deliver, http, url))
            grades.append(_grade(sending, answers, stranger, watched, about[0], begun))
    if watched is None:
        return [*grades, Grade(_ALL, _LOOKS, "", UNSEEN)]
    count = _count_gets(watched, three)
    verdict = GOOD if count == len(three) else WRONG
    return [*grades, Grade(_ALL, _LOOKS, f"{count} of {len(three)} objects", verdict)]


def _check_address(url: str) -> None:
    advice = "Write for example http://127.0.0.1:8000/notifications, and start the handler first."
    if not is_endpoint(url):
        raise ConfigurationError(f"{url!r} is not an http address on this machine.", advice=advice)
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port or 80), timeout=DELIVERY_TIMEOUT_SECONDS).close()
    except OSError:
        raise ConfigurationError(f"There is no answer at {url}.", advice=advice) from None


def _grade(
    sending: Sending, answers: list[Answer], stranger: Stranger, watched: Emulator | None, about: Subject, begun: int
) -> Grade:  # fmt: skip
    seen, verdict = list(dict.fromkeys(str(answer.status or "none in time") for answer in answers)), GOOD
    if stranger.visits or not all(sending.is_right(answer.status) for answer in answers):
        verdict = WRONG if sending.required else ADVICE
        seen += ["its certificate is fetched"] if stranger.visits else []
        stranger.visits = 0
    elif sending.check == "duplicate" and not (watched and _count_gets(watched, [about])):
        seen, verdict = [*seen, "effect not seen"], UNSEEN
    elif sending.check == "duplicate" and watched and not _changes_once(watched, begun):
        seen, verdict = [*seen, "something is done twice"], WRONG
    expected = ONCE if sending.check == "duplicate" else TAKEN if sending.genuine else REFUSED
    return Grade(sending.sent, expected, ", ".join(seen), verdict)


def _count_gets(emulator: Emulator, about: list[Subject]) -> int:
    end, count = time.monotonic() + _LOOK_SECONDS, 0
    while count < len(about) and time.monotonic() < end:
        time.sleep(_GLANCE_SECONDS)
        paths = [row["path"] for row in _requests(emulator) if (row["method"], row["status"]) == ("GET", 200)]
        count = sum(any(path.endswith(one.object_id) for path in paths) for one in about)
    return count


def _changes_once(emulator: Emulator, begun: int) -> bool:
    time.sleep(_CALM_SECONDS)
    keys = {(row["path"], row["idempotencyKey"]) for row in _requests(emulator)[begun:] if row["method"] != "GET"}
    return len(keys) == len({path for path, _ in keys})  # again, with the same key, changes nothing


def _requests(emulator: Emulator) -> list[dict[str, Any]]:
    exchanges: list[dict[str, Any]] = emulator.control.get("journal")["exchanges"]
    return exchanges


def grade_own(region_code: str) -> list[Grade]:
    """Grade the shop's own inbox, with a separate emulator."""
    # The shop goes first: a notification that comes late finds the client that it is looked up with.
    with Emulator(region_code) as emulator, closing(MerchantAccount(emulator)) as account, closing(Shop()) as shop:
        Director(emulator, account.client.journal).listen(shop, account.client, at_once=True)
        return grade(f"{shop.url}{INBOX_PATH}", emulator, observed=True)
