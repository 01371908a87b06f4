"""Take the pictures in docs/images again, those whose sources have changed since.

    .venv/bin/python -m docs.screenshots [--all] [--check]

Needs the system's Chromium; nothing is downloaded.  A test compares docs/images/sources.json with the sources, so that
no picture shows what no longer is.
"""

import hashlib
import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect

from amazonpay_nb import workbench
from amazonpay_nb.client.button import express_payload, set_up_payload, sign_button
from amazonpay_nb.rehearsal import example
from amazonpay_nb.shop import Cart, buyer
from amazonpay_nb.stage.server import Stage
from tests.browser.chromium import chromium, driver
from tests.browser.jupyterlab import OpenNotebook, jupyterlab
from tests.unit.test_cli import run

ColorScheme = Literal["light", "dark"]

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
RECORD = IMAGES / "sources.json"
COMMAND = ".venv/bin/python -m docs.screenshots"
BUTTON = "Amazon Pay"
NOTEBOOK = "01_set_up_outside_the_purchase_flow.ipynb"
PAGE: ViewportSize = {"width": 720, "height": 400}
LAB: ViewportSize = {"width": 1200, "height": 780}
STAGE: ViewportSize = {"width": 1440, "height": 900}
REPORT: ViewportSize = {"width": 1000, "height": 700}
SCHEMES: tuple[ColorScheme, ...] = ("light", "dark")
PANELS = """\
from amazonpay_nb import workbench
from amazonpay_nb.client.guide import charge
wb = workbench.open(buyer="script")
keys = wb.set_up_keys()
arrival = await wb.play_set_up()
session = wb.client.complete_checkout_session(arrival.checkout_session_id)
permission = wb.client.get_charge_permission(session.charge_permission_id)
paid = charge(wb.client, permission.charge_permission_id, wb.amount, capture_now=True)
wb.buyer = "you"
"""

# --- What each picture shows, and by which files ----------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A picture, or one for each color scheme.

    Attributes:
        names: Of the files in docs/images.
        take: Takes them.
        sources: Files whose change may change it; after a # the heading of the part of a notebook that it shows.
    """

    names: tuple[str, ...]
    take: Callable[[Browser], None]
    sources: tuple[str, ...]

    def fingerprint(self) -> str:
        """Return what its sources come to."""
        return hashlib.sha256("\0".join(map(_text_of, self.sources)).encode()).hexdigest()


def _text_of(source: str) -> str:
    name, _, heading = source.partition("#")
    text = (ROOT / name).read_text("utf-8")
    if not heading:
        return text
    # Only what somebody has written: outputs have a test of their own.
    parts = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"]).split("\n#")
    return next(part for part in parts if part.lstrip("# ").startswith(heading))


def stale() -> list[Picture]:
    """Return the pictures that are not those of their sources, or were changed by something else."""
    record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    return [picture for picture in PICTURES if _recorded(picture).items() - record.items()]


def _recorded(picture: Picture) -> dict[str, str]:
    files = ((name, IMAGES / name) for name in picture.names)
    sources = picture.fingerprint()
    return {
        name: f"{sources[:16]} {hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else 'missing'}"
        for name, path in files
    }


def main() -> None:
    """Take the pictures that are stale, or all of them; with --check, only name those that are."""
    if "--check" in sys.argv:
        names = [name for picture in stale() for name in picture.names]
        sys.exit(f"Stale pictures: {', '.join(names)}. Take them again: {COMMAND}" if names else 0)
    with driver() as playwright, chromium(playwright) as browser:
        for picture in PICTURES if "--all" in sys.argv else stale():
            picture.take(browser)
    record = {name: value for picture in PICTURES for name, value in _recorded(picture).items()}
    RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", "utf-8")


# --- Pages ------------------------------------------------------------------------------------------------------------


def take_pages(browser: Browser) -> None:
    """Take the shop's page, and the page on which the buyer agrees."""
    wb = workbench.open(buyer="you")
    attempt = wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)
    page = browser.new_page(viewport=PAGE)
    page.goto(wb.show_button(attempt, sign_button(payload, wb.set_up_keys())).url)
    take(page, "shop-page.png")
    for name in (BUTTON, "Sign in", "Continue"):
        page.get_by_role("button", name=name).click()
    page.get_by_role("button", name="Agree and continue").wait_for()
    take(page, "consent-page.png")
    page.close()
    wb.close()


def take_review(browser: Browser) -> None:
    """Take the shop's review page in express checkout."""
    wb = workbench.open(buyer="script")
    attempt = wb.shop.new_attempt()
    signed = sign_button(express_payload(wb.store_id, review_url=attempt.review_url), wb.set_up_keys())
    cart = Cart.of("Coffee beans, 1 kg", wb.amount)
    buyer.arrive(buyer.approve(wb.show_button(attempt, signed, product_type="PayAndShip", cart=cart).url))
    session = wb.client.get_checkout_session(attempt.arrival.result(timeout=0).checkout_session_id)
    page = browser.new_page(viewport=PAGE)
    page.goto(wb.show_review(attempt, session).url)
    take(page, "review-page.png")
    page.close()
    wb.close()


def take_wallet(browser: Browser) -> None:
    """Take the shop's account, its cart and its checkout, once Amazon Pay is saved."""
    wb = workbench.open(buyer="script")
    wb.shop.customer = "Robin"
    attempt = wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)
    buyer.arrive(buyer.approve(wb.show_button(attempt, sign_button(payload, wb.set_up_keys())).url))
    session = wb.client.complete_checkout_session(attempt.arrival.result(timeout=0).checkout_session_id)
    wallet = wb.client.get_charge_permission(str(session.charge_permission_id))
    wb.show_checkout(attempt, wallet, Cart.of("Concert ticket", wb.amount, ships=False))
    page = browser.new_page(viewport=PAGE)
    addresses = {"account": f"{wb.shop.url}/account", "cart": attempt.cart_url, "checkout": attempt.order_url}
    for name, address in addresses.items():
        page.goto(address)
        take(page, f"{name}-page.png")
        wb.shop.customer = "customer 1"  # as notebook 04 has it
    page.close()
    wb.close()


# --- JupyterLab -------------------------------------------------------------------------------------------------------


def take_lab(browser: Browser) -> None:
    """Take the notebook in JupyterLab while it waits for the buyer."""
    for scheme, page in pages(browser, LAB):
        with (
            tempfile.TemporaryDirectory() as folder,
            jupyterlab(page, Path(folder)) as lab,
            lab.open(NOTEBOOK) as notebook,
        ):
            tidy(notebook, scheme)
            notebook.run_all()
            notebook.wait_for_output("Waiting for you")
            show_button_cell(notebook)
            take(page, named("jupyterlab", scheme))
            notebook.interrupt()
            notebook.finish()


def take_panels(browser: Browser) -> None:
    """Take the panels in JupyterLab: a captured charge with the map of its states, and what can be done with it."""
    for scheme, page in pages(browser, LAB):
        with (
            tempfile.TemporaryDirectory() as folder,
            jupyterlab(page, Path(folder)) as lab,
            lab.new(PANELS, "from amazonpay_nb.workbench.panels import panels\npanels(wb)") as notebook,
        ):
            tidy(notebook, scheme)
            notebook.run_all()
            notebook.finish()
            panels = page.locator(".amazonpay-panels").first
            for tab in ("Cards", "Charge"):
                panels.get_by_role("tab", name=tab, exact=True).click()
            panels.locator(".amazonpay-panel:visible").filter(has_text="● Captured").wait_for()
            panels.evaluate("(element) => element.scrollIntoView({ block: 'start' })")
            # Without the name of the notebook, which is another each time.
            page.locator(".jp-WindowedPanel-outer:visible").screenshot(path=IMAGES / named("panels", scheme))


def tidy(notebook: OpenNotebook, scheme: ColorScheme) -> None:
    """Choose JupyterLab's theme and put the list of files away."""
    notebook.ask(
        "await app.commands.execute('apputils:change-theme', { theme: given });", f"JupyterLab {scheme.title()}"
    )
    notebook.ask("await app.commands.execute('application:toggle-left-area');")


def show_button_cell(notebook: OpenNotebook) -> None:
    """Bring the cell that shows the shop's page, and the sentence before it, to the top of the window."""
    notebook.frames.content_frame.get_by_role("button", name=BUTTON).wait_for()
    expect(notebook.frames).to_be_in_viewport(ratio=1)  # it comes by itself, and JupyterLab goes nowhere else afterward
    notebook.ask(
        "const cells = panel.content.widgets;"
        "const index = cells.findIndex((cell) => cell.model.sharedModel.source.startsWith('page = '));"
        # Pictures above the cell move it when they arrive.
        "await until(() => [...document.images].every((image) => image.complete));"
        "panel.content.activeCellIndex = index;"
        "[...cells[index - 1].node.querySelectorAll('p')].at(-1).scrollIntoView({ block: 'start' });"
    )


# --- For others -------------------------------------------------------------------------------------------------------


def take_stage(browser: Browser) -> None:
    """Take the stage when both ways of a what-if were played."""
    with closing(Stage("ride", {"merchant_name": "Corner Cabs", "merchant_color": "#0b5c6b"}, pace=0)) as stage:
        stage.performance.go(2)
        stage.performance.finish()
        stage.performance.try_what_if("key")
        for scheme, page in pages(browser, STAGE):
            page.goto(stage.url)
            page.get_by_text("Both are undone.").wait_for()
            page.frame_locator("#phone").locator(".amount").wait_for()
            take(page, named("stage", scheme))


def take_leaving(browser: Browser) -> None:
    """Take the top of the story that stays behind, in its short edition."""
    with tempfile.TemporaryDirectory() as folder:
        brand = ("-p", "merchant_name", "Corner Cabs", "-p", "merchant_color", "#0b5c6b")
        said = run("export", "ride", "--edition", "short", *brand, "--out", folder).stdout
        for scheme, page in pages(browser, LAB):
            page.goto(Path(said.splitlines()[-1]).as_uri())
            page.evaluate("document.querySelector('time').textContent = '2026-01-15'")  # else it differs each day
            page.screenshot(path=IMAGES / named("leave-behind", scheme), animations="disabled")


def take_rehearsal(browser: Browser) -> None:
    """Take the top of the report that finds a mistake in a server."""
    with tempfile.TemporaryDirectory() as folder:
        run("rehearse", example("shop_python_first_try"), "--out", folder, env=os.environ | {"MISTAKE": "return-once"})
        for scheme, page in pages(browser, REPORT):
            page.goto((Path(folder) / "rehearsal.html").as_uri())
            page.evaluate("document.querySelector('time').textContent = '2026-01-15 12:00 UTC'")
            page.screenshot(path=IMAGES / named("rehearsal", scheme), animations="disabled")


def pages(browser: Browser, viewport: ViewportSize) -> Iterator[tuple[ColorScheme, Page]]:
    """Yield a page in each color scheme, and close it afterward."""
    for scheme in SCHEMES:
        with closing(browser.new_page(viewport=viewport, color_scheme=scheme)) as page:
            yield scheme, page


def named(name: str, scheme: ColorScheme) -> str:
    """Return the name of the file of a picture in a color scheme."""
    return f"{name}.png" if scheme == "light" else f"{name}-{scheme}.png"


def take(page: Page, name: str) -> None:
    """Write the picture of what the window shows."""
    path = IMAGES / name
    page.screenshot(path=path, full_page=True, animations="disabled")
    print(f"{name}: {path.stat().st_size / 1024:.0f} KB")


def _pictures() -> Iterator[Picture]:
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    groups: dict[str, list[str]] = rows.pop("groups")
    for name, row in rows.items():
        sources = [source for entry in row["sources"] for source in groups.get(entry, [entry])]
        yield Picture(tuple(row["names"]), globals()[f"take_{name}"], tuple(sources))


PICTURES = tuple(_pictures())

if __name__ == "__main__":
    main()
