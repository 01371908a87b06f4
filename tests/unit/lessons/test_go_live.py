"""The way to live: what changes, the checklist and its evidence, and what is open."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.go_live import (
    BY_HAND,
    ONLY_LIVE,
    PROOFS,
    Change,
    ChecklistStep,
    Proof,
    Property,
    by_environment,
    changes,
    checklist,
    count_open,
    only_live,
    open_behaviors,
)
from amazonpay_nb.runs.failure import Failure
from amazonpay_nb.runs.report import Run, Summary, write_report
from amazonpay_nb.spec.parity import behavior, behaviors, topics
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.claims import Claim
from amazonpay_nb.workbench.show import show

OWN = [proof for proof in PROOFS if proof.claims]


@pytest.fixture(scope="module", params=list(REGIONS))
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench for each region, with keys."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def row(rows: list[Change], what: str) -> list[Change]:
    """The row of that name, and the one below it, which is about a neutral key."""
    found = next(number for number, each in enumerate(rows) if each.what == what)
    return rows[found : found + 2]


def lines(checks: list[ChecklistStep], verdict: str) -> list[str]:
    return [check.step for check in checks if check.verdict == verdict]


def summary_of(folder: Path, *runs: Run) -> str:
    """A report as a run writes it."""
    write_report(Summary(runs, 1.0), folder, finished=datetime(2026, 1, 15, tzinfo=UTC))
    return str(folder / "summary.json")


def run(notebook: str, error: str | None = None, **parameters: str) -> Run:
    claims = (Claim("one", "It holds.", True), Claim("two", "It holds, too.", True))
    return Run(notebook, dict(parameters), 1.0, Failure(error) if error else None, claims, {})


class TestChanges:
    """From the emulator to live."""

    def test_a_key_of_one_environment_keeps_the_address_and_a_neutral_one_changes_it(self, wb: Workbench) -> None:
        """As the client itself says."""
        own, neutral = row(changes(wb), "path of a request")
        assert own.sandbox == own.live == "/v2/…"
        assert neutral.sandbox == neutral.emulator == "/sandbox/v2/…"
        assert neutral.live == "/live/v2/…"

    def test_the_hosts_are_those_of_the_region(self, wb: Workbench) -> None:
        """The same for test and live."""
        rows = {change.what: change for change in changes(wb)}
        for what, host in {
            "host of the API": wb.region.api_host,
            "host of checkout.js": wb.region.checkout_script_host,
        }.items():
            assert (rows[what].emulator, rows[what].sandbox, rows[what].live) == ("127.0.0.1", host, host)

    def test_only_a_neutral_key_needs_the_option_of_the_button(self, wb: Workbench) -> None:
        """As the button itself says."""
        own, neutral = row(changes(wb), "sandbox option")
        assert (own.sandbox, own.live) == ("left out", "left out")
        assert (neutral.emulator, neutral.sandbox, neutral.live) == ("true", "true", "false")

    def test_nothing_is_sent(self, wb: Workbench) -> None:
        """The journal of the run knows nothing of it."""
        before = len(wb.journal)
        assert changes(wb)
        assert len(wb.journal) == before

    def test_every_row_says_how_it_is_known(self, wb: Workbench) -> None:
        """By the package, by a behavior that exists, or by a page of the guide."""
        for change in changes(wb):
            evidence, _, source = change.how_we_know.partition(": ")
            if source in {row.id for row in behaviors()}:
                assert evidence == behavior(source).evidence, change
            else:
                assert change.how_we_know in {"asked here", "documented: take-your-integration-live"}

    def test_what_environments_share_stands_once_and_nothing_is_lost(self, wb: Workbench) -> None:
        """Whoever reads the short form can write the long one."""
        values, sources = dict[str, dict[str, str]](), dict[str, str]()
        for line in by_environment(changes(wb)):
            if isinstance(line, Property):
                values.setdefault(line.what, {}).update(dict.fromkeys(line.where.split(", "), line.value))
            else:
                known = f"{line.how_we_know}: {line.source}".removesuffix(": ")
                sources |= dict.fromkeys(line.what.split(", "), known)
        assert [Change(what, **row, how_we_know=sources[what]) for what, row in values.items()] == changes(wb)
        assert Property("host of the API", wb.region.api_host, "sandbox, live") in by_environment(changes(wb))

    def test_it_can_be_shown_without_giving_a_port_away(self, wb: Workbench) -> None:
        """Ports differ from run to run."""
        assert wb.emulator
        assert wb.emulator.url.rpartition(":")[2] not in show([*changes(wb), *by_environment(changes(wb))]).text


class TestChecklist:
    """Steps, verdicts and evidence."""

    def test_nothing_is_proven_by_nothing(self, wb: Workbench) -> None:
        """And what a person has to do is never ticked by a program."""
        checks = checklist(wb, [])
        assert lines(checks, "○ not shown") == [proof.step for proof in PROOFS]
        assert lines(checks, "☐ by hand") == list(BY_HAND)

    @pytest.mark.parametrize("proof", OWN, ids=lambda proof: proof.step)
    def test_claims_at_hand_prove_a_step_when_all_are_there(self, wb: Workbench, proof: Proof) -> None:
        """One that is missing, or does not hold, is seen."""
        held = [Claim(name, "It holds.", True) for name in proof.claims]
        assert lines(checklist(wb, held), "✓ shown") == [proof.step]
        assert lines(checklist(wb, held[1:]), "✓ shown") == []
        broken = [*held[1:], Claim(proof.claims[0], "It does not.", None)]
        assert lines(checklist(wb, broken), "✗ failed") == [proof.step]

    def test_a_summary_proves_what_passed_and_shows_what_failed(self, wb: Workbench, tmp_path: Path) -> None:
        """With the notebook, the number of claims, and where it ran; one that claims nothing shows nothing."""
        passed = run("06_manage_refunds", environment="sandbox", region="eu")
        empty = replace(run("06_manage_refunds"), claims=())
        (nothing,) = (check for check in checklist(wb, [], summary_of(tmp_path, empty)) if check.verdict == "✗ failed")
        assert nothing.evidence == "06_manage_refunds: it claims nothing (emulator, na)"
        failed = run("05_manage_payments", "AssertionError: recovered")
        checks = checklist(wb, [], summary_of(tmp_path, passed, failed))
        (shown,) = (check for check in checks if check.verdict == "✓ shown")
        (wrong,) = (check for check in checks if check.verdict == "✗ failed")
        assert shown.evidence == "06_manage_refunds: 2 claims hold (sandbox, eu)"
        assert wrong.evidence == "05_manage_payments: AssertionError: recovered (emulator, na)"

    def test_one_failed_run_of_several_fails_the_step(self, wb: Workbench, tmp_path: Path) -> None:
        """A sweep runs a notebook in each region."""
        runs = [run("01_set_up", region="na"), run("01_set_up", "NotFoundError: gone", region="jp")]
        checks = checklist(wb, [], summary_of(tmp_path, *runs))
        (wrong,) = (check for check in checks if check.verdict == "✗ failed")
        assert len(wrong.evidence.splitlines()) == 2

    @pytest.mark.parametrize("text", [None, "{}", "not JSON", "[]"])
    def test_what_is_no_summary_is_refused_by_name(self, wb: Workbench, tmp_path: Path, text: str | None) -> None:
        """With what to give instead."""
        path = tmp_path / "other.json"
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigurationError, match=r"other\.json.*is no summary") as refusal:
            checklist(wb, [], str(path))
        assert "amazonpay-nb run" in refusal.value.advice

    def test_every_notebook_is_a_step_once(self) -> None:
        """The first one is a summary of the others."""
        named = [proof.notebook for proof in PROOFS if not proof.claims] + ["09"]
        assert sorted(named) == [f"{number:02d}" for number in range(1, 11)]


class TestOpenPoints:
    """What a run on the emulator proves nothing about."""

    def test_a_point_is_open_exactly_when_it_is_inferred_ours_or_not_emulated(self) -> None:
        """Everything else is documented or seen, and held by a test."""
        listed = {point.behavior for topic in topics() for point in open_behaviors(topic)}
        firm = [each for each in behaviors() if each.id not in listed]
        assert all(each.test and each.evidence in {"documented", "sdk", "recorded"} for each in firm)
        assert {each.id for each in behaviors()} == listed | {each.id for each in firm}
        assert all(point.why_it_is_open for topic in topics() for point in open_behaviors(topic))

    def test_the_counts_are_those_of_the_lists(self) -> None:
        """And the last row is the sum of the others."""
        counts = count_open()
        total = counts.loc["all"]
        assert total["all"] == len(behaviors())
        assert list(counts.index) == [*topics().values(), "all"]
        assert (counts.drop("all").sum() == total).all()
        for topic, heading in topics().items():
            row = counts.loc[heading]
            assert row["all"] == len(behaviors(topic))
            assert row["inferred"] + row["emulator-only"] + row["not emulated"] == len(open_behaviors(topic))

    def test_what_only_live_will_tell_is_not_emulated(self) -> None:
        """None of it can have a test here."""
        assert [point.behavior for point in only_live()] == list(ONLY_LIVE)
        assert all(behavior(name).why_not for name in ONLY_LIVE)

    def test_an_unknown_topic_is_named_with_those_there_are(self) -> None:
        """A misspelled one must not look like one without gaps."""
        with pytest.raises(ConfigurationError, match="no topic 'refunds'"):
            open_behaviors("refunds")
