"""Requests: what holds for all that the server has asked for in the whole rehearsal."""

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from amazonpay_nb.rehearsal.answer import Failed, NotTried
from amazonpay_nb.rehearsal.play import Play
from amazonpay_nb.signing.steps import Algorithm
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency

Row = dict[str, Any]


def algorithm(play: Play) -> None:
    used = {row["algorithm"]: row["number"] for row in _requests(play) if row["algorithm"]}
    with suppress(NotTried):  # where no button can be pressed, the requests alone are seen
        used |= dict.fromkeys(_of_button(play), 0)
    if not used:
        raise NotTried("the server has signed nothing; play other checks with this one.")
    old = sorted(set(used) - {Algorithm.V2})
    if old:
        raise Failed(f"{' and '.join(old)} is used", evidence=[number for name in old if (number := used[name])])


def idempotency_key(play: Play) -> None:
    rows = [row for row in _requests(play) if OPERATIONS[row["operation"]].idempotency is Idempotency.REQUIRED]
    if not rows:
        raise NotTried("the server has sent no request that needs a key; play other checks with this one.")
    _refuse("has no idempotency key", [row for row in rows if not row["idempotencyKey"]])
    again = [row for row in rows if row["reasonCode"] == "DuplicateIdempotencyKey"]
    _refuse("comes with the key of another request", again)


def _refuse(problem: str, rows: list[Row]) -> None:
    if rows:
        title = OPERATIONS[rows[0]["operation"]].title
        raise Failed(f"{title} {problem}", evidence=[row["number"] for row in rows])


def _requests(play: Play) -> list[Row]:
    return play.calls(after=0)


def _of_button(play: Play) -> list[str]:
    forms: list[str] = []
    buyer = play.buyer()
    buyer.page.on("request", lambda request: forms.append(request.post_data or ""))
    buyer.press("set_up")
    return [name for form in forms for name in parse_qs(form).get("algorithm", [])]
