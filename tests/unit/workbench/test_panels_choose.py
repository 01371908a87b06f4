"""The chooser: nothing is answered for the reader, and every way ends at a chapter that exists."""

from pathlib import Path

import pytest

from amazonpay_nb.spec.flows import FLOWS, QUESTIONS
from amazonpay_nb.workbench.panels import chooser
from amazonpay_nb.workbench.panels.questions import Chooser

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


def asked(**answers: str) -> list[str]:
    return [field.name for field in Chooser(live=True).view(answers).fields]


def test_nothing_is_answered_for_the_reader() -> None:
    """The first question alone, without an answer, and no flow yet."""
    view = Chooser(live=True).view({})
    (question,) = view.fields
    assert (question.name, question.default) == ("purpose", "")
    assert len(question.options) == len(QUESTIONS[0].answers)
    assert (tuple(view.body), view.links) == ((), {})


def test_only_the_questions_that_matter_are_asked() -> None:
    """What follows from an answer is asked after it."""
    assert asked(purpose="save") == ["purpose", "signed_in"]
    assert asked(purpose="buy") == ["purpose", "final", "ships"]
    assert asked(purpose="change") == ["purpose"]


@pytest.mark.parametrize("flow", FLOWS.values(), ids=lambda flow: flow.name)
def test_the_answers_open_the_chapter_of_the_flow(flow: object) -> None:
    """By a relative link to a notebook that is there."""
    assert flow in FLOWS.values()
    answers = {"ships": "no", **flow.answers}  # type: ignore[attr-defined]
    ((file, title),) = Chooser(live=True).view(answers).links.items()
    assert title == flow.title  # type: ignore[attr-defined]
    assert (NOTEBOOKS / file).is_file()


def test_what_is_delivered_decides_the_product_type() -> None:
    """As the payload of the button panel then has it."""
    answers = {"purpose": "buy", "final": "no"}
    for ships, product_type in (("yes", "PayAndShip"), ("no", "PayOnly")):
        (table,) = Chooser(live=True).view({**answers, "ships": ships}).body
        assert ("product type", product_type) in table.rows


def test_where_nobody_can_click_every_way_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its answers and a link, as a forge shows it."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    still = chooser()._repr_mimebundle_()
    assert set(still) == {"text/plain", "text/html"}
    for flow in FLOWS.values():
        assert f'<a href="{flow.notebook}.ipynb">{flow.title}</a>' in still["text/html"]
        assert flow.notebook in still["text/plain"]
    assert "Is the buyer signed in at your shop? No." in still["text/plain"]


def test_in_jupyterlab_the_chooser_is_live_without_a_workbench(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first notebook shows it before anything is opened."""
    monkeypatch.setenv("JPY_SESSION_NAME", "00.ipynb")
    assert chooser().live
