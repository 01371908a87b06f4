"""Grade a handler of instant notifications: send it good ones, bad ones and disorder, and look at what it does.

    amazonpay-nb grade http://127.0.0.1:8000/notifications

The handler only has to answer.  It must accept certificates from the host ``127.0.0.1``, at any port and at a path of
SNS's form, and refuse whatever is not a genuine notification.  If it can sign requests to the emulator that sends the
notifications, it is also graded on what it does: it gets the objects of genuine ones alone, and does nothing twice.
"""

import time
from collections import namedtuple
from contextlib import closing

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.loopback import check_sockets, http_client
from amazonpay_nb.rehearsal.notifications import SENDINGS, Sending, Subject, subjects
from amazonpay_nb.rehearsal.plan import Notifications, Plan, Server
from amazonpay_nb.rehearsal.play import Play
from amazonpay_nb.rehearsal.server import Answer, Failed, NotTried, listens, path_of_url, soon
from amazonpay_nb.shop import Shop
from amazonpay_nb.shop.inbox import INBOX_PATH
from amazonpay_nb.spec.addresses import is_endpoint
from amazonpay_nb.spec.notifications import DELIVERY_TIMEOUT_SECONDS
from amazonpay_nb.workbench.director import Director

GOOD, WRONG, ADVICE, UNSEEN = "✓ good", "✗ wrong", "– advice", "– not seen"
TAKEN, ONCE, REFUSED = "2xx: it is genuine", "2xx, and it counts once", "4xx: it is not genuine"
LATER = "4xx, or 5xx: not yet"
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
    path, (*three, dispute), other = path_of_url(url), subjects(emulator), subjects(emulator)[1]
    plan = Plan(server=Server(url=url.removesuffix(path)), notifications=Notifications(path=path))
    with http_client(timeout=DELIVERY_TIMEOUT_SECONDS) as http:
        play = Play(plan, emulator, http, "A grade needs no buyer.")
        grades = [
            _grade(play, row, [dispute] if row.announces else (three * 2)[number % len(three) :], other, observed)
            for number, row in enumerate(SENDINGS)
        ]
        if not observed:
            return [*grades, Grade(_ALL, _LOOKS, "", UNSEEN)]
        soon(lambda: all(play.reads(one.object_id, 0) for one in three), _LOOK_SECONDS)
        count = sum(bool(play.reads(one.object_id, 0)) for one in three)
    return [*grades, Grade(_ALL, _LOOKS, f"{count} of {len(three)} objects", GOOD if count == len(three) else WRONG)]


def _grade(play: Play, sending: Sending, about: list[Subject], other: Subject, observed: bool) -> Grade:
    expected = (
        ONCE if sending.check == "duplicate" else TAKEN if sending.genuine else LATER if sending.later else REFUSED
    )
    try:
        answers = play.judge(sending, about, other=other, observed=observed)
        answered, verdict = ", ".join(dict.fromkeys(str(one.status) for one in answers)), GOOD
        if sending.check == "duplicate":
            _require_once(play, about[0], answers[0], observed)
    except Failed as finding:
        answered, verdict = finding.answer or finding.seen, ADVICE if finding.advice else WRONG
    except NotTried as reason:
        answered, verdict = str(reason), UNSEEN
    return Grade(sending.title, expected, answered, verdict)


def _require_once(play: Play, about: Subject, answer: Answer, observed: bool) -> None:
    if not (observed and soon(lambda: play.reads(about.object_id, 0), _LOOK_SECONDS)):
        raise NotTried(f"{answer.status}, effect not seen")
    time.sleep(_CALM_SECONDS)
    keys = {(row["path"], row["idempotencyKey"]) for row in play.calls(after=answer.number) if row["method"] != "GET"}
    once = len(keys) == len({path for path, _ in keys})  # again, with the same key, changes nothing
    play.expect(once, f"{answer.status}, something is done twice")


def grade_own(region_code: str) -> list[Grade]:
    """Grade the shop's own inbox, with a separate emulator."""
    # The shop goes first: a notification that comes late finds the client that it is looked up with.
    with Emulator(region_code) as emulator, closing(MerchantAccount(emulator)) as account, closing(Shop()) as shop:
        Director(emulator, account.client.journal).listen(shop, account.client, at_once=True)
        return grade(f"{shop.url}{INBOX_PATH}", emulator, observed=True)
