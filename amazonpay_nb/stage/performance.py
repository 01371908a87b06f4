"""A performance of a story: beats that are played one at a time, each from a moment to which the stage can go back.

The presenter's commands come from any thread; one thread at a time plays.  Nothing runs ahead: a beat in which the
buyer has to come waits for the buyer, as long as it takes.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, suppress
from copy import copy
from typing import Any

import httpx

from amazonpay_nb.client.guide import NotChargeable
from amazonpay_nb.errors import AmazonPayError, BuyerPageError
from amazonpay_nb.shop import Arrival
from amazonpay_nb.stage.brand import Brand
from amazonpay_nb.stage.phone import PACE_SECONDS, Left, Otherwise, PhonePage, address_after, return_address, seen
from amazonpay_nb.stage.steps import VISITS, Act, Server
from amazonpay_nb.stage.story import TEXTS, Beat, Step, Story
from amazonpay_nb.texts import Texts
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage

CANCEL = "cancel"  # the kind of an arrival
READY, PLAYING, WAITING, DONE, OTHERWISE = "ready", "playing", "waiting", "done", "otherwise"
_REASONS = {"declined": "decline", "Declined": "decline", "BuyerCanceled": CANCEL}  # notice or reason → `Act.way`
_LOG = logging.getLogger(__name__)


class Performance:
    """One story on one stage, in the merchant's face: see `Brand.of`.

    Args:
        pace: Seconds that each page stays on view while a script plays the buyer.
    """

    def __init__(self, story: Story, chosen: Mapping[str, str] = {}, *, pace: float = PACE_SECONDS) -> None:
        self.story, self.brand, self._pace = story, Brand.of(story, chosen), pace
        self.on_change: Callable[[], None] = lambda: None  # called, from any thread, after each change
        self.command = threading.RLock()  # held while a command changes the stage
        self._player: threading.Thread | None = None
        self._hurry, self._aside = False, False
        self.phone = PhonePage(0, "")  # without an address, the stage shows the shop's app
        self._aim: tuple[int, bool] | None = None  # what `_play` was told
        self._benches: dict[str, Workbench] = {}  # by region
        self._begin()

    def _begin(self) -> None:
        self.texts = Texts(TEXTS, self.brand.language)
        self.acts: list[Act] = []  # the beats that were played, up to the one on the screen
        self._all = ExitStack()  # undoes everything
        self._moments: list[tuple[ExitStack, Server]] = []  # before each beat, to which the first leads back
        self.at, self.state = 0, READY  # the beat on the screen, from 0, and how far it is
        self._leave: Future[None] = Future()
        self._called: Future[None] = Future()  # the script that plays the buyer
        self._page: HostedPage | None = None
        self.step = Step(do="say")  # what the buyer comes for: the one who is awaited, or the last one
        self._way, self._reason = "", ""
        self._show("")
        self._open(self.brand.region, self._all)

    def _open(self, region: str, undo: ExitStack) -> None:
        """Let the story go on in a region, whose workbench is opened on first use."""
        if region not in self._benches:
            brand = self.brand.with_choices(self.story, region=region)
            bench = self._benches[region] = Workbench(
                region=region, buyer="script", amount=brand.amount, currency=brand.currency, language=brand.language,
                merchant_name=brand.merchant_name, merchant_color=brand.merchant_color,
            )  # fmt: skip
            undo.callback(lambda: self._benches.pop(region).close())
            bench.set_up_keys()
            bench.shop.logo = brand.logo
        self.wb = self._benches[region]
        self.server = Server(self.wb, self.story, self.brand.product or self.words("product"), self._visit)

    def close(self) -> None:
        """Stop playing, and close the shop and the emulator."""
        with self.command:
            self._stop()
            self._all.close()

    def words(self, key: str) -> str:
        """Return words of the story, for the region in which it is told."""
        return self.story.words(self.texts, key, self.wb.region.code)

    @property
    def act(self) -> Act | None:
        """The beat on the screen, once it has begun."""
        return self.acts[self.at] if self.at < len(self.acts) else None

    @property
    def begins_at(self) -> str:
        """The shop's page from which the buyer who is awaited goes to Amazon; "" where nobody is."""
        return self._page.url if self._page else ""

    def _changed(self) -> None:
        if not self._aside:
            self.on_change()

    def next(self) -> None:
        """Play the beat on the screen, or the one after it; where the buyer is awaited, a script comes."""
        with self.command:
            if self.state == WAITING:
                self.play_buyer()
            elif self.state in (READY, OTHERWISE):
                self._play(self.at)
            elif self.state == DONE and self.at + 1 < len(self.story.beats):
                self._play(self.at + 1)

    def back(self) -> None:
        """Undo the beat on the screen; the one before it is shown as it ended."""
        with self.command:
            self._stop()
            if self._moments:
                self._return_to(self.at)
                self.at, self.state = max(self.at - 1, 0), DONE if self.acts else READY
            self._changed()

    def go(self, number: int) -> None:
        """Play a beat from its own moment; a script plays what comes before and was not played yet."""
        if not 0 <= number < len(self.story.beats):
            raise IndexError(f"the beats are 1 to {len(self.story.beats)}")
        with self.command:
            self._play(number)

    def dress(self, **choices: str) -> None:
        """Change the merchant's face, all of it or nothing; the story is played anew, as far as it had come."""
        brand = self.brand.with_choices(self.story, **choices)
        with self.command:
            begun, (at, hurry) = bool(self.acts or self._aim), self._aim or (self.at, False)
            self._stop()
            hurry = hurry or (self.at, self.state) == (at, DONE)
            self._all.close()
            self.brand = brand
            self._begin()
            if begun:
                self._play(at, hurry=hurry)
            self._changed()

    def play_buyer(self, ending: str = "approve") -> None:
        """Let a script go through the buyer's pages, to one of `phone.ENDINGS`."""
        with self.command:
            if self.state == WAITING:
                self.state, self._way = PLAYING, "" if ending == "approve" else ending
                self._called.set_result(None)
                self._changed()

    def happen(self, way: str) -> None:
        """Let one of `phone.WAYS` happen while the buyer is awaited."""
        with self.command:
            if self.state == WAITING and self.act and self._page:
                self.act.way = "" if way == "again" else way
                if way == "hour":
                    self.server.take(Step(do="wait", wait="PT1H"))
                elif way != "tab":
                    self._show(address_after(way, self._page, self.server.emulator.url))
                self._changed()

    def try_what_if(self, name: str) -> None:
        """Play each branch from this moment, and undo it."""
        with self.command:
            act = self.act
            what_if = next((row for row in self.story.beats[self.at].what_ifs if row.name == name), None)
            if act and what_if and self.state == DONE:
                act.what_ifs[name] = [self._branch(row, what_if.branches[row]) for row in what_if.branches]
                self._changed()

    def finish(self) -> None:
        """Wait until nothing plays, or the buyer is awaited."""
        while (player := self._player) and player.is_alive():
            if self.state in (WAITING, OTHERWISE) and (page := self._page) and not page.arrival.done():
                break
            player.join(0.01)

    def _stop(self) -> None:
        self._leave.set_result(None)
        if self._player:
            self._player.join()
        self._leave, self._player, self._page, self._aim = Future(), None, None, None

    def _return_to(self, number: int) -> None:
        """Go back to the moment before a beat."""
        while len(self._moments) > number:  # the emulator keeps a few copies alone: those after it go first
            undo, self.server = self._moments.pop()
            undo.close()
        del self.acts[number:]
        self.wb = self.server.wb
        self._show("")

    def _play(self, number: int, *, hurry: bool = False) -> None:
        self._stop()
        first = number if self.state in (READY, DONE) else min(number, self.at)  # what broke off is played again
        if first < len(self._moments):
            self._return_to(first)
        self.at, self.state, self._aim = len(self._moments), PLAYING, (number, hurry)
        self._player = threading.Thread(target=self._run, args=(number, hurry), name="stage", daemon=True)
        self._player.start()

    def _run(self, last: int, hurry: bool) -> None:
        with suppress(Left):
            for number in range(len(self._moments), last + 1):
                self.at, self._hurry = number, hurry or number < last
                # Between two beats nothing is done yet: a command of that moment must not take it for a rest.
                self._beat(self.story.beats[number], PLAYING if number < last else DONE)
                if self.state == OTHERWISE:
                    break

    def _beat(self, beat: Beat, end: str) -> None:
        undo = self._all.enter_context(ExitStack())
        self._moments.append((undo, copy(self.server)))
        act = Act(beat.name, self.wb.journal, len(self.wb.journal))
        self.acts.append(act)
        try:
            for bench in self._benches.values():
                undo.enter_context(bench.director.fork())
            if beat.region:
                self._open(beat.region, undo)
                act = self.acts[-1] = Act(beat.name, self.wb.journal, len(self.wb.journal))
            self._show("")
            self._take(beat.steps, act)
            self.state = end
        except Otherwise as way:
            self.state, act.way = OTHERWISE, str(way)
        except Exception:  # noqa: BLE001 (a merchant is watching: no traceback, ever)
            _LOG.exception("the beat %r ended early", beat.name)
            self.state, act.way = OTHERWISE, "trouble"
        self._changed()

    def _take(self, steps: Iterable[Step], act: Act) -> None:
        for step in steps:
            if step.says:
                act.say(self.words(step.says))
            try:
                self.server.take(step)
            except NotChargeable as error:  # the server looked first, so nothing was sent
                act.say(self.texts("ui.not-sent", reason=self.texts(f"answer.{error.permission.state}")))
            except AmazonPayError:  # a refusal is an answer, and in the journal
                if step.do in VISITS:
                    raise Otherwise(self._way or _REASONS.get(self._reason, "refused")) from None
            self._changed()

    def _visit(self, page: HostedPage, step: Step) -> Arrival:
        self._page, self.step, self._way, self._called = page, step, "", Future()
        self._show(page.url, PLAYING if self._hurry else WAITING)
        if not self._hurry:
            self._wait(page.arrival, self._called)
        if not page.arrival.done():
            self._script(page, step)
        while True:
            self._wait(page.arrival)
            arrival = page.settle()
            stay = page.look(arrival.checkout_session_id)
            self._reason = stay.get("notice") or stay.get("reasonCode") or ""
            if arrival.kind != CANCEL:
                break
            if self._aside or self.act is None:
                raise Otherwise(self._way or CANCEL)
            self.state, self.act.way = OTHERWISE, self._way or CANCEL
            # The shop's page leads back to its button: the buyer may still come.
            page.await_another(stay)
            self._changed()
        self._page, self.state = None, PLAYING
        if self.act and not self._aside:
            if self.act.way == "tab":  # the phone is still where that tab left it
                self._show(return_address(page, arrival, self.wb.shop.url))
            self.act.way = ""
        return arrival

    def _wait(self, *ends: Future[Any], seconds: float | None = None) -> None:
        """Wait for the first of these, or for some seconds; where the presenter goes elsewhere, that is the end."""
        wait([self._leave, *ends], seconds, FIRST_COMPLETED)
        if self._leave.done():
            raise Left

    def _show(self, url: str, state: str = "") -> None:
        self.phone = PhonePage(self.phone.key + 1, url)
        if state:  # after the page, so that whoever sees it sees that
            self.state = state
        self._changed()

    def _script(self, page: HostedPage, step: Step) -> None:
        """Go through the buyer's pages, to the return to the shop; each stays for a while, unless nobody sees it."""

        def see(response: httpx.Response) -> None:
            response.read()
            if response.is_success and "html" in response.headers.get("content-type", ""):
                if self.act and not self._aside:
                    self.act.pages.append((seen(response.url), response.text))
                if not self._hurry:
                    self._show(seen(response.url))
                self._wait(page.arrival, seconds=0 if self._hurry else self._pace)

        choices: dict[str, Any] = {"card": step.card, "consent": step.consent, "mfa": step.mfa}
        try:
            page.play(ending=self._way or "approve", see=see, **({} if self._way else choices))
        except BuyerPageError as error:  # the pages do not offer what the step says
            _LOG.error("%s", error)
            if not page.arrival.done():  # else a person was faster on the phone
                raise Otherwise("trouble") from None

    def _branch(self, name: str, steps: Iterable[Step]) -> Act:
        act, before, shown = Act(name, self.wb.journal, len(self.wb.journal)), copy(self.server), self.phone
        self._hurry = self._aside = True  # nobody sees it
        try:
            with self.wb.director.fork():
                try:
                    self._take(steps, act)
                except Otherwise as way:
                    act.way = str(way)
                return act.kept()
        finally:
            self.server = before
            self._hurry, self._aside, self._page, self.phone, self.state = False, False, None, shown, DONE
