"""The panels that answer a question and send nothing: which flow do I need, and what does a refusal mean?"""

from collections.abc import Iterator
from typing import Any

from amazonpay_nb.errors import api_error
from amazonpay_nb.shop.payloads import interview, product_types, route
from amazonpay_nb.spec.flows import FLOWS, QUESTIONS, Flow
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.reasons import REASONS
from amazonpay_nb.workbench.kernel import person
from amazonpay_nb.workbench.panels.panel import Panel
from amazonpay_nb.workbench.panels.view import Chosen, Field, View, choose, explain, fields_of
from amazonpay_nb.workbench.show.blocks import Foreign, facts, render


class Chooser(Panel):
    """Which flow do I need?  Where nobody can click, every way through the questions, with its chapter."""

    def view(self, chosen: Chosen) -> View:
        """Return the questions that the answers lead to, and the flow once they are answered."""
        if not self.live:
            return View("Which flow do I need?", (every_way(),))
        asked, flow = list(interview(chosen)), route(chosen)
        fields = tuple(Field(row.name, "", row.text, options=row.answers, spread=True) for row, _ in asked)
        answers = {row.name: answer for row, answer in asked}
        if "" in answers.values() or flow is None:
            return View("Which flow do I need?", (), fields)
        visits = f"{len(flow.stays)}, with at most {' and '.join(str(len(pages)) for pages in flow.stays)} pages"
        rows = [("flow", flow.title), ("why", flow.why), ("visits to Amazon", visits)]
        body = facts("The flow", [*rows, ("product type", product_types(flow, answers)[0])])
        return View("Which flow do I need?", (body,), fields, links={f"{flow.notebook}.ipynb": flow.title})

    def possible(self) -> str:
        """Say what can be done now."""
        return "answer the questions"


def chooser() -> Chooser:
    """Return the chooser alone, for a notebook without a workbench: live in a JupyterLab session."""
    return Chooser(live=person())


def every_way() -> Foreign:
    """Return each flow after the answers that lead to it, with a link to its chapter."""
    rows = [(" ".join(_answers(flow)), flow) for flow in sorted(FLOWS.values(), key=_place)]
    lines = [f"{answers}\n  → {flow.title}. {flow.why} Notebook: {flow.notebook}" for answers, flow in rows]
    return Foreign("", "\n".join(lines), render("ways.html.j2", rows=rows))


def _answers(flow: Flow) -> Iterator[str]:
    for row in QUESTIONS:
        if answer := flow.answers.get(row.name):
            words = row.answers[answer]
            yield f"{row.text} {words[0].upper()}{words[1:]}."


def _place(flow: Flow) -> list[int]:
    return [list(row.answers).index(flow.answers[row.name]) for row in QUESTIONS if row.name in flow.answers]


_CALLS = {"": "any call"} | {row.name: row.title for row in OPERATIONS.values()}
_REFUSAL = fields_of("refusal", {"reason_code": {"options": list(REASONS)}, "operation": {"options": _CALLS}})


class ErrorPanel(Panel):
    """What a refusal means, and what comes next: the last one of the run, and any documented one."""

    def view(self, chosen: Chosen) -> View:
        """Return the explanation."""
        code, operation = map(str, choose(_REFUSAL, chosen).values())
        error = api_error(REASONS[code].status_codes[0], code, "(Amazon's own words)", operation=operation)
        return View("What a refusal means", (*self._last(), *explain(error)), _REFUSAL)

    def _last(self) -> Iterator[Any]:
        """Yield the last refusal of the run, and what it means."""
        refusals = [row for row in self.journal.exchanges if row.status and row.failed] if self.journal else []
        for last in refusals[-1:]:
            message = str((last.response or {}).get("message", ""))
            yield f"The last refusal of this run: {last.method} {last.path} → {last.answer}"
            yield from explain(api_error(last.status or 0, last.outcome, message, operation=last.operation))
            yield "Any refusal, as chosen above:"
