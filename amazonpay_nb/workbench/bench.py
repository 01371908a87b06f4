"""The workbench that a notebook opens: keys, client, emulator, shop and buyer are put together here and nowhere else.

`environment="emulator"` starts an emulated Amazon Pay in this process; `"sandbox"` sends the same calls to Amazon, with
the account that the environment variables name.  Nothing else in a notebook changes.
"""

import os
import random
import sys
import time
import weakref
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from starlette.types import ASGIApp

from amazonpay_nb.client.button import SignedPayload, button_config, button_text, place, set_up_payload, sign_button
from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.guide import repair_payload
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import check_sockets
from amazonpay_nb.shop import Arrival, Attempt, Cart, Review, Shop
from amazonpay_nb.shop.colors import OWN_COLOR
from amazonpay_nb.signing import keys as key_files
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.answers import Charge, ChargePermission, CheckoutSession, Refund
from amazonpay_nb.spec.flows import flow_of
from amazonpay_nb.spec.money import format_amount, parse_amount
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.workbench import kernel, tracebacks
from amazonpay_nb.workbench.claims import RESULT, Claim, Result, verdict
from amazonpay_nb.workbench.diagrams import SequenceDiagram, sequence_diagram
from amazonpay_nb.workbench.director import Director
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.parameters import account_variable, check_injected, check_together, check_values
from amazonpay_nb.workbench.servers import OwnServer

# How much later Amazon may decide than it says  [inferred]; an emulator whose time is real looks five times a second.
_LATE_SECONDS = 3
_SEEDED = weakref.WeakSet[random.Random]()
# With the same idempotency key, two processes would share a charge.
os.register_at_fork(after_in_child=lambda: [*map(random.Random.seed, _SEEDED)])


class Workbench:
    """An open connection to Amazon Pay, with everything that a notebook needs around it.

    It closes at the end of a ``with`` block, by `close`, when its cell runs again, or together with the kernel.  Other
    workbenches stay open.

    Args:
        environment: ``emulator``, ``sandbox`` or ``live`` (live also needs ``allow_live=True``).
        region: ``na``, ``eu`` or ``jp``.
        buyer: ``you``, ``script``, or ``auto``: you in a JupyterLab session, a script anywhere else.
        amount: The usual amount of a charge, in major units; text keeps its decimals.
        currency: One of the region's ledger currencies; the region's first when empty.
        language: One of the region's languages, for example ``de_DE``; the region's default when empty.
        merchant_color: Fills the shop's buttons, as ``#rrggbb``.
        wait_seconds: How long a cell waits for the buyer.
        seed: The emulator's ids and time repeat from run to run, so that committed outputs can be compared.
    Attributes:
        emulator: None on the Sandbox and on live.
        key_pair: The keys, or None before `set_up_keys`.
    Raises:
        ConfigurationError: A value is not allowed; nothing was started.
    """

    def __init__(
        self, environment: str = "emulator", region: str = "na", buyer: str = "auto", *, amount: str | float = "14.00",
        currency: str = "", language: str = "", merchant_name: str = "Emulated Shop", merchant_color: str = OWN_COLOR,
        wait_seconds: str | float = 300, seed: str | int = 7, allow_live: bool = False,
    ) -> None:  # fmt: skip
        check_injected(kernel.cells())
        if ipython := kernel.shell():
            tracebacks.load_ipython_extension(ipython)
        check_values(locals())
        if buyer == "auto":
            buyer = "you" if kernel.person() else "script"
        if environment == "live" and not allow_live:
            raise ConfigurationError("Live moves real money.", advice="Pass allow_live=True as well, if you want that.")
        check_together(environment, buyer, "person")
        self._resources = ExitStack()
        self.close = weakref.finalize(self, self._resources.close)
        kernel.replace(self.close)
        if buyer == "you":
            check_sockets()
            kernel.people.append(None)
            self._resources.callback(kernel.people.pop)
        self.environment, self.region, self.buyer = environment, region_of(region), buyer
        self.currency = currency or self.region.ledger_currencies[0]
        self.language = language or self.region.default_language
        self.amount = self.price(amount)
        self.wait_seconds = float(wait_seconds)
        file = os.environ.get("AMAZONPAY_NB_JOURNAL")  # where a run of this notebook keeps its journal
        self.journal = Journal(file=Path(file) if file else None)
        self.private_key_file: Path | None = None
        self._allow_live = allow_live
        self.key_pair: MerchantKeys | None = None
        self._client: AmazonPayClient | None = None
        self._random: random.Random = random.SystemRandom()
        self.emulator: Emulator | None = None
        if environment == "emulator":
            self._random = random.Random(int(seed))  # noqa: S311 (repeats on purpose)
            _SEEDED.add(self._random)
            self.emulator = self._resources.enter_context(Emulator(region, seed=int(seed), shop_name=merchant_name))
        self.director = Director(self.emulator, self.journal)
        self.shop = Shop(
            merchant_name, color=merchant_color, language=self.language, journal=self.journal,
            new_token=partial(_hexadecimal, self._random, 12 if self.emulator else 32), public=self.emulator is None,
        )  # fmt: skip
        self._resources.callback(self.shop.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "an emulated Amazon Pay in this process" if self.emulator else f"Amazon's {self.environment}"
        who = "you play the buyer" if self.buyer == "you" else "a script plays the buyer"
        return f"Workbench: {where}, region {self.region.code} ({self.currency}); {who}."

    def set_up_keys(self) -> MerchantKeys:
        """Return the merchant's key pair, ready to sign.

        On the emulator this makes a pair, writes it to a file that only you can read, and registers the public key;
        a pair that is in use already stays.
        On the Sandbox and on live it reads the pair that the environment variables name.

        Raises:
            ConfigurationError: A variable is missing, or the key does not fit region and environment.
        """
        if self.emulator is None:
            key = key_files.source(account_variable("private_key_file"))
            pair = key_files.load(key, account_variable("public_key_id"))
            return self.use_keys(pair, key if isinstance(key, Path) else None)
        if self.key_pair:
            return self.key_pair
        merchant = self.emulator.merchant
        return self.use_keys(merchant.keys, merchant.private_key_file)

    def use_keys(self, keys: MerchantKeys, private_key_file: Path | None = None) -> MerchantKeys:
        """Sign with this pair from now on; the emulator registers its public key and gives it an id."""
        if self.emulator:
            keys = key_files.with_id(keys, self.emulator.register_key(keys.public_pem))
        self.key_pair, self._client, self.private_key_file = keys, None, private_key_file
        return keys

    def check_keys(
        self, source: MerchantKeys | Path | bytes | None = None, public_key_id: str = "", passphrase: str = ""
    ) -> list[key_files.Finding]:
        """Check a key before anything is sent: the pair in use, or another *source*; see `signing.keys.check`."""
        __tracebackhide__ = True  # from pytest: see `signing.keys`
        if source is None:
            source, public_key_id = self.private_key_file or self.keys, self.keys.public_key_id
        where = {"region": self.region.code, "environment": self.environment}
        rows = key_files.check(source, public_key_id, passphrase=passphrase or None, **where)
        # The emulator gives an id to every key that it is shown, so a missing one is no mistake there.
        excused = self.emulator and not public_key_id and not isinstance(source, MerchantKeys)
        return [row for row in rows if not (excused and row.text.startswith("The public key id"))]

    @property
    def keys(self) -> MerchantKeys:
        """The key pair of `set_up_keys`."""
        if self.key_pair is None:
            advice = "Run the cell with wb.set_up_keys() first, or use the key panel."
            raise ConfigurationError("There are no keys yet.", advice=advice)
        return self.key_pair

    @property
    def merchant_id(self) -> str:
        """The merchant account."""
        return self.emulator.merchant_id if self.emulator else account_variable("merchant_id")

    @property
    def store_id(self) -> str:
        """The store that the button belongs to."""
        return self.emulator.store_id if self.emulator else account_variable("store_id")

    @property
    def client(self) -> AmazonPayClient:
        """The client of the API."""
        if self._client is None:
            self._client = AmazonPayClient(
                self.keys, region=self.region.code, environment=self.environment,
                base_url=self.emulator.url if self.emulator else None, allow_live=self._allow_live,
                journal=self.journal, new_idempotency_key=partial(_hexadecimal, self._random, 32),
                verify=self.emulator.verify if self.emulator else True,
                sleep=(lambda seconds: None) if self.emulator else time.sleep,  # the emulator's clock does not run
            )  # fmt: skip
            self._resources.callback(self._client.close)
        return self._client

    def wait(self, seconds: int) -> None:
        """Let seconds pass at Amazon: at once on the emulator, really, and some more, anywhere else."""
        if self.emulator is None:
            time.sleep(seconds + _LATE_SECONDS)
        self.director.advance(days=seconds // 86400, seconds=seconds % 86400)

    def price(self, amount: str | float) -> dict[str, str]:
        """Return an amount above zero, with decimals that the merchant's currency has, in the API's form."""
        try:
            text = format_amount(parse_amount(str(amount), self.currency), self.currency)
        except ValueError as error:
            why = f"amount={amount!r} cannot be used: {error}."
            raise ConfigurationError(why, advice="Correct the amount.") from None
        return {"amount": text, "currencyCode": self.currency}

    @property
    def script_url(self) -> str:
        """Where `checkout.js` is."""
        if self.emulator:
            return f"{self.emulator.url}/checkout.js"
        return f"https://{self.region.checkout_script_host}/checkout.js"

    def show_button(
        self, attempt: Attempt, signed: SignedPayload, *, product_type: str = "PayOnly", placement: str = "",
        cart: Cart | None = None, start: str = "", **look: str,
    ) -> HostedPage:  # fmt: skip
        """Put the button on the shop's page; show the page when you play the buyer.

        Args:
            placement: Where on the site the button is; the usual place of the payload's flow when left out.
            cart: The order that the page shows.
            start: How it leads to Amazon: ``button``, ``load``, or, for the Update page, a ``click`` on the shop's own.
            look: The ``color`` and ``language`` of the button.
        """
        config = button_config(
            signed, merchant_id=self.merchant_id, region=self.region, environment=self.environment,
            product_type=product_type, placement=place(signed.payload, product_type, placement),
            currency=self.currency, estimate=cart.total if cart else None, **{"language": self.language} | look,
        )  # fmt: skip
        start = start or ("click" if flow_of(signed.payload, product_type).name == "update" else "button")
        attempt.offer(self.script_url, config, start=start, cart=cart)
        return self.hosted_page(attempt, attempt.page_url, start=start, button=button_text(product_type))

    def show_touchless(self, attempt: Attempt, signed: SignedPayload, **choices: Any) -> HostedPage:
        """Open a page of the shop that goes to Amazon by itself, without a button; *choices* as for `show_button`."""
        return self.show_button(attempt, signed, start="load", **{"product_type": "SignInAndSetup"} | choices)

    def show_repair(self, charge_permission_id: str) -> HostedPage:
        """Let the buyer change the payment method: on the Update page, or by a new set-up where there is none."""
        attempt = self.shop.new_attempt()
        addresses = {"result_url": attempt.result_url, "cancel_url": attempt.cancel_url}
        payload = repair_payload(self.region, self.store_id, charge_permission_id, **addresses)
        return self.show_button(attempt, sign_button(payload, self.keys))

    def show_review(self, attempt: Attempt, session: CheckoutSession) -> HostedPage:
        """Show the shop's review page: address, payment method, shipping and total, and the button that orders.

        A buyer who changes address or payment method at Amazon comes back to the review address.  A buyer who orders
        continues to Amazon if the session has an ``amazonPayRedirectUrl``, else to the shop (an arrival ``ordered``).
        The *session* is as just answered by Get Checkout Session.
        """
        attempt.ask(self.script_url, Review.of(session))
        page = self.hosted_page(attempt, attempt.order_url, start="review")
        now = partial(self.client.get_checkout_session, session.checkout_session_id)
        page.refresh = lambda: attempt.ask(self.script_url, Review.of(now()))
        return page

    def show_checkout(self, attempt: Attempt, wallet: ChargePermission, cart: Cart) -> HostedPage:
        """Show the shop's cart and its checkout, where the buyer orders with a Saved Wallet and stays in the shop."""
        attempt.ask(self.script_url, Review(payment=wallet.payment_descriptor or ""), cart)
        return self.hosted_page(attempt, attempt.cart_url, start="checkout")

    def show_redirect(self, attempt: Attempt, session: CheckoutSession) -> HostedPage:
        """Redirect a buyer who has ordered to Amazon, to pay the order; the session must have no constraints left."""
        review = Review.of(session)
        if not review.redirect_url:
            missing = ", ".join(review.left) or "the session is not Open"
            why = f"There is no amazonPayRedirectUrl yet: {missing}."
            raise ConfigurationError(why, advice="Update the Checkout Session first.")
        return self.hosted_page(attempt, review.redirect_url, start="redirect")

    def hosted_page(
        self, attempt: Attempt, url: str, *, start: str = "button", button: str = "Amazon Pay"
    ) -> HostedPage:
        """Return a page that leads the buyer of an attempt to Amazon; see `HostedPage`."""
        return HostedPage(
            attempt, url, start=start, button=button, buyer=self.buyer, emulator=self.emulator, language=self.language,
            record=lambda source, target, text: self.journal.step(source, target, text, self.client.clock()),
            wait_seconds=self.wait_seconds,
        )  # fmt: skip

    def serve(self, app: ASGIApp) -> OwnServer:
        """Run an application of your own, for example of Starlette, beside the shop, until the workbench closes."""
        server = OwnServer(app, self.shop)
        self._resources.callback(server.close)
        return server

    def stage(self, story: str = "ride", **choices: str) -> Any:
        """Show a story to a merchant, as ``amazonpay-nb demo`` does, on an emulator of its own, until `close`.

        The *choices* are those of ``amazonpay-nb demo -p``; region, currency and language are this run's if left out.
        """
        own = {"region": self.region.code, "currency": self.currency, "language": self.language}
        # The stage is above the workbench, so it is imported by name.
        screen = import_module("amazonpay_nb.stage.server").Stage(story, own | choices)
        self._resources.callback(screen.close)
        return screen

    async def play_set_up(self, **script: Any) -> Arrival:
        """Set up a wallet from the button to the buyer's return, as notebook 01 does step by step; see `returned`."""
        attempt = self.shop.new_attempt()
        payload = set_up_payload(self.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)
        return await self.show_button(attempt, sign_button(payload, self.keys)).returned(**script)

    def diagram(self, *, seen: int = 0) -> SequenceDiagram:
        """Return the whole run as a sequence diagram; its first *seen* entries are paler, as known already."""
        return sequence_diagram(self.journal, seen=seen)

    def claim(self, name: str, text: str, ok: bool, *, needs_emulator: bool = False) -> Claim:
        """Claim something, as `Claim` describes it; the run fails if it is not so.

        Args:
            needs_emulator: Elsewhere the claim counts as not tried, whatever *ok* says.
        Raises:
            AssertionError: It is not so.
            ConfigurationError: *ok* is true whatever comes of it, as a coroutine or a function is.
        """
        claim = Claim(name, text, None if needs_emulator and not self.emulator else verdict(name, ok))
        if claim.ok is not None:
            tracebacks.note(str(name), str(text), claim.ok)
        if claim.ok is False:
            kernel.display(claim)
            raise AssertionError(f"{name}: {text}\n{tracebacks.comparison(sys._getframe(1))}".rstrip())
        return claim

    def record(
        self, *, session: CheckoutSession | None = None, permission: ChargePermission | None = None,
        charge: Charge | None = None, refund: Refund | None = None,
    ) -> Result:  # fmt: skip
        """Record the objects that a flow made, for the report of the run."""
        things = {"session": session, "permission": permission, "charge": charge, "refund": refund}
        rows = ((name, things[row["object"]], row["field"]) for name, row in RESULT.items())
        return Result({name: getattr(thing, field) if thing else None for name, thing, field in rows})


def _hexadecimal(source: random.Random, digits: int) -> str:
    return f"{source.getrandbits(4 * digits):0{digits}x}"


# Reads as workbench.open in a notebook.
open = Workbench  # noqa: A001
