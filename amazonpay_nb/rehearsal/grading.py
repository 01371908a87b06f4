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
from amazonpay_nb.rehearsal.server import Failed, NotTried, listens, path_of_url, soon
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
    path, (*three, dispute), grades = path_of_url(url), subjects(emulator), list[Grade]()
    plan = Plan(server=Server(url=url.removesuffix(path)), notifications=Notifications(path=path))
    with http_client(timeout=DELIVERY_TIMEOUT_SECONDS) as http:
        play = Play(plan, emulator, http, "A grade needs no buyer.")
        for number, sending in enumerate(SENDINGS):
            about = [dispute] if sending.announces else (three * 2)[number % len(three) :]
            grades.append(_grade(play, sending, about, observed))
        if not observed:
            return [*grades, Grade(_ALL, _LOOKS, "", UNSEEN)]
        soon(lambda: all(_is_got(play, one) for one in three), _LOOK_SECONDS)
        count = sum(_is_got(play, one) for one in three)
    return [*grades, Grade(_ALL, _LOOKS, f"{count} of {len(three)} objects", GOOD if count == len(three) else WRONG)]


def _grade(play: Play, sending: Sending, about: list[Subject], observed: bool) -> Grade:
    begun, effect, verdict = len(play.exchanges), "", GOOD
    expected = ONCE if sending.check == "duplicate" else TAKEN if sending.genuine else REFUSED
    try:
        play.judge(sending, about, observed=observed)
        if sending.check == "duplicate":
            effect, verdict = _judge_repetition(play, about[0], begun) if observed else ("effect not seen", UNSEEN)
    except Failed as finding:
        verdict = ADVICE if finding.advice or not sending.required else WRONG
        return Grade(sending.sent, expected, finding.seen.rpartition(" is answered by ")[2], verdict)
    except NotTried as reason:
        effect, verdict = str(reason), UNSEEN
    statuses = dict.fromkeys(str(row["status"]) for row in play.exchanges[begun:] if row.get("sent"))
    return Grade(sending.sent, expected, ", ".join(filter(None, [*statuses, effect])), verdict)


def _judge_repetition(play: Play, about: Subject, begun: int) -> tuple[str, str]:
    if not soon(lambda: _is_got(play, about), _LOOK_SECONDS):
        return "effect not seen", UNSEEN
    time.sleep(_CALM_SECONDS)
    keys = {(row["path"], row["idempotencyKey"]) for row in play.calls(after=begun) if row["method"] != "GET"}
    once = len(keys) == len({path for path, _ in keys})  # again, with the same key, changes nothing
    return ("", GOOD) if once else ("something is done twice", WRONG)


def _is_got(play: Play, one: Subject) -> bool:
    rows = play.calls(after=0)
    return any(row["path"].endswith(one.object_id) and (row["method"], row["status"]) == ("GET", 200) for row in rows)


def grade_own(region_code: str) -> list[Grade]:
    """Grade the shop's own inbox, with a separate emulator."""
    # The shop goes first: a notification that comes late finds the client that it is looked up with.
    with Emulator(region_code) as emulator, closing(MerchantAccount(emulator)) as account, closing(Shop()) as shop:
        Director(emulator, account.client.journal).listen(shop, account.client, at_once=True)
        return grade(f"{shop.url}{INBOX_PATH}", emulator, observed=True)
