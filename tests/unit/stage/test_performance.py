"""A performance, as a presenter commands it: real shop, real emulator, real pages."""

import threading
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import http_client
from amazonpay_nb.shop import buyer
from amazonpay_nb.spec.data import as_kind
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.stage import view
from amazonpay_nb.stage.brand import Brand
from amazonpay_nb.stage.performance import Performance
from amazonpay_nb.stage.story import Story, stories, story
from tests.processes import PATIENCE

CURRENCIES = [(code, currency) for code, region in REGIONS.items() for currency in region.ledger_currencies]
SAVE = {"name": "save", "steps": [{"do": "set-up"}]}
RIDE = {"name": "ride", "steps": [{"do": "pay", "payment": "a ride", "times": "1.5", "name": "ride"}]}
DECLINE = {
    "name": "declined",
    "steps": [{"do": "pay", "payment": "a ride", "times": "2", "name": "declined", "code": "SoftDeclined"}],
    "what_ifs": [
        {
            "name": "key",
            "branches": {
                "same": [{"do": "pay", "payment": "a ride", "times": "2", "again": "declined"}],
                "new": [{"do": "pay", "payment": "a ride", "times": "2"}],
                "closed": [
                    {"do": "buyer-leaves"},
                    {"do": "pay", "payment": "a ride"},
                ],
            },
        }
    ],
}
REFUND = {"name": "refund", "steps": [{"do": "refund", "of": "ride", "times": "0.5", "name": "refund"}]}
ELSEWHERE = {"name": "elsewhere", "region": "eu", "steps": [{"do": "set-up"}, {"do": "pay", "payment": "a ride"}]}


def told(*beats: dict[str, Any]) -> Story:
    """The ride-hailing merchant with beats of our own."""
    ride = story("ride")
    row = {"name": "ride", "use_case": ride.use_case, "merchant": "Rapid Rides", "color": "#5b2a86", "picture": "🚕"}
    prices = {"price": {"USD": "14.00", "EUR": "13.00", "GBP": "12.00", "JPY": "1800"}}
    return as_kind("here", row | prices | {"beats": beats}, Story)


def play(performance: Performance, *presses: str) -> None:
    """Press keys, each when the stage has come to rest."""
    for press in presses:
        getattr(performance, press)()
        performance.finish()


def captured(performance: Performance) -> Decimal:
    return sum((totals["captured"] for totals in performance.wb.journal.totals().values()), Decimal(0))


def operations(performance: Performance) -> list[str]:
    return [exchange.operation for exchange in performance.wb.journal.exchanges]


@pytest.fixture
def stage() -> Iterator[Performance]:
    """The wallet, a ride, a decline and a refund, before the first beat."""
    with closing(Performance(told(SAVE, RIDE, DECLINE, REFUND), pace=0)) as performance:
        yield performance


class TestBeats:
    """Next and Back."""

    def test_nothing_runs_before_it_is_asked_for(self, stage: Performance) -> None:
        """Nor ahead: a beat with a visit waits for the buyer."""
        assert (stage.at, stage.state, operations(stage)) == (0, "ready", [])
        play(stage, "next")
        assert (stage.at, stage.state, operations(stage)) == (0, "waiting", [])
        assert stage.phone.url.startswith(stage.wb.shop.url)

    def test_a_person_plays_the_buyer(self, stage: Performance) -> None:
        """On the page that is on the phone; the server does its part when the buyer is back."""
        play(stage, "next")
        buyer.arrive(buyer.approve(stage.phone.url))
        stage.finish()
        assert (stage.at, stage.state, operations(stage)) == (0, "done", ["completeCheckoutSession"])

    def test_a_script_plays_the_buyer_where_nobody_does(self, stage: Performance) -> None:
        """Next goes on in any case, one beat at a time; what the script saw is kept."""
        play(stage, "next", "next")
        assert (stage.at, stage.state) == (0, "done")
        assert stage.act is not None
        assert len(stage.act.pages) >= 3
        play(stage, "next")
        assert (stage.at, stage.state, captured(stage)) == (1, "done", Decimal("21.00"))

    def test_beats_may_be_repeated_without_an_end(self, stage: Performance) -> None:
        """The emulator keeps sixteen copies of its world, and the oldest goes first."""
        for number in (3, 1) * 9:
            stage.go(number)
            stage.finish()
        play(stage, "back", "back")
        assert (stage.at, stage.state, operations(stage)) == (0, "ready", [])

    def test_after_the_last_beat_nothing_follows(self, stage: Performance) -> None:
        """Next is then without effect."""
        play(stage, "next", "next", "next", "next", "next")
        before = operations(stage)
        play(stage, "next", "next")
        assert (stage.at, stage.state, operations(stage)) == (3, "done", before)

    def test_back_undoes(self, stage: Performance) -> None:
        """At the server and at Amazon, and the way forward is the same again."""
        play(stage, "next", "next", "next")
        seen = operations(stage)
        play(stage, "next", "back")
        assert (stage.at, stage.state, captured(stage), operations(stage)) == (1, "done", Decimal("21.00"), seen)
        play(stage, "back")
        assert (stage.at, stage.state, captured(stage)) == (0, "done", Decimal(0))
        emulator = stage.wb.emulator
        assert emulator is not None
        assert emulator.control.get("objects/charges")["objects"] == []
        play(stage, "back")
        assert (stage.at, stage.state, stage.act, operations(stage)) == (0, "ready", None, [])
        play(stage, "next", "next", "next")
        assert captured(stage) == Decimal("21.00")

    def test_back_leaves_a_buyer_who_is_awaited(self, stage: Performance) -> None:
        """The stage does not hang on the visit."""
        play(stage, "next", "back")
        assert (stage.at, stage.state, stage.phone.url) == (0, "ready", "")

    def test_any_beat_can_be_asked_for(self, stage: Performance) -> None:
        """A script plays what lies between; an earlier one is played from its own moment."""
        stage.go(3)
        stage.finish()
        assert (stage.at, stage.state, captured(stage)) == (3, "done", Decimal("21.00"))
        stage.go(1)
        stage.finish()
        assert (stage.at, operations(stage)[-1]) == (1, "createCharge")
        for number in (-1, 4):
            with pytest.raises(IndexError, match="1 to 4"):
                stage.go(number)

    def test_nothing_is_done_before_all_is_done(self, stage: Performance) -> None:
        """Between two beats that are played one after the other, no command finds a rest."""
        ends: list[int] = []
        stage.on_change = lambda: ends.append(stage.at) if stage.state == "done" else None
        stage.go(3)
        stage.finish()
        assert ends == [3]

    def test_a_nervous_presenter(self, stage: Performance) -> None:
        """Keys that are pressed at the same time play each beat once."""
        threads = [threading.Thread(target=stage.next) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stage.finish()
        if stage.state == "waiting":
            play(stage, "next")
        assert operations(stage).count("completeCheckoutSession") == 1
        assert operations(stage).count("createCharge") <= 2

    def test_hours_of_backs_and_what_ifs(self, stage: Performance) -> None:
        """The emulator keeps a limited number of snapshots; the stage never loses the first moment."""
        stage.go(2)
        stage.finish()
        for _ in range(12):
            stage.try_what_if("key")
            play(stage, "back", "next")
        play(stage, "back", "back", "back")
        assert (stage.at, stage.state, operations(stage)) == (0, "ready", [])

    def test_a_story_may_go_on_in_another_region(self) -> None:
        """With its own world and currency; Back leads home, and forward leads to a new world there."""
        with closing(Performance(told(SAVE, RIDE, ELSEWHERE), pace=0)) as stage:
            for _ in range(2):
                stage.go(2)
                stage.finish()
                play(stage, "next")
                assert (stage.state, stage.wb.currency, captured(stage)) == ("done", "EUR", Decimal("13.00"))
                play(stage, "back")
                assert (stage.wb.currency, captured(stage)) == ("USD", Decimal("21.00"))


class TestOtherwise:
    """What a buyer, a network or a defect does to a beat."""

    @pytest.mark.parametrize(("ending", "heard"), [("cancel", []), ("decline", ["completeCheckoutSession"])])
    def test_a_buyer_who_gives_up(self, stage: Performance, ending: str, heard: list[str]) -> None:
        """The stage says how it went, and Next tries again; after a decline the server learns it from Amazon."""
        play(stage, "next")
        stage.play_buyer(ending)
        stage.finish()
        assert stage.act is not None
        assert (stage.state, stage.act.way, operations(stage)) == ("otherwise", ending, heard)
        play(stage, "next")
        assert stage.state == "waiting"
        play(stage, "next", "next")
        assert captured(stage) == Decimal("21.00")

    def test_a_person_who_cancels(self, stage: Performance) -> None:
        """As if the stage had played it."""
        play(stage, "next")
        buyer.arrive(buyer.cancel(stage.phone.url))
        stage.finish()
        assert stage.act is not None
        assert (stage.state, stage.act.way) == ("otherwise", "cancel")

    def test_a_person_who_cancels_and_tries_again_on_the_phone(self, stage: Performance) -> None:
        """The shop's page leads back to its button; the stage hears the second return, and the beat ends well."""
        play(stage, "next")
        page = stage.phone.url
        for _ in range(2):
            buyer.arrive(buyer.cancel(page))
            stage.finish()
            assert stage.state == "otherwise"
        buyer.arrive(buyer.approve(page))
        stage.finish()
        assert stage.act is not None
        assert (stage.state, stage.act.way, operations(stage)) == ("done", "", ["completeCheckoutSession"])

    @pytest.mark.parametrize("choice", [{"card": "9995"}, {"card": "3434"}])
    def test_a_person_whose_card_is_declined(self, stage: Performance, choice: dict[str, str]) -> None:
        """It is called by its name, as if the stage had played it."""
        play(stage, "next")
        buyer.arrive(buyer.approve(stage.phone.url, **choice))
        stage.finish()
        assert stage.act is not None
        assert (stage.state, stage.act.way) == ("otherwise", "decline")

    def test_back_while_a_script_plays_the_buyer(self) -> None:
        """The script ends at once: nothing of it is seen or heard afterward."""
        with closing(Performance(told(SAVE, RIDE), pace=60)) as stage:
            seen = threading.Event()
            play(stage, "next")
            before = stage.phone
            stage.on_change = lambda: seen.set() if stage.phone != before else None
            stage.next()
            assert seen.wait(PATIENCE)
            stage.back()
            assert (stage.state, stage.phone.url) == ("ready", "")
            emulator = stage.wb.emulator
            assert emulator is not None
            assert emulator.control.get("objects/checkoutSessions")["objects"] == []

    def test_the_end_is_when_the_script_has_ended_too(self) -> None:
        """The server may be done while the script still looks at the page to which the buyer came back."""
        with closing(Performance(told(SAVE), pace=0.3)) as stage:
            play(stage, "next", "next")
            assert stage.state == "done"
            assert not [thread for thread in threading.enumerate() if thread.name == "stage"]
            assert stage.act is not None
            assert stage.act.pages[-1][0].startswith(stage.wb.shop.url)

    def test_a_page_that_is_closed_and_opened_again(self, stage: Performance) -> None:
        """The visit goes on where it was."""
        play(stage, "next")
        page = stage.phone.url
        stage.happen("close")
        assert stage.act is not None
        assert (stage.state, stage.act.way, stage.phone.url) == ("waiting", "close", "")
        stage.happen("again")
        assert (stage.act.way, stage.phone.url) == ("", page)
        play(stage, "next")
        assert stage.state == "done"

    def test_a_second_tab_comes_back_first(self, stage: Performance) -> None:
        """The beat ends, and the phone shows where that tab has left the shop; looking at it is no other return."""
        play(stage, "next")
        assert stage.begins_at == stage.phone.url
        stage.happen("tab")
        buyer.arrive(buyer.approve(stage.begins_at))
        stage.finish()
        assert (stage.state, stage.begins_at) == ("done", "")
        assert "/signed-in/" in stage.phone.url
        with http_client() as http:
            assert "Amazon Pay is saved" in http.get(stage.phone.url).text

    def test_a_wallet_whose_card_is_changed(self) -> None:
        """The shop does not say that it was saved for the first time."""
        repair = {
            "name": "repair",
            "steps": [
                {"do": "pay", "payment": "a ride", "code": "HardDeclined"},
                {"do": "repair", "card": "4444"},
            ],
        }
        with closing(Performance(told(SAVE, repair), pace=0)) as stage:
            play(stage, "next", "next", "next")
            page = stage.begins_at
            stage.happen("tab")
            buyer.arrive(buyer.approve(page, card="4444"))
            stage.finish()
            with http_client() as http:
                assert "Your payment method is changed" in http.get(stage.phone.url).text

    def test_a_reload(self, stage: Performance) -> None:
        """The phone is asked to load the same page anew."""
        play(stage, "next")
        before = stage.phone
        stage.happen("reload")
        assert stage.phone.url == before.url
        assert stage.phone.key != before.key

    def test_an_hour_at_amazons_page(self, stage: Performance) -> None:
        """The clock moves, and the buyer can still agree."""
        play(stage, "next")
        emulator = stage.wb.emulator
        assert emulator is not None
        before = emulator.clock.now()
        stage.happen("hour")
        assert (emulator.clock.now() - before).total_seconds() == 3600
        play(stage, "next")
        assert stage.state == "done"

    def test_nothing_happens_where_no_buyer_is_awaited(self, stage: Performance) -> None:
        """Such a press is without effect."""
        stage.happen("close")
        stage.play_buyer("cancel")
        stage.try_what_if("key")
        assert (stage.state, stage.act) == ("ready", None)

    def test_a_page_that_does_not_offer_what_the_script_wants(self) -> None:
        """A set-up without the buyer's consent: the page refuses it, and the stage says that it did not work."""
        unwilling = SAVE | {"steps": [{"do": "set-up", "consent": False}]}
        with closing(Performance(told(unwilling), pace=0)) as stage:
            play(stage, "next", "next")
            assert stage.act is not None
            assert (stage.state, stage.act.way) == ("otherwise", "trouble")

    def test_the_phone_has_the_page_before_the_buyer_is_awaited(self) -> None:
        """Whoever sees the wait can open the page, at once."""
        pages: list[str] = []

        class Watched(Performance):
            def __setattr__(self, name: str, value: Any) -> None:
                super().__setattr__(name, value)
                if (name, value) == ("state", "waiting"):
                    pages.append(self.phone.url)

        with closing(Watched(told(SAVE), pace=0)) as stage:
            play(stage, "next")
            assert pages == [stage.begins_at]

    def test_a_person_who_is_faster_than_the_script(self) -> None:
        """The script finds the visit over, and says so in the log alone; what the person did counts."""
        failures: list[Any] = []
        threading.excepthook, before = failures.append, threading.excepthook
        try:
            with closing(Performance(told(SAVE, RIDE), pace=60)) as stage:
                seen = threading.Event()
                play(stage, "next")
                address, first = stage.phone.url, stage.phone
                stage.on_change = lambda: seen.set() if stage.phone != first else None
                stage.next()
                assert seen.wait(PATIENCE)  # the script has the first page, and looks at it for a minute
                buyer.arrive(buyer.approve(address))
                stage.finish()
                assert (stage.at, stage.state) == (0, "done")
                stage.go(1)
                stage.finish()
                assert captured(stage) == Decimal("21.00")
        finally:
            threading.excepthook = before
        assert failures == []

    def test_a_defect_of_ours(self, caplog: pytest.LogCaptureFixture) -> None:
        """A merchant is watching: the beat ends, the log has the reason, and the presenter can go on."""
        defect = {"name": "refund", "steps": [{"do": "refund", "of": "nothing"}]}
        with closing(Performance(told(defect), pace=0)) as stage:
            play(stage, "next")
            assert stage.act is not None
            assert (stage.state, stage.act.way) == ("otherwise", "trouble")
            assert "nothing" in caplog.text
            play(stage, "back")
            assert stage.state == "ready"

    def test_a_moment_that_cannot_be_kept_is_trouble(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The beat has not begun; the next press plays it."""
        with closing(Performance(told(SAVE), pace=0)) as stage:
            with monkeypatch.context() as broken:
                broken.setattr(stage.wb.director, "fork", None)
                play(stage, "next")
            assert stage.act is not None
            assert (stage.state, stage.act.way) == ("otherwise", "trouble")
            play(stage, "next", "next")
            assert (stage.at, stage.state) == (0, "done")

    def test_it_closes_while_a_buyer_is_awaited(self, stage: Performance) -> None:
        """And leaves no thread behind."""
        play(stage, "next")
        stage.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "stage"]


class TestPhone:
    """What the shop's app shows where the buyer sees no page."""

    def test_a_decline_is_called_so_and_no_other_refusal(self) -> None:
        """Nobody has declined a card where the merchant takes money that is no longer held."""
        for name, beat, newest in (("ride", 2, ("$28.00", "declined", "bad")), ("end-of-checkout", 1, None)):
            with closing(Performance(story(name), pace=0)) as stage:
                stage.go(beat)
                stage.finish()
                assert stage.state == "done"
                assert view.phone(stage)["newest"] == newest


class TestWhatIf:
    """Branches that are played and undone."""

    def test_each_is_played_from_the_same_moment(self, stage: Performance) -> None:
        """The same key gets the same answer, a new one the money; a closed permission is not even asked for."""
        stage.go(2)
        stage.finish()
        before, money = operations(stage), captured(stage)
        stage.try_what_if("key")
        assert stage.act is not None
        ends = {
            branch.name: ([exchange.answer for exchange in branch.journal.exchanges][-1], len(branch.notes))
            for branch in stage.act.what_ifs["key"]
        }
        assert ends == {"same": ("422 SoftDeclined", 0), "new": ("201 Captured", 0), "closed": ("200 Closed", 1)}
        assert (stage.state, operations(stage), captured(stage)) == ("done", before, money)
        assert stage.wb.client.get_charge_permission(stage.server.permission_id).state == "Chargeable"

    def test_the_story_goes_on_as_if_nothing_had_been(self, stage: Performance) -> None:
        """With the same objects, and the same ids."""
        stage.go(2)
        stage.finish()
        play(stage, "next")
        refunded = stage.server.objects["refund"]
        play(stage, "back")
        stage.try_what_if("key")
        play(stage, "next")
        assert stage.server.objects["refund"] == refunded

    def test_nobody_sees_it(self) -> None:
        """A branch in which the buyer comes leaves the phone, the pages and the screen alone."""
        again = {"name": "again", "branches": {"pass": [{"do": "set-up"}], "fail": [{"do": "set-up", "mfa": "fail"}]}}
        with closing(Performance(told(SAVE | {"what_ifs": [again]}), {"region": "eu"}, pace=0)) as stage:
            play(stage, "next", "next")
            assert stage.act is not None
            phone, pages, heard = stage.phone, list(stage.act.pages), list[str]()
            stage.on_change = lambda: heard.append(stage.state)
            stage.try_what_if("again")
            assert (stage.phone, stage.act.pages, heard, stage.begins_at) == (phone, pages, ["done"], "")
            ways = {branch.name: branch.way for branch in stage.act.what_ifs["again"]}
            assert ways == {"pass": "", "fail": "refused"}


class TestBrand:
    """The merchant's face, changed while the stage is open."""

    def test_a_change_is_live(self, stage: Performance) -> None:
        """The story is played anew, as far as it had come, with another name, language and currency."""
        stage.go(1)
        stage.finish()
        stage.dress(merchant_name="Schnelle Fahrt", region="eu")
        stage.finish()
        assert (stage.at, stage.wb.currency, stage.wb.shop.name) == (1, "EUR", "Schnelle Fahrt")
        assert captured(stage) == Decimal("19.50")
        stage.dress(region="jp")
        stage.finish()
        assert (stage.wb.currency, stage.wb.shop.name, captured(stage)) == ("JPY", "Schnelle Fahrt", Decimal(2700))

    def test_a_change_during_the_replay_of_another_loses_nothing(self, stage: Performance) -> None:
        """Two fields, one right after the other: the story comes as far as it had come before both."""
        stage.go(1)
        stage.finish()
        for name in ("Fast Rides", "Faster Rides"):
            stage.dress(merchant_name=name)
        stage.finish()
        assert (stage.at, stage.state, stage.wb.shop.name) == (1, "done", "Faster Rides")

    def test_a_price_is_written_as_people_write_it(self, stage: Performance) -> None:
        """With a comma as well."""
        stage.dress(region="eu", language="de_DE", amount="12,50")
        assert stage.brand.amount == "12.50"

    def test_a_logo_is_on_the_shops_pages(self, tmp_path: Path) -> None:
        """As it is, without a file that the page would have to find."""
        (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>")
        with closing(Performance(told(SAVE), {"logo": str(tmp_path / "logo.svg")}, pace=0)) as stage:
            stage.dress(merchant_name="Corner Shop")
            play(stage, "next")
            with http_client() as http:
                assert '<img class="logo" src="data:image/svg+xml;base64,' in http.get(stage.phone.url).text

    def test_the_screen_reads_no_files(self, stage: Performance, tmp_path: Path) -> None:
        """The command line may name one; a page sends a picture itself, of limited size."""
        (tmp_path / "logo.png").write_bytes(b"private")
        for logo in (str(tmp_path / "logo.png"), "data:image/png;base64," + "A" * 200_000, "data:text/html;base64,AA"):
            with pytest.raises(ConfigurationError, match="logo"):
                stage.dress(logo=logo)

    @pytest.mark.parametrize("name", stories())
    @pytest.mark.parametrize(("code", "currency"), CURRENCIES)
    def test_the_highest_price_that_is_named_is_one(self, name: str, code: str, currency: str) -> None:
        """Also where the limit is no whole number of times the price."""
        choices = {"region": code, "currency": currency}
        most = Brand.of(story(name), choices).most
        assert Brand.of(story(name), choices | {"amount": most}).amount == most

    @pytest.mark.parametrize(
        ("choice", "hint"),
        [
            ({"region": "uk"}, "na, eu, jp"), ({"merchant_color": "red"}, "#7a4b2a"), ({"amount": "1.234"}, "14.00"),
            ({"currency": "EUR"}, "USD"), ({"nmae": "X"}, "merchant_name"), ({"logo": "missing.png"}, "file"),
            ({"logo": "logo.exe"}, "png"), ({"product": "x" * 61}, "60"),
            ({"logo": "data:image/png;base64,AAAA"}, "png"), ({"amount": "5000"}, "1428.57"),
            ({"merchant_name": "\ud83d"}, "half"), ({"product": "\ud83d"}, "half"), ({"picture": "\ud83d"}, "half"),
        ],
    )  # fmt: skip
    def test_an_unusable_choice_changes_nothing(self, stage: Performance, choice: dict[str, str], hint: str) -> None:
        """The error says what can be chosen."""
        before = stage.brand
        with pytest.raises(ConfigurationError) as refusal:
            stage.dress(**choice)
        assert hint in str(refusal.value)
        assert (stage.brand, stage.state) == (before, "ready")
