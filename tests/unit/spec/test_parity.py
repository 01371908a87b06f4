"""The registry of behaviors and the tests that it names: each one exists, and no claim loses its test unnoticed."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from amazonpay_nb.spec import data
from amazonpay_nb.spec.parity import Evidence, behavior, behaviors, topics, ways_to_raise
from tests.node_ids import node_ids


def test_the_test_of_a_claim_exists() -> None:
    """By its node id as pytest takes it, without parameters."""
    missing = {
        row.id: row.test for row in behaviors() if row.test and row.test not in node_ids(row.test.partition("::")[0])
    }  # fmt: skip
    assert missing == {}, "no such tests"


def test_a_claim_has_a_test_or_a_reason() -> None:
    """One of the two, and a reason is a sentence."""
    undecided = [row.id for row in behaviors() if bool(row.test) == bool(row.why_not)]
    assert undecided == [], "name a test or say why there is none"
    reasons = {row.id: row.why_not for row in behaviors() if row.why_not}
    unfinished = [name for name, text in reasons.items() if not (text[0].isupper() and text.endswith("."))]
    assert unfinished == [], "a reason is a sentence"


def test_a_claim_is_one_sentence_that_nobody_else_makes() -> None:
    """With a source that was read lately."""
    assert [row.id for row in behaviors() if not row.sentence.endswith(".")] == []
    assert [row.id for row in behaviors() if not row.source or row.read_on < date(2026, 1, 1)] == []
    assert len({row.sentence for row in behaviors()}) == len(behaviors())


def test_a_claim_can_be_looked_up_at_an_address() -> None:
    """On a page that everybody can open, except for the lists in plug-ins, whose address nobody noted."""
    assert {row.source for row in behaviors() if not row.url} == {"plug-in lists"}
    addresses = [urlsplit(row.url) for row in behaviors() if row.url]
    assert {(address.scheme, bool(address.hostname)) for address in addresses} == {("https", True)}
    guide = [row for row in behaviors() if row.source.startswith(("api/", "co/", "so/", "ex/", "apb/", "ss/", "pmof/"))]
    strays = [row.id for row in guide if not row.url.startswith("https://developer.amazon.com/docs/")]
    assert strays == [], "a page of the guide is on Amazon's own host"


def test_every_topic_has_a_file_and_every_file_a_topic() -> None:
    """A file that nobody reads would hide its claims."""
    files = {path.stem for path in Path(data.__file__).with_name("parity").glob("*.toml")}
    assert files == {*topics(), "index"}
    assert sum(len(behaviors(topic)) for topic in topics()) == len(behaviors()) > 480
    assert all(behaviors(topic) for topic in topics())


def test_every_level_of_evidence_is_used() -> None:
    """A registry in which everything is documented would not be honest."""
    assert {row.evidence for row in behaviors()} == set(Evidence)


def test_what_is_inferred_could_be_raised() -> None:
    """Fewer than a hundred claims are, each says by what, and every way is somebody's."""
    inferred = [row for row in behaviors() if row.evidence is Evidence.INFERRED]
    assert len(inferred) < 100
    assert {row.raised_by for row in inferred} == set(ways_to_raise())
    assert {row.raised_by for row in behaviors() if row not in inferred} == {""}


def test_a_claim_is_found_by_its_id() -> None:
    """And an id that does not exist is an error."""
    row = behavior("refund.always-async")
    assert (row.topic, row.evidence, row.source) == ("refund", Evidence.DOCUMENTED, "api/refund")
    assert row.url == "https://developer.amazon.com/docs/amazon-pay-api-v2/refund.html"
    with pytest.raises(KeyError):
        behavior("refund.never-async")


def test_the_registry_is_read_only_by_those_who_ask() -> None:
    """A client does not wait for five hundred claims."""
    code = (
        "import amazonpay_nb.client; from amazonpay_nb.spec import parity; print(parity._registry.cache_info().misses)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "0"
