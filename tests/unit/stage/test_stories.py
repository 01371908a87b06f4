"""The ten stories, as a presenter plays them, and their words; ends and amounts as computed on paper."""

import re
import tomllib
from contextlib import closing
from typing import Any

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.guide import NotChargeable
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.commands.stage import demo
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.shop import Arrival
from amazonpay_nb.shop.colors import contrast
from amazonpay_nb.spec.data import DataError, as_kind, read
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import behavior
from amazonpay_nb.spec.words import payments_of
from amazonpay_nb.stage import story as story_module
from amazonpay_nb.stage.handout import handout
from amazonpay_nb.stage.performance import Performance
from amazonpay_nb.stage.steps import VISITS, Server
from amazonpay_nb.stage.story import TEXTS, Beat, Step, Story, stories, story
from amazonpay_nb.texts import Texts, languages

REGIONS = ("na", "eu", "jp")

# By story: how each beat ends at Amazon, in every region.
ENDS = {
    "ride": "Completed Captured SoftDeclined Captured Refunded NonChargeable Captured",
    "food": "Completed Authorized Captured Authorized Canceled Refunded",
    "car": "Authorized TransactionAmountExceeded Captured Captured Refunded Closed Captured",
    "app": "Completed Authorized Captured NonChargeable Completed Authorized Refunded",
    "phone": "Completed Authorized Captured Captured Closed Captured Refunded Captured",
    "set-up": "Completed Authorized Captured CaptureInitiated Captured Refunded Closed",
    "express": "Open Authorized Captured Captured Refunded Closed Captured",
    "end-of-checkout": "Authorized Canceled Captured Captured Refunded Authorized Canceled",
    "sign-in": "Completed Captured no-answer Captured Refunded Closed Captured",
    "regions": "Captured Captured Captured Refunded Captured Captured -",
}
# By story and region: what is held, captured and refunded in the end.
MONEY = {
    "ride": {"na": "0.00 63.00 7.00", "eu": "0.00 58.50 6.50", "jp": "0 8100 900"},
    "food": {"na": "0.00 27.00 9.00", "eu": "0.00 24.00 8.00", "jp": "0 3000 1000"},
    "car": {"na": "0.00 990.00 22.50", "eu": "0.00 924.00 21.00", "jp": "0 132000 3000"},
    "app": {"na": "24.00 24.00 24.00", "eu": "22.00 22.00 22.00", "jp": "3200 3200 3200"},
    "phone": {"na": "0.00 96.00 32.00", "eu": "0.00 90.00 30.00", "jp": "0 13200 4400"},
    "set-up": {"na": "0.00 38.00 19.00", "eu": "0.00 34.00 17.00", "jp": "0 4800 2400"},
    "express": {"na": "0.00 192.00 12.00", "eu": "0.00 176.00 11.00", "jp": "0 25600 1600"},
    "end-of-checkout": {"na": "0.00 132.00 12.00", "eu": "0.00 121.00 11.00", "jp": "0 17600 1600"},
    "sign-in": {"na": "0.00 36.00 12.00", "eu": "0.00 33.00 11.00", "jp": "0 4500 1500"},
    "regions": {"na": "0.00 40.00 0.00", "eu": "0.00 18.00 19.80", "jp": "0 5000 0"},
}
# By story, what-if and branch: how it ends at Amazon, and what has moved in it in North America.
BRANCHES = {
    "ride": {
        "leave": {"open": "Captured 0.00 14.00 0.00", "closed": "Closed -"},
        "key": {"same": "SoftDeclined -", "new": "Captured 0.00 28.00 0.00"},
    },
    "food": {
        "bank": {"soft": "Authorized 18.00 0.00 0.00", "hard": "NonChargeable -"},
        "give-up": {"cancel": "Canceled -", "refund": "Refunded 0.00 18.00 18.00"},
    },
    "car": {
        "month": {"within": "Captured 0.00 90.00 0.00", "over": "PeriodicAmountExceeded -"},
        "leave": {"open": "Captured 0.00 22.50 0.00", "closed": "Closed -"},
    },
    "app": {
        "leave": {"open": "Authorized 24.00 0.00 0.00", "closed": "Closed -"},
        "bank": {"soft": "Authorized 24.00 0.00 0.00", "hard": "NonChargeable -"},
    },
    "phone": {
        "bank": {"soft": "Authorized 32.00 0.00 0.00", "hard": "NonChargeable -"},
        "month": {"within": "Captured 0.00 64.00 0.00", "over": "PeriodicAmountExceeded -"},
    },
    "set-up": {
        "challenge": {"pass": "Completed -", "fail": "CheckoutSessionCanceled -"},
        "month": {"within": "Captured 0.00 38.00 0.00", "over": "PeriodicAmountExceeded -"},
    },
    "express": {
        "lost": {"same": "Captured 0.00 60.00 0.00", "new": "Captured 0.00 120.00 0.00"},
        "bank": {"soft": "Captured 0.00 60.00 0.00", "hard": "NonChargeable -"},
    },
    "end-of-checkout": {
        "agree": {"saved": "Captured 0.00 132.00 0.00", "once": "Closed 0.00 120.00 0.00"},
        "bank": {"soft": "Captured 0.00 120.00 0.00", "hard": "NonChargeable -"},
    },
    "sign-in": {
        "challenge": {"pass": "Completed -", "fail": "CheckoutSessionCanceled -"},
        "key": {"same": "Captured 0.00 12.00 0.00", "new": "Captured 0.00 24.00 0.00"},
    },
    "regions": {
        "month": {"within": "Captured 0.00 40.00 0.00", "over": "PeriodicAmountExceeded -"},
        "challenge": {"pass": "Authorized 18.00 0.00 0.00", "fail": "CheckoutSessionCanceled -"},
    },
}


def money(journal: Journal) -> str:
    """What is held, captured and refunded; ``-`` where nothing has moved."""
    return next((" ".join(str(each) for each in list(row.values())[:3]) for row in journal.totals().values()), "-")


def end(journal: Journal) -> str:
    """The outcome of the last call."""
    last = journal.exchanges[-1]
    return last.outcome if last.status else "no-answer"


def check_words(performance: Performance, journal: Journal) -> None:
    """Each call and each answer has words of our own."""
    for exchange in journal.exchanges:
        outcome = exchange.outcome if exchange.status else "no-answer"
        assert f"ask.{exchange.operation}" in performance.texts
        assert f"answer.{outcome}" in performance.texts, outcome


def play(performance: Performance) -> None:
    """Play the next beat to its end, the buyer by a script."""
    performance.next()
    performance.finish()
    while performance.state == "waiting":
        performance.next()
        performance.finish()


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("name", stories())
def test_a_story_is_told_to_its_end_in_every_region(name: str, region: str) -> None:
    """Each beat ends as on paper, each branch of a what-if otherwise than the other, and Back gives the money back."""
    with closing(Performance(story(name), {"region": region}, pace=0)) as performance:
        before, ends, told = list[tuple[str, str]](), list[str](), dict[str, str]()
        for beat in performance.story.beats:
            before.append((performance.wb.region.code, money(performance.wb.journal)))
            play(performance)
            act = performance.act
            assert act is not None
            assert (performance.state, act.way, act.name) == ("done", "", beat.name)
            own = act.journal.since(act.begins)
            ends.append(end(own) if own.exchanges else "-")
            told[performance.wb.region.code] = money(act.journal)
            check_words(performance, own)
            for what_if in beat.what_ifs:
                try_and_undo(performance, name, what_if.name)
        assert ends == ENDS[name].split()
        assert told == (MONEY[name] if name == "regions" else {region: MONEY[name][region]})
        for begins in reversed(before):
            performance.back()
            assert (performance.wb.region.code, money(performance.wb.journal)) == begins


def try_and_undo(performance: Performance, name: str, what_if: str) -> None:
    """Both branches are played from the same moment, end as on paper, and are undone."""
    here, act = (money(performance.wb.journal), len(performance.wb.journal)), performance.act
    assert act is not None
    performance.try_what_if(what_if)
    branches = {row.name: f"{end(row.journal)} {money(row.journal)}" for row in act.what_ifs[what_if]}
    expected = BRANCHES[name][what_if]
    if performance.wb.region.code == "na" or name == "regions":
        assert branches == expected
    assert {row: text.split()[0] for row, text in branches.items()} == {
        row: text.split()[0] for row, text in expected.items()
    }
    assert len(set(branches.values())) == len(branches)
    assert (money(performance.wb.journal), len(performance.wb.journal)) == here
    for row in act.what_ifs[what_if]:
        check_words(performance, row.journal)


@pytest.mark.parametrize("name", stories())
def test_a_buyer_who_cancels_or_is_declined_does_not_end_the_story(name: str) -> None:
    """At each visit: the stage waits, the beat is played again, and the story ends with the money on paper."""
    with closing(Performance(story(name), {"region": "eu"}, pace=0)) as performance:
        for beat in performance.story.beats:
            performance.next()
            performance.finish()
            visits = 0
            while performance.state == "waiting":
                visits += 1
                # Express checkout takes the card on its first visit and asks the bank on the second.
                chooses = name == "express" and beat.name in ("choose", "without")
                for ending in ("cancel",) if chooses else ("cancel", "decline"):
                    refuse(performance, ending, visits)
                performance.next()
                performance.finish()
            assert performance.act is not None
            assert (performance.state, performance.act.name) == ("done", beat.name)
        assert money(performance.wb.journal) == MONEY[name]["jp" if name == "regions" else "eu"]


def refuse(performance: Performance, ending: str, visit: int) -> None:
    """End the visit that the stage waits for, and come back to it by playing the beat again."""
    performance.play_buyer(ending)
    performance.finish()
    assert performance.act is not None
    check_words(performance, performance.wb.journal)
    assert (performance.state, performance.act.way) == ("otherwise", ending)
    performance.next()
    performance.finish()
    for _ in range(visit - 1):
        performance.next()
        performance.finish()


class TestData:
    """The rows of ``stories.toml``."""

    def test_the_stories_are_the_four_flows_the_five_merchants_and_the_regions(self) -> None:
        """Each has six to eight beats, two questions at least, and a refund."""
        assert set(stories()) == set(ENDS)
        for row in stories().values():
            steps = [step for beat in row.beats for step in beat.steps]
            assert 6 <= len(row.beats) <= 8
            assert sum(len(beat.what_ifs) for beat in row.beats) >= 2
            assert "refund" in [step.do for step in steps]
            assert contrast(row.color, "#ffffff") >= 4.5
            assert set(row.price) == {"USD", "EUR", "GBP", "JPY"}
            assert len(row.picture) == 1

    def test_the_command_names_each_story(self) -> None:
        """In its help, where a presenter looks first."""
        assert demo.help is not None
        names = re.split(r",\s+", demo.help.partition("STORY: ")[2].partition(".")[0])
        assert names == [
            "set-up",
            "express",
            "end-of-checkout",
            "sign-in",
            "food",
            "ride",
            "car",
            "app",
            "phone",
            "regions",
        ]
        assert set(names) == set(stories())

    def test_all_what_ifs_of_the_wish_are_asked(self) -> None:
        """Keys, declines, the challenge, the limit, a lost answer and an agreement that the buyer has ended."""
        steps = [
            step
            for row in stories().values()
            for beat in row.beats
            for what_if in beat.what_ifs
            for branch in what_if.branches.values()
            for step in branch
        ]
        assert any(step.again for step in steps)
        assert {"SoftDeclined", "HardDeclined"} <= {step.code for step in steps}
        assert any(step.mfa == "fail" for step in steps)
        assert any(step.limit for step in steps)
        assert {"lose-answer", "buyer-leaves"} <= {step.do for step in steps}

    @pytest.mark.parametrize("name", stories())
    def test_each_step_can_be_taken(self, name: str) -> None:
        """It is one of the server's, and is about things that an earlier step has made."""
        row, made = story(name), set[str]()
        for beat in row.beats:
            made = check_steps(row, beat.steps, made)
            for what_if in beat.what_ifs:
                assert what_if.worse in ("", *what_if.branches)
                for branch in what_if.branches.values():
                    check_steps(row, branch, made)

    def test_a_misspelled_key_is_refused_with_its_place(self) -> None:
        """In a story, a beat or a step."""
        table = read("stories.toml", beside=story_module.__file__)["ride"] | {"name": "ride", "beats": []}
        beat: dict[str, Any] = {"name": "save", "steps": [{"do": "set-up"}]}
        for wrong, place in [
            ({"colour": "#000000"}, r"here, ride: unknown key 'colour'; did you mean 'color'\?"),
            ({"beats": [beat | {"step": []}]}, r"here, ride, beats, 0: unknown key 'step'; did you mean 'steps'\?"),
            ({"beats": [beat | {"steps": [{"doo": "pay"}]}]}, r"here, ride, beats, 0, steps, 0: unknown key 'doo'"),
        ]:
            with pytest.raises(DataError, match=place):
                as_kind("here", {"ride": table | wrong}, dict[str, Story])

    def test_each_call_is_linked_to_a_claim_that_there_is(self) -> None:
        """By an operation, and an outcome where that has a claim of its own."""
        rows = read("calls.toml", beside=story_module.__file__)["parity"]
        assert {name.partition(".")[0] for name in rows} <= set(OPERATIONS)
        assert all(behavior(claim).sentence for claim in rows.values())


def check_steps(row: Story, steps: tuple[Step, ...], made: set[str]) -> set[str]:
    """Return the names that there are after some steps."""
    for step in steps:
        assert hasattr(Server, f"_{step.do.replace('-', '_')}")
        assert {step.of, step.again} - {""} <= made
        assert not step.payment or step.payment in payments_of(row.use_case)
        assert not step.code or step.do == "pay"
        made = made | {step.name}
    return made


def keys_of(row: Story) -> set[str]:
    """The words that a story needs."""
    keys = {"title", "product"}
    for beat in row.beats:
        keys |= {beat.name, *(f"{beat.name}-{part}" for part in ("say", "means", "buyer"))}
        branches = [(what_if.name, name) for what_if in beat.what_ifs for name in what_if.branches]
        keys |= {what_if for what_if, _ in branches}
        keys |= {f"{what_if}-{name}{end}" for what_if, name in branches for end in ("", "-means")}
        plays = [beat.steps, *(steps for what_if in beat.what_ifs for steps in what_if.branches.values())]
        keys |= {step.says for steps in plays for step in steps if step.says}
    return keys


def most(key: str, row: Story) -> int:
    """How many characters a text of a story may have in English."""
    beats, what_ifs = {beat.name for beat in row.beats}, {each.name for beat in row.beats for each in beat.what_ifs}
    base = re.sub(r"-(na|eu|jp)$", "", key) if key not in beats else key
    if base.endswith("-say"):
        return 400
    if base.endswith("-means"):
        return 120 if base.removesuffix("-means") in beats else 90
    if base.endswith("-buyer"):
        return 60
    if base in what_ifs:
        return 50
    return 18 if base.rpartition("-")[0] in what_ifs and base not in beats else 40 if base not in beats else 32


ENGLISH: dict[str, dict[str, str]] = tomllib.loads((TEXTS / "en_US.toml").read_text("utf-8"))


class TestWords:
    """The words of the stories, in every language that there is."""

    @pytest.mark.parametrize("name", stories())
    def test_a_story_has_its_words_and_no_others(self, name: str) -> None:
        """Some have a second form for a region."""
        words, keys = set(ENGLISH[name]), keys_of(story(name))
        assert keys <= words
        more = {key for key in words - keys if re.sub(r"-(na|eu|jp)$", "", key) not in keys}
        assert all(key.startswith("row-") or key in ("yes", "no") for key in more if name == "regions")
        assert name == "regions" or not more

    @pytest.mark.parametrize("name", stories())
    def test_the_words_fit_their_place(self, name: str) -> None:
        """And the speaker has two to four sentences to say."""
        for key, text in ENGLISH[name].items():
            assert 0 < len(text) <= most(key, story(name)), key
            assert not re.search(r"-say(-\w\w)?$", key) or 2 <= len(re.findall(r"[.?!](?= |$)", text)) <= 5, key
        assert all(len(text) <= 60 for text in ENGLISH["ask"].values())
        assert all(len(text) <= 22 for text in ENGLISH["answer"].values())

    @pytest.mark.parametrize("language", languages(TEXTS))
    def test_the_languages_say_the_same(self, language: str) -> None:
        """The same keys, each with the same placeholders."""
        tables = tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8"))
        assert {name: list(table) for name, table in tables.items()} == {
            name: list(table) for name, table in ENGLISH.items()
        }
        for name, table in ENGLISH.items():
            for key, text in table.items():
                assert placeholders(tables[name][key]) == placeholders(text), f"{name}.{key}"


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{[^}]*\}", text))


def test_a_region_has_words_of_its_own_where_it_differs() -> None:
    """Japan has no page for changing the card."""
    texts = Texts(TEXTS, "en_US")
    everywhere, japan = (story("ride").words(texts, "repair-means", region) for region in ("na", "jp"))
    assert everywhere.startswith("The same wallet")
    assert "new wallet" in japan


def test_the_regions_differ_as_amazons_pages_say() -> None:
    """By the currency that an account is usually kept in, each with the claim that says so."""
    page, _ = handout(story("regions"), {}, "full")
    cells = (re.findall(r"<t[hd][^>]*>([^<]*)<", row) for row in page.split("<tr>"))
    rows = {name: values for name, *values in filter(None, cells)}
    evidence = "documented"
    assert rows["One wallet, a calendar month"] == ["$15,000.00", "€15,000.00", "¥2,000,000", evidence]
    assert rows["One charge, at most"] == ["$150,000.00", "€150,000.00", "¥10,000,000", evidence]
    assert rows["Refund above the charge: 15 %, up to"] == ["$75.00", "€75.00", "¥8,400", evidence]
    assert rows["Challenge when saving a wallet"] == ["no", "yes", "no", evidence]
    assert rows["Page for changing the card"] == ["yes", "yes", "no", evidence]
    assert rows["Currency of the account"] == ["USD", "EUR, GBP", "JPY", evidence]
    assert rows["Currencies that buyers can pay in"] == ["1", "12", "1", evidence]


def test_only_the_last_beat_of_the_regions_shows_the_table() -> None:
    """And a beat in which the buyer comes has a page to show."""
    tables: list[Beat] = [beat for row in stories().values() for beat in row.beats if beat.table]
    assert tables == [story("regions").beats[-1]]
    assert all(any(step.do in VISITS for step in row.beats[0].steps) for row in stories().values())


def test_nobody_jumps_past_a_beat_that_has_not_ended_well() -> None:
    """It is played first, by a script: later beats need what it brings."""
    with closing(Performance(story("ride"), pace=0)) as performance:
        for begin in ("cancel", ""):
            performance.next()
            performance.finish()
            performance.play_buyer(begin) if begin else None
            performance.finish()
            performance.go(4)
            performance.finish()
            assert (performance.at, performance.state) == (4, "done")
            assert money(performance.wb.journal) == "0.00 49.00 7.00"
            performance.go(0)
            performance.finish()
            performance.back()


def test_a_payment_that_was_not_sent_is_repeated_with_a_key_of_its_own() -> None:
    """The server asked for the wallet first, and then had no key to keep."""
    with closing(workbench.open(buyer="script")) as wb:
        assert wb.emulator
        server = Server(wb, stories()["ride"], "A ride", lambda page, step: Arrival("result", ""))
        with closing(MerchantAccount(wb.emulator, wb.set_up_keys())) as account:
            server.permission_id = account.wallet()
        wb.director.cause(server.permission_id, "NonChargeable", "PaymentMethodInvalid")
        with pytest.raises(NotChargeable):
            server.take(Step(do="pay", name="first", capture=True))
        wb.director.cause(server.permission_id, "Chargeable")
        for _ in range(2):
            server.take(Step(do="pay", name="first", again="first", capture=True))
        charges = wb.emulator.control.get("objects/charges")["objects"]
    assert [charge["captureAmount"] for charge in charges] == [wb.price("14.00")]
