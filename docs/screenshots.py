"""Take the pictures in docs/images again.

    .venv/bin/python -m docs.screenshots

Needs the system's Chromium; nothing is downloaded.
"""

import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize

from amazonpay_nb import buyer, workbench
from amazonpay_nb.button import express_payload, set_up_payload, sign_button
from amazonpay_nb.storefront import Cart
from tests.browser.chromium import chromium
from tests.browser.jupyterlab import OpenNotebook, jupyterlab

ColorScheme = Literal["light", "dark"]

IMAGES = Path(__file__).parent / "images"
NOTEBOOK = "01_set_up_outside_the_purchase_flow.ipynb"
PAGE: ViewportSize = {"width": 720, "height": 400}
LAB: ViewportSize = {"width": 1200, "height": 780}
THEMES: dict[str, tuple[ColorScheme, str]] = {
    "jupyterlab.png": ("light", "JupyterLab Light"),
    "jupyterlab-dark.png": ("dark", "JupyterLab Dark"),
}


def main() -> None:
    """Take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        take_pages(browser)
        take_review(browser)
        for name, (scheme, theme) in THEMES.items():
            take_lab(browser, name, scheme, theme)


def take_pages(browser: Browser) -> None:
    """Take the shop's page, and the page on which the buyer agrees."""
    wb = workbench.open(buyer="you")
    visit = wb.shop.new_visit()
    payload = set_up_payload(wb.store_id, result_url=visit.result_url, cancel_url=visit.cancel_url)
    page = browser.new_page(viewport=PAGE)
    page.goto(wb.show_button(visit, sign_button(payload, wb.set_up_keys())).url)
    take(page, "shop-page.png")
    for name in ("Amazon Pay", "Sign in", "Continue"):
        page.get_by_role("button", name=name).click()
    page.get_by_role("button", name="Agree and continue").wait_for()
    take(page, "consent-page.png")
    page.close()
    wb.close()


def take_review(browser: Browser) -> None:
    """Take the shop's review page in express checkout."""
    wb = workbench.open(buyer="script")
    visit = wb.shop.new_visit()
    signed = sign_button(express_payload(wb.store_id, review_url=visit.review_url), wb.set_up_keys())
    cart = Cart.of("Coffee beans, 1 kg", wb.amount)
    buyer.arrive(buyer.approve(wb.show_button(visit, signed, product_type="PayAndShip", cart=cart).url))
    session = wb.client.get_checkout_session(visit.arrival.result(timeout=0).checkout_session_id)
    page = browser.new_page(viewport=PAGE)
    page.goto(wb.show_review(visit, session).url)
    take(page, "review-page.png")
    page.close()
    wb.close()


def take_lab(browser: Browser, name: str, scheme: ColorScheme, theme: str) -> None:
    """Take the notebook in JupyterLab while it waits for the buyer."""
    page = browser.new_page(viewport=LAB, color_scheme=scheme)
    with tempfile.TemporaryDirectory() as folder, jupyterlab(page, Path(folder)) as lab, lab.open(NOTEBOOK) as notebook:
        notebook.ask("await app.commands.execute('apputils:change-theme', { theme: given });", theme)
        notebook.ask("await app.commands.execute('application:toggle-left-area');")
        notebook.run_all()
        notebook.wait_for_output("Waiting for you")
        show_button_cell(notebook)
        take(page, name)
        notebook.interrupt()
        notebook.finish()
    page.close()


def show_button_cell(notebook: OpenNotebook) -> None:
    """Bring the cell that shows the shop's page, and the sentence before it, to the top of the window."""
    notebook.ask(
        "const cells = panel.content.widgets;"
        "const index = cells.findIndex((cell) => cell.model.sharedModel.source.startsWith('page = '));"
        # Pictures above the cell move it when they arrive.
        "await until(() => [...document.images].every((image) => image.complete));"
        "panel.content.activeCellIndex = index;"
        "[...cells[index - 1].node.querySelectorAll('p')].at(-1).scrollIntoView({ block: 'start' });"
    )
    notebook.frames.content_frame.get_by_role("button", name="Amazon Pay").wait_for()


def take(page: Page, name: str) -> None:
    """Write the picture of what the window shows."""
    path = IMAGES / name
    page.screenshot(path=path, full_page=True, animations="disabled")
    print(f"{name}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
