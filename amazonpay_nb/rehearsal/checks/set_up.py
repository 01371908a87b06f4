"""Set-ups: a wallet is saved exactly if the buyer who comes back has agreed, whatever happens on the way."""

from pkgutil import resolve_name
from uuid import uuid4

import httpx

from amazonpay_nb.rehearsal.answer import Answer, NotTried, soon
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.play import Order, Play
from amazonpay_nb.spec.flows import RETURN_PARAMETER

_NO_PAGE = (404, 405)  # where a buyer is sent to by the server's own addresses


def completes(play: Play) -> None:
    buyer = _at_amazon(play)
    visit = buyer.approve()
    play.expect(soon(lambda: _saved(play, buyer)), f"the buyer gets {visit}; {_situation(play, buyer)}")


def left(play: Play, how: str, **choices: str) -> None:
    buyer = _at_amazon(play)
    buyer.decide(resolve_name(f"amazonpay_nb.shop.buyer:{how}"), **choices)
    visit = buyer.come_back()
    play.expect(visit.status not in _NO_PAGE, f"the buyer gets {visit}")
    _nothing_happens(play, buyer, visit)


def reload(play: Play) -> None:
    buyer = _at_amazon(play)
    buyer.approve()
    if not soon(lambda: _saved(play, buyer)):
        raise NotTried("no set-up ends well: see set-up.completes.")
    visit = buyer.open(buyer.returned)
    play.expect(visit.is_below(400), f"the buyer who reloads gets {visit}")
    play.never(lambda: not _saved(play, buyer), f"after it, {_situation(play, buyer)}")


def unknown_session(play: Play) -> None:
    buyer = _agreed(play)
    made_up = httpx.URL(buyer.returned).copy_set_param(RETURN_PARAMETER, str(uuid4()))
    _nothing_happens(play, buyer, buyer.open(str(made_up)))


def foreign_session(play: Play) -> None:
    if not (play.plan.actions.state or play.plan.actions.charge):
        raise NotTried("the plan has neither an action state nor charge, which show whose a wallet is.")
    first, second = _agreed(play), play.buyer()
    second.open(second.path_of(play.page))
    for buyer in (second, first, second):
        buyer.open(first.returned)
        if buyer is second:
            _require_strange(play, second)


def late(play: Play) -> None:
    buyer = _agreed(play)
    play.emulator.clock.advance("PT24H")
    _nothing_happens(play, buyer, buyer.open(buyer.returned))


def repeated(play: Play, fault: str) -> None:
    buyer = _at_amazon(play)
    play.fault("completeCheckoutSession", fault)
    visit = buyer.approve()
    if not soon(lambda: _saved(play, buyer), 1):
        visit = buyer.open(buyer.asked)
    play.expect(soon(lambda: _saved(play, buyer)), f"the buyer gets {visit}; {_situation(play, buyer)}")


def _at_amazon(play: Play) -> Buyer:
    buyer = play.wallet() if play.page == "update" else play.buyer()
    buyer.press(play.page)
    return buyer


def _agreed(play: Play) -> Buyer:
    """Return a buyer who has agreed at Amazon's, and whose way back was lost."""
    buyer = _at_amazon(play)
    buyer.decide()
    return buyer


def _saved(play: Play, buyer: Buyer) -> bool:
    return {*play.states("checkoutSessions")} == {"Completed"} and play.is_saved(buyer)


def _situation(play: Play, buyer: Buyer) -> str:
    books = {"Checkout Sessions": "checkoutSessions", "Charge Permissions": "chargePermissions"}
    seen = ", ".join(f"{name}: {', '.join(play.states(kind)) or 'none'}" for name, kind in books.items())
    if play.plan.actions.state is None:
        return seen
    return f"{seen}; the server says that the wallet is {buyer.state()['wallet']}"


def _nothing_happens(play: Play, buyer: Buyer, visit: Answer) -> None:
    play.expect(visit.is_below(500), f"the buyer gets {visit}")
    if play.page != "update":  # the wallet of before stays
        play.never(lambda: play.objects("chargePermissions") or play.has_wallet(buyer), f"{_situation(play, buyer)}")


def _require_strange(play: Play, second: Buyer) -> None:
    play.never(lambda: play.has_wallet(second), "the server gives the second buyer the wallet of the first")
    if play.plan.actions.charge:
        answer = Order(play, second).act("charge")
        seen = f"the second buyer's order is paid from the wallet of the first (the action answers {answer.status})"
        play.never(play.money, seen)
