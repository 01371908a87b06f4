"""Grade a handler of instant notifications: send it good ones, bad ones and disorder, and look at what it does.

    amazonpay-nb grade http://127.0.0.1:8000/notifications

The handler only has to answer.  It must accept certificates from the host ``127.0.0.1``, at any port and at a path of
SNS's form, and refuse whatever is not a genuine notification.  If it can sign requests to the emulator that sends the
notifications, it is also graded on what it does: it gets the objects of genuine ones alone, and does nothing twice.
"""

import time
from collections import namedtuple
from contextlib import closing
from functools import partial
from typing import Any

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.loopback import check_sockets, http_client
from amazonpay_nb.rehearsal.answer import Answer, soon
from amazonpay_nb.rehearsal.notifications import MADE_UP, SENDINGS, Sending, Stranger, Subject, deliver, send, subjects
from amazonpay_nb.rehearsal.wiring import listens
from amazonpay_nb.shop import Shop
from amazonpay_nb.shop.inbox import INBOX_PATH
from amazonpay_nb.spec.addresses import is_endpoint
from amazonpay_nb.spec.notifications import DELIVERY_TIMEOUT_SECONDS
from amazonpay_nb.workbench.director import Director

GOOD, WRONG, ADVICE, UNSEEN = "✓ good", "✗ wrong", "– advice", "– not seen"
TAKEN, ONCE, REFUSED = "2xx: it is genuine", "2xx, and it counts once", "4xx: it is not genuine"
_ALL, _LOOKS = "all of these", "a GET of the object"
# How long a handler may take to get an object, and what it does after that is waited for.
_LOOK_SECONDS, _CALM_SECONDS = 3.0, 0.2


# The answer to one sending; its verdict is `ADVICE` if the answer is not as expected but need not be.
Grade = namedtuple("Grade", "sent expected answered verdict")


def passes(grades: list[Grade]) -> bool:
    """Tell whether a handler does everything that it must."""
    return all(row.verdict != WRONG for row in grades)


def grade(url: str, emulator: Emulator, *, observed: bool = False) -> list[Grade]:
    """Send everything to a handler and return its grades.

    The notifications come from the emulator; its time is real, since handlers look at the clock.  A handler's effects
    are graded where it is *observed*, since it can get objects there.
    """
    check_sockets()
    advice = "Write for example http://127.0.0.1:8000/notifications, and start the handler first."
    if not is_endpoint(url):
        raise ConfigurationError(f"{url!r} is not an http address on this machine.", advice=advice)
    if not listens(url):
        raise ConfigurationError(f"There is no answer at {url}.", advice=advice)
    (*three, dispute), (*others, _) = subjects(emulator), subjects(emulator)  # others: of these, nothing genuine tells
    watched, grades = emulator if observed else None, list[Grade]()
    with http_client(timeout=DELIVERY_TIMEOUT_SECONDS) as http, closing(Stranger(emulator)) as stranger:
        for number, sending in enumerate(SENDINGS):
            some = three if sending.genuine else others
            about = [dispute] if sending.announces else (some * 2)[number % len(some) :]
            begun = len(_requests(emulator))
            answers = send(sending, about, emulator, stranger, partial(deliver, http, url))
            grades.append(_grade(sending, answers, stranger, watched, about[0], begun))
    if watched is None:
        return [*grades, Grade(_ALL, _LOOKS, "", UNSEEN)]
    count = _gets(watched, three)
    verdict = GOOD if count == len(three) else WRONG
    return [*grades, Grade(_ALL, _LOOKS, f"{count} of {len(three)} objects", verdict)]


def _grade(
    sending: Sending, answers: list[Answer], stranger: Stranger, watched: Emulator | None, about: Subject, begun: int
) -> Grade:  # fmt: skip
    seen, verdict = list(dict.fromkeys(str(answer.status or "none in time") for answer in answers)), GOOD
    visits, stranger.visits = stranger.visits, 0
    accepted = all(answer.is_below(300) for answer in answers)
    if not visits and accepted and (sending.check == "duplicate" or not sending.genuine):
        judge = _judge_repetition if sending.genuine else _judge_belief
        effect, verdict = judge(watched, about, begun) if watched else ("effect not seen", UNSEEN)
        seen += [effect] if effect else []
    elif visits or not all(sending.is_right(answer.status) for answer in answers):
        seen, verdict = [*seen, *(["its certificate is fetched"] if visits else [])], WRONG
    if verdict == WRONG and not sending.required:
        verdict = ADVICE
    expected = ONCE if sending.check == "duplicate" else TAKEN if sending.genuine else REFUSED
    return Grade(sending.sent, expected, ", ".join(seen), verdict)


def _judge_repetition(emulator: Emulator, about: Subject, begun: int) -> tuple[str, str]:
    if not _gets(emulator, [about]):
        return "effect not seen", UNSEEN
    time.sleep(_CALM_SECONDS)
    keys = {(row["path"], row["idempotencyKey"]) for row in _requests(emulator)[begun:] if row["method"] != "GET"}
    once = len(keys) == len({path for path, _ in keys})  # again, with the same key, changes nothing
    return ("", GOOD) if once else ("something is done twice", WRONG)


def _judge_belief(emulator: Emulator, about: Subject, begun: int) -> tuple[str, str]:
    """Judge what follows a 2xx for what is not genuine; to drop it is right, and 4xx says so."""
    names = (about.object_id, MADE_UP.object_id)

    def asks() -> bool:
        return any(row["path"].endswith(names) for row in _requests(emulator)[begun:])

    if soon(asks, _LOOK_SECONDS):
        return "it is believed", WRONG
    acts = any((row["method"], row["status"]) == ("GET", 200) for row in _requests(emulator)[:begun])
    return ("nothing follows", ADVICE) if acts else ("effect not seen", UNSEEN)


def _gets(emulator: Emulator, about: list[Subject]) -> int:
    def is_got(one: Subject) -> bool:
        rows = ((row["method"], row["status"], row["path"].rpartition("/")[2]) for row in _requests(emulator))
        return ("GET", 200, one.object_id) in rows

    soon(lambda: all(map(is_got, about)), _LOOK_SECONDS)
    return sum(map(is_got, about))


def _requests(emulator: Emulator) -> list[dict[str, Any]]:
    exchanges: list[dict[str, Any]] = emulator.control.get("journal")["exchanges"]
    return exchanges


def grade_own(region_code: str) -> list[Grade]:
    """Grade the shop's own inbox, with a separate emulator."""
    # The shop goes first: a notification that comes late finds the client that it is looked up with.
    with Emulator(region_code) as emulator, closing(MerchantAccount(emulator)) as account, closing(Shop()) as shop:
        Director(emulator, account.client.journal).listen(shop, account.client, at_once=True)
        return grade(f"{shop.url}{INBOX_PATH}", emulator, observed=True)
