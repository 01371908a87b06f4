"""A reader in JupyterLab answers wrongly and rightly, unfolds a hint, and finds the solved exercises on the map."""

import pytest
from playwright.sync_api import Locator, expect

from amazonpay_nb.lessons.exercises import EXERCISES
from tests.browser.jupyterlab import Lab, OpenNotebook

pytestmark = pytest.mark.browser

QUESTION, CODE = "05-second-item", "05-two-parcels"
BOOKS = "books = Books(wb.emulator)\nwallet = books.wallet\n\n"
FIRST = """\
order = charge(wb.client, wallet, wb.price("5"))
wb.client.capture_charge(order.charge_id, capture_amount=wb.price("3"))
"""
SECOND = 'charge(wb.client, wallet, wb.price("2"), capture_now=True)\n'


def answer(notebook: OpenNotebook, name: str, lines: str) -> Locator:
    """Fill in the cell of an exercise, run it, and return its output."""
    notebook.ask(
        "const cells = [...panel.content.widgets];"
        "const index = cells.findIndex((cell) => cell.model.sharedModel.source.includes(`check(\"${given[0]}\"`));"
        "panel.content.activeCellIndex = index; cells[index].model.sharedModel.setSource(given[1]);"
        "await panel.content.scrollToCell(cells[index]);"
        "window.running = app.commands.execute('notebook:run-cell');",
        [name, lines],
    )  # fmt: skip
    notebook.finish()
    return notebook.page.locator(".jp-Cell.jp-mod-active .jp-OutputArea")


def test_a_reader_solves_exercises_and_finds_them_on_the_map(lab: Lab) -> None:
    """A wrong answer, a hint and the answer to unfold; code that is half right; then both are right."""
    row = EXERCISES[QUESTION]
    with lab.open("05_manage_payments.ipynb", buyer="script") as notebook:
        for source in ("environment: str", "from amazonpay_nb import show", "from amazonpay_nb.client.guide import"):
            notebook.run_cell(source)
            notebook.finish()
        ask = 'from amazonpay_nb.lessons.exercises import Books, check\nanswer = {}\ncheck("05-second-item", answer)'
        shown = answer(notebook, QUESTION, ask.format(None))
        expect(shown).to_contain_text("Not tried yet.")
        expect(shown.get_by_text("Answer", exact=True)).to_have_count(0)
        shown = answer(notebook, QUESTION, ask.format(18))
        expect(shown).to_contain_text("does Amazon hold it after the capture?")
        expect(shown.get_by_text("Hint 2 of 2")).not_to_be_visible()
        shown.get_by_text("Hint 1 of 2").click()
        expect(shown.get_by_text(row["hints"][0])).to_be_visible()
        expect(shown.get_by_text("Hint 2 of 2")).to_be_visible()
        expect(shown.get_by_text(row["answer"])).not_to_be_visible()
        shown.get_by_text("Answer", exact=True).click()
        expect(shown.get_by_text(row["answer"])).to_be_visible()
        expect(answer(notebook, QUESTION, ask.format(0))).to_contain_text("✓ Right.")
        imports, judge = "from amazonpay_nb.client.guide import charge\n", f'check("{CODE}", books)'
        shown = answer(notebook, CODE, f"{imports}{BOOKS}{FIRST}{judge}")
        expect(shown).to_contain_text("The first parcel is paid. The second is not")
        shown = answer(notebook, CODE, f"{imports}{BOOKS}{FIRST}{SECOND}{judge}")
        expect(shown).to_contain_text("✓ Right.")
        assert not notebook.refusals()
    with lab.open("00_start_here.ipynb") as notebook:
        notebook.run_cell("from amazonpay_nb.lessons.exercises import progress")
        notebook.finish()
        line = notebook.page.get_by_role("row").filter(has_text="05 Manage payments").filter(has_text="solved")
        expect(line).to_contain_text("2 of 3 solved")
        line.get_by_role("link").click()
        title = notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) h1").first
        expect(title).to_contain_text("Manage payments")
        assert not notebook.errors
