"""Every panel can be read: in a light and a dark JupyterLab, in a wide and a narrow window."""

import pytest
from playwright.sync_api import expect

from tests.browser.axe import flaws_within
from tests.browser.jupyterlab import VIEWPORT, Lab
from tests.browser.person import Person

pytestmark = pytest.mark.browser

OPEN = """\
from amazonpay_nb import workbench
from amazonpay_nb.errors import DeclinedError, refused
from amazonpay_nb.workbench.panels.questions import ErrorPanel
wb = workbench.open(buyer="script")
keys = wb.set_up_keys()
arrival = await wb.play_set_up()
session = wb.client.complete_checkout_session(arrival.checkout_session_id)
charge = wb.client.create_charge(
    charge_permission_id=session.charge_permission_id, charge_amount=wb.amount, capture_now=True
)
with refused(DeclinedError) as refusal:
    wb.client.create_charge(
        charge_permission_id=session.charge_permission_id, charge_amount=wb.amount, simulation_code="HardDeclined"
    )
wb.buyer = "you"
"""
ERROR = "ErrorPanel(live=True)"
PANELS = "from amazonpay_nb.workbench.panels import panels\npanels(wb)"
SHOW = """\
from amazonpay_nb import show
from amazonpay_nb.client.button import set_up_payload
display(show(keys), show(session), show(charge), show(set_up_payload(wb.store_id, result_url="https://shop.example/back")))
"""
SCROLL = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
  .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText.slice(0, 60))"""
# Tab -> an action, so that there is an answer to look at as well.
TABS = {
    "Choose": "", "Keys": "ask_amazon", "Button": "offer", "Page": "start", "Cards": "get_checkout_session",
    "Payment desk": "get_charge_permission", "Errors": "", "Notifications": "listen", "Clock": "advance",
    "Wire": "", "Diagram": "",
}  # fmt: skip
THEMES = ("JupyterLab Dark", "JupyterLab Light")  # the latter is that of a JupyterLab which nobody has changed
NARROW = 470  # leaves some 370 for an output
WIDTH = "[...document.querySelectorAll('.amazonpay-panel')].find((panel) => panel.offsetParent).clientWidth"
# What sticks out of a panel that is on view.  Wide tables and pictures have a place of their own, which scrolls.
STICKS_OUT = """() => {
  const panels = [...document.querySelectorAll('.amazonpay-panel')].filter((panel) => panel.offsetParent);
  return panels.flatMap((panel) => {
    const edge = panel.getBoundingClientRect().right + 1;
    const scrolling = (e) => e.parentElement.closest('.amazonpay-body, .amazonpay-said');
    const out = (e) => e.getBoundingClientRect().right > edge && !scrolling(e);
    const whole = [panel, panel.closest('.jp-WindowedPanel-outer')].filter((e) => e.scrollWidth > e.clientWidth + 1);
    return [...[...panel.querySelectorAll('*')].filter(out), ...whole].map((e) => e.outerHTML.slice(0, 120));
  });
}"""


def test_names_and_values_fit_beside_the_file_browser(lab: Lab) -> None:
    """In a window of 800 pixels, long ids, long names and JSON wrap, and nothing scrolls sideways."""
    with lab.new(OPEN, SHOW) as notebook:
        notebook.ask("app.shell.expandLeft();")
        notebook.page.set_viewport_size({"width": 800, "height": 1200})
        notebook.run_all()
        notebook.finish()
        expect(notebook.page.locator(".jp-OutputArea-output table")).to_have_count(4)
        assert notebook.page.evaluate(SCROLL) == []
        notebook.page.set_viewport_size(VIEWPORT)


def test_every_panel_is_readable_in_both_themes_and_widths(lab: Lab) -> None:
    """Contrast, names and labels by axe-core; nothing sticks out of a narrow window."""
    with lab.new(OPEN, ERROR, PANELS) as notebook:
        notebook.ask("app.shell.collapseLeft();")
        notebook.run_all()
        notebook.finish()
        assert not notebook.refusals()
        person, page = Person(notebook), notebook.page
        # Of 0 pixels in JupyterLab: axe-core takes all for hidden.
        style = page.add_style_tag(content="body { height: 100vh; }")
        wrong: list[str] = []
        for theme in THEMES:
            notebook.ask("await app.commands.execute('apputils:change-theme', { theme: given });", theme)
            page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
            for tab, action in TABS.items():
                person.opens(tab)
                person.panel.wait_for()
                if action and theme == THEMES[0]:
                    person.clicks(action)
                wrong += [f"{tab}, {theme}: {flaw}" for flaw in flaws_within(page, ".amazonpay-panel")]
                page.set_viewport_size({"width": NARROW, "height": VIEWPORT["height"]})
                page.wait_for_function(f"() => {WIDTH} < {NARROW}")  # JupyterLab follows a moment later
                wrong += [f"{tab}, {theme}, narrow: {flaw}" for flaw in page.evaluate(STICKS_OUT)]
                page.set_viewport_size(VIEWPORT)
                page.wait_for_function(f"() => {WIDTH} > {NARROW}")
        style.evaluate("it => it.remove()")
        assert wrong == []
        assert not notebook.errors
