"""Somebody in front of the panels in JupyterLab: one tab at a time, by clicks."""

import contextlib
import re
from collections.abc import Iterator

from playwright.sync_api import Locator, expect

from tests.browser.chromium import in_view, press
from tests.browser.jupyterlab import OpenNotebook

__all__ = ["AGREE", "SIGNATURE", "Keyboard", "Person", "reads", "saves_a_wallet"]

AGREE = ("Sign in", "Continue", "Agree and continue")
MOST = 120  # more stops than a panel has
_FOCUSED = "place => place === place.ownerDocument.activeElement && place.ownerDocument.hasFocus()"
SIGNATURE = "✓ It fits the public key of SANDBOX-"


class Person:
    """Somebody who sees one tab at a time, and clicks what is on it."""

    def __init__(self, notebook: OpenNotebook, panels: str = ".amazonpay-panels") -> None:
        self._panels = notebook.page.locator(panels).first
        self._panels.wait_for()

    def tab(self, name: str) -> Locator:
        return self._panels.get_by_role("tab", name=name, exact=True)

    def opens(self, *tabs: str) -> None:
        for tab in tabs:
            self.tab(tab).click()

    @property
    def tabs(self) -> Locator:
        return self._panels

    @property
    def panel(self) -> Locator:
        """The panel that is on view."""
        return self._panels.locator(".amazonpay-panel:visible")

    def button(self, action: str) -> Locator:
        return self.panel.locator(f"button.amazonpay-action-{action}")

    def clicks(self, action: str) -> None:
        """Click, and wait until the panel is free again."""
        with self.answered():
            self.button(action).click()

    @contextlib.contextmanager
    def answered(self) -> Iterator[None]:
        """Wait for the answer to what is done meanwhile."""
        # What stands there now gets a mark: without it, an old answer could be taken for the new one.
        self.said.locator(".widget-html-content").evaluate("place => place.insertAdjacentHTML('beforeend', '<s></s>')")
        yield
        expect(self.said.locator("s")).to_have_count(0)
        expect(self.said).not_to_have_text("Working …")

    def chooses(self, field: str, value: str) -> None:
        choice = self.panel.locator(f".amazonpay-field-{field} select")
        label = choice.locator("option", has_text=re.compile(f"^{re.escape(value)}")).first.text_content()
        choice.select_option(label=label)

    def field(self, name: str, kind: str = "input") -> Locator:
        return self.panel.locator(f".amazonpay-field-{name} {kind}")

    def types(self, field: str, text: str, kind: str = "input") -> None:
        place = self.field(field, kind)
        place.fill(text)
        place.press("Tab")

    def option(self, field: str, caption: str) -> Locator:
        """One of the options that are all on view."""
        return self.panel.locator(f".amazonpay-field-{field}").get_by_role("button", name=caption, exact=True)

    @property
    def said(self) -> Locator:
        """Where the outcome or the explained error stands."""
        return self.panel.locator(".amazonpay-said")

    def on_page(self, name: str) -> Locator:
        """A button on the page in the frame."""
        return self._frame.content_frame.get_by_role("button", name=name, exact=True)

    def presses(self, *names: str) -> None:
        """Press buttons on the page in the frame, one page after the other."""
        for name in names:
            press(self._frame, name)

    @property
    def _frame(self) -> Locator:
        return self._panels.locator("iframe.amazonpay-page:visible")

    def takes_another_card(self) -> None:
        in_view(self._frame, self._frame.content_frame.get_by_text("4444").click)


class Keyboard:
    """The same person, with the keyboard alone."""

    def __init__(self, person: Person) -> None:
        self._person, self._keys = person, person.panel.page.keyboard

    def goes_to(self, place: Locator) -> None:
        """Press Tab until the focus is there: forward to the end of the page, then backward."""
        place.wait_for(state="attached")
        for key in ("Tab", "Shift+Tab"):
            for _ in range(MOST):
                if place.evaluate(_FOCUSED):
                    return
                self._keys.press(key)
        raise AssertionError(f"the focus does not come to {place}")

    def presses(self, button: Locator, key: str = "Enter") -> None:
        self.goes_to(button)
        self._keys.press(key)

    def writes(self, field: str, text: str) -> None:
        self.goes_to(self._person.field(field))
        self._keys.press("Control+A")
        self._keys.type(text)

    def does(self, action: str, key: str = "Enter") -> None:
        """Press the button of an action, and wait until the panel is free again."""
        with self._person.answered():
            self.presses(self._person.button(action), key)

    def opens(self, tab: str) -> None:
        """Arrows go along the tabs, Enter opens one."""
        self.goes_to(self._person.tabs.locator("[role=tab][tabindex='0']").first)
        for _ in range(MOST):
            if self._person.tab(tab).evaluate(_FOCUSED):
                self._keys.press("Enter")
                return
            self._keys.press("ArrowRight")
        raise AssertionError(f"no arrow leads to {tab}")


def reads(place: Locator, *sentences: str) -> None:
    """Find sentences where a newcomer looks for them."""
    for sentence in sentences:
        expect(place).to_contain_text(sentence)


def saves_a_wallet(person: Person, key_file: str, *challenge: str) -> None:
    """Keys, button, page, completion; what is not possible yet is gray, with the reason beside it."""
    person.opens("Keys")
    person.types("private_key_file", key_file)
    person.clicks("create")
    expect(person.said).to_contain_text("Nothing was sent to Amazon Pay.")
    person.opens("Cards")
    expect(person.button("get_checkout_session")).to_be_disabled()
    expect(person.panel).to_contain_text("There is no Checkout Session yet.")
    person.opens("Button")
    expect(person.panel).to_contain_text("PaymentMethodOnFile")
    person.opens("Page")
    person.clicks("start")
    person.presses("Amazon Pay emulated", *AGREE, *challenge)
    expect(person.panel).to_contain_text("The buyer is back.")
    reads(person.panel, "POST /checkout/initiate", SIGNATURE, "Checkout Session New → Open: “Click the button” (buyer)")
    person.opens("Cards")
    person.clicks("get_checkout_session")
    expect(person.panel).to_contain_text("● Open")
    reads(person.said, "GET /", "→ 200 Open", SIGNATURE, "Reading is possible in every state; this one is Open.")
    person.clicks("complete_checkout_session")
    expect(person.panel).to_contain_text("● Completed")
    reads(
        person.said, "/complete → 200 Completed", SIGNATURE, "is new, so Amazon does the work",
        "Charge Permission New → Chargeable: “Complete Checkout Session” (merchant)",
    )  # fmt: skip
    expect(person.button("complete_checkout_session")).to_be_disabled()
    person.opens("Charge Permission")
    person.clicks("get_charge_permission")
    expect(person.panel).to_contain_text("● Chargeable")
