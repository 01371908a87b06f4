"""The checks: each function judges a row of ``checks.toml``, or several, and raises where the server is wrong.

It gets what the check starts with, after what happens at Amazon's; both are in the row.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from html import unescape
from itertools import count
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import httpx

from amazonpay_nb.limits import short_numbers
from amazonpay_nb.rehearsal.books import CALM_SECONDS, PATIENT_SECONDS
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.order import USUAL_AMOUNT, Order
from amazonpay_nb.rehearsal.plan import BUYING_PAGES
from amazonpay_nb.rehearsal.play import NO_CAPTURE, Play
from amazonpay_nb.rehearsal.server import Answer, Failed, NotTried, soon
from amazonpay_nb.signing.steps import Algorithm
from amazonpay_nb.spec.flows import RETURN_PARAMETER
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency
from amazonpay_nb.spec.regions import CURRENCIES, region as region_of

_RESOURCES = "performance.getEntriesByType('resource').map(entry => entry.name)"
_ALERT = "document.querySelector('[role=alert] [lang]')?.innerText ?? ''"
_ESCAPE = re.compile(r"\\(?:u00|x)([0-9a-fA-F]{2})")  # how JavaScript and JSON may write a character
_SECRET = 100  # characters from the middle of a key, where it is secret: enough to be no accident
_NO_PAGE = (404, 405)  # where a buyer is sent to by the server's own addresses
_TWICE = "the buyer pays twice at once for what is bought once"
_PART = Decimal("9.95")  # of an order of 19.99: Amazon itself refuses to refund all of it twice

# --- The button: it leads to Amazon by Amazon's script, and the key that signs it stays on the server -----------------


def signature(play: Play) -> None:
    for page in play.plan.buttons:
        buyer = play.buyer()
        visit = buyer.press(page)
        complaint = " ".join(str(buyer.evaluate(_ALERT)).split())
        seen = f"the button of {page} leads to {visit}. {complaint}".strip()
        play.expect(buyer.is_amazon(visit), seen)


def no_secret(play: Play) -> None:
    buyer, pages, texts = play.buyer(), play.plan.buttons, list[str]()
    for page in pages:
        buyer.button(page)
        texts += buyer.texts()
    with suppress(Failed, NotTried):  # what else the server shows
        buyer.press(pages[0])
        buyer.approve()
        texts += buyer.texts()
    key = _letters(play.emulator.merchant.private_key_file.read_text("ascii"))
    leaks = any(key[len(key) // 2 :][:_SECRET] in _letters(text) for text in texts)
    play.expect(not leaks, f"the private key is in what the browser got from {pages[0]} or after it")


def script_host(play: Play) -> None:
    host = f"https://{region_of(play.emulator.region).checkout_script_host}"
    right = f"{host if play.emulator.proxy_url else play.emulator.url}/checkout.js"
    for page in play.plan.buttons:
        buyer = play.buyer()
        buyer.button(page)
        scripts = [url for url in buyer.evaluate(_RESOURCES) if urlsplit(url).path.endswith("/checkout.js")]
        seen = ", ".join(scripts) or "another address"
        play.expect(any(url.startswith(right) for url in scripts), f"checkout.js comes from {seen}, not from {right}")


def _letters(text: str) -> str:
    """Return a text without line breaks and other marks, however they are written."""
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), unquote(unescape(short_numbers(text))))
    return re.sub(r"\\[nrt]|[^A-Za-z\d]", "", plain)


# --- Set-ups: a wallet is saved exactly if the buyer who comes back has agreed, whatever happens on the way -----------


def saved(play: Play, buyer: Buyer, reloads: bool = False) -> None:
    visit = buyer.approve()
    if reloads and not soon(lambda: play.is_saved(buyer), 1):
        visit = buyer.open(visit.url)
    play.expect(soon(lambda: play.is_saved(buyer)), f"the buyer gets {visit}; {play.situation(buyer)}")
    play.never(play.pays_twice, _TWICE, patient=play.page in BUYING_PAGES)


def left(play: Play, buyer: Buyer, how: str, **choices: str) -> None:
    buyer.decide(how, **choices)
    visit = buyer.come_back()
    play.expect(visit.status not in _NO_PAGE, f"the buyer gets {visit}")
    _require_nothing(play, buyer, visit)


def refused(play: Play, buyer: Buyer, made_up: bool = False) -> None:
    url = httpx.URL(buyer.returned)
    url = url.copy_set_param(RETURN_PARAMETER, str(uuid4())) if made_up else url
    _require_nothing(play, buyer, buyer.open(str(url)))


def reload(play: Play, buyer: Buyer) -> None:
    play.never(play.pays_twice, _TWICE, patient=True)  # and all that the first visit leads to has come
    play.sales[play.page] = before = len(play.payments())
    visit = buyer.open(buyer.returned)
    play.expect(visit.is_below(400), f"the buyer who reloads gets {visit}")
    play.never(lambda: not play.is_saved(buyer), f"after it, {play.situation(buyer)}")
    play.never(lambda: 0 < before < len(play.payments()), "the buyer who reloads pays once more", patient=before > 0)


def foreign_session(play: Play, first: Buyer) -> None:
    shows = play.plan.actions.state or play.plan.actions.charge
    play.need(shows, "the plan has neither an action state nor charge, which show whose a wallet is.")
    page = play.plan.buttons[0] if play.page == "update" else ""
    second, third = play.agreed(page), play.agreed(page)
    for buyer in (first, second, third):  # at a review page, nobody has a wallet yet
        placed = not buyer.reviews or buyer.is_amazon(buyer.come_back(lost=True))
        play.need(placed, "no order is placed.", "express.completes")
    foreign, own = (httpx.URL(buyer.returned) for buyer in (first, third))
    mixed = own.copy_set_param(RETURN_PARAMETER, foreign.params.get(RETURN_PARAMETER, ""))
    # Each address has a thief of its own, since a wallet may come late.
    play.judge_all(_thefts(play, first, foreign, [(second, foreign), (third, mixed)]))


def _thefts(
    play: Play, first: Buyer, foreign: httpx.URL, thieves: list[tuple[Buyer, httpx.URL]]
) -> Iterator[Callable[[], None]]:  # fmt: skip
    seconds, amounts = 0.0, (USUAL_AMOUNT + number for number in count())  # by which each order's charge is known
    for is_back in (False, True):
        if is_back:
            first.open(first.returned)
            seconds = min(PATIENT_SECONDS, 10 * play.delay(first))  # others need not be served as fast
        thieves.insert(0, (play.buyer(), foreign))
        for thief, url in thieves:
            thief.open(str(url))
        orders = {Order(play, thief, next(amounts)): url is not foreign for thief, url in thieves}
        plain = [order for order, advice in orders.items() if not advice]
        if seconds:
            soon(partial(play.steal, plain), seconds)
        for order in orders if play.plan.actions.charge else ():
            order.act("charge")
        soon(partial(play.steal, plain), CALM_SECONDS)
        yield from (partial(_require_no_theft, play, *row) for row in orders.items())


def _require_no_theft(play: Play, order: Order, advice: bool) -> None:
    # Their own address takes an agreement, and an id that nobody guesses.
    whose = "their own" if advice else "the other buyer's"
    who = "the second buyer" if order.buyer.returned else "a browser without cookies"
    what = "gets the wallet" if play.has_wallet(order.buyer) else "can pay from the wallet"
    seen = f"at {whose} return address, with the session of the first, {who} {what} of the first"
    play.expect(not play.steal([order]), seen, advice=advice)


def _require_nothing(play: Play, buyer: Buyer, visit: Answer) -> None:
    play.expect(visit.is_below(500), f"the buyer gets {visit}")
    if play.page != "update":  # the wallet of before stays
        play.never(lambda: play.objects("chargePermissions") or play.has_wallet(buyer), play.situation(buyer))


# --- Charges: an order counts as paid exactly if its money is there, once, whatever Amazon answers or does not --------


def paid(play: Play, order: Order, tries: int = 1) -> None:
    for _ in range(tries):
        answer = order.act("charge")
        if soon(order.is_paid, 1):
            break
    else:
        play.emulator.clock.advance("PT10M")
        play.end_fault()
    play.expect(soon(order.is_paid), order.situation(answer))
    order.expect_once(patient=tries > 1)
    play.expect_one_key("createCharge")


def reads_permission_first(play: Play, order: Order) -> None:
    answer = order.act("charge")
    charge = play.charges(answer)[0]["number"]
    first = [row["operation"] for row in play.calls(after=answer.number) if row["number"] < charge]
    play.expect("getChargePermission" in first, f"Create Charge comes after {', '.join(first) or 'nothing'}")


def agrees(play: Play, order: Order, above_limit: bool = False, required: bool = False) -> None:
    if above_limit:
        order = Order(play, order.buyer, CURRENCIES[play.currency].monthly_limit + 1)
    answer = order.act("charge")
    play.expect(answer.is_below(500), f"the action answers {answer.status or 'nothing'}")
    soon(order.is_decided, PATIENT_SECONDS if answer.is_below(400) else 1)  # what is refused goes on nowhere
    play.expect(soon(order.agrees), order.situation(answer))
    if required:
        play.charges(answer)


def pending(play: Play) -> None:
    codes = "AuthorizationInitiated", "CaptureInitiated", "PendingHardDeclined"
    for number, order in enumerate(play.undecided(*codes)):  # what sends the goods of one sends those of all
        seen = "the order is paid or fulfilled while its charge is pending"
        play.never(partial(order.says, "paid"), seen, patient=not number)
        order.act("charge")  # as one does who presses twice, or whose queue delivers twice
        order.expect_once(patient=not number)
        play.emulator.clock.advance("PT1M")
        if not soon(order.is_decided, 2) and order.money():
            order.act("charge")  # as a buyer does who comes again
            soon(order.is_decided)
        play.expect(order.agrees(), order.situation())


def captured(play: Play, order: Order) -> None:
    answer = order.act("charge")
    play.need(soon(partial(play.calls, "captureCharge", answer.number)), NO_CAPTURE)
    play.emulator.clock.advance("PT1M")
    answer = order.act("charge")  # as a buyer does who comes again
    order.expect_once(patient=True)  # and a job has time to make it again
    order.let_expire()
    play.expect(soon(order.agrees) and answer.is_below(500), order.situation(answer))


def same_order_twice(play: Play, order: Order) -> None:
    for _ in range(2):
        order.act("charge")
        soon(order.is_paid, 2)
    play.expect(order.money(), "no money is taken")
    order.expect_once()
    order = Order(play, order.buyer)
    play.happen({"faults": {"operation": "createCharge", "fault": "delay", "seconds": 2, "times": 2}})
    order.buyer.act("charge", order.values, 2)
    came = soon(order.money, 2 * PATIENT_SECONDS)  # Amazon's answers take two seconds
    play.expect(came, f"{came} of {order.price} is held or taken for an order sent twice at once")
    order.expect_once(patient=True)


# --- Refunds: the money goes back once, and counts as returned when it is ---------------------------------------------


def refunded(play: Play, order: Order) -> None:
    charge = order.charge.object_id
    play.captured()  # the order of another buyer, which is now the last one
    answer = order.act("refund")
    soon(lambda: play.objects("refunds"))
    play.emulator.clock.advance("PT1M")
    foreign = [row for row in play.objects("refunds") if row["chargeId"] != charge]
    play.expect(not foreign, "the charge of another order is refunded")
    order.expect_refund(order.amount, answer)
    if play.plan.actions.state and play.plan.notifications:  # by which the server learns of the end
        play.expect(soon(lambda: order.says("refunded")), f"the refund is Refunded; {order.words()}")


def refunded_once(play: Play, order: Order) -> None:
    part = format_amount(_PART, play.currency)
    answer, limit = order.refund(amount=part), 400
    if not answer.is_below(limit):  # the one who asked for it asks again, and may hear that it is under way
        answer, limit = order.act("refund", amount=part), 500
    play.never(lambda: len(play.objects("refunds")) > 1, "the amount is refunded more than once", patient=True)
    # A server that is told no amount refunds the entire order.
    amount = Decimal(part) if "{amount}" in str(play.plan.actions.refund) else order.amount
    order.expect_refund(amount, answer, below=limit)
    play.expect_one_key("createRefund")


def refund_declined(play: Play, order: Order) -> None:
    order.refund()
    play.emulator.clock.advance("PT1M")
    seen = "the refund is Declined; the server says that the order is refunded"
    play.never(lambda: order.says("refunded"), seen, patient=True)


# --- Requests: what holds for all that the server has asked for in the whole rehearsal --------------------------------


def algorithm(play: Play) -> None:
    rows = [row for row in play.exchanges if row.get("algorithm") and row["by"] != "rehearsal"]
    used = {row["algorithm"]: row["number"] for row in rows}
    play.need(used, "the server has signed nothing; play other checks with this one.")
    old = sorted(set(used) - {Algorithm.V2})
    play.expect(not old, f"{' and '.join(old)} is used", evidence=[used[name] for name in old])


def idempotency_key(play: Play) -> None:
    rows = [row for row in play.calls(after=0) if OPERATIONS[row["operation"]].idempotency is Idempotency.REQUIRED]
    play.need(rows, "the server has sent no request that needs a key; play other checks with this one.")
    without = [row for row in rows if not row["idempotencyKey"]]
    again = [row for row in rows if row["reasonCode"] == "DuplicateIdempotencyKey"]
    for problem, wrong in (("has no idempotency key", without), ("comes with the key of another request", again)):
        title = OPERATIONS[(wrong or rows)[0]["operation"]].title
        play.expect(not wrong, f"{title} {problem}", evidence=[row["number"] for row in wrong])
