"""What a journal holds: the wire inspector looks at its requests one by one, the diagram draws the whole run."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.report import verdict_on
from amazonpay_nb.client.slips import SLIPS, Diagnosis, diagnose
from amazonpay_nb.client.snippets import LANGUAGES, PRIVATE_KEY_FILE, sign_for_curl, snippet
from amazonpay_nb.client.wire import SigningSteps, request_of, signing_steps
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import Algorithm
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.diagrams import sequence_diagram
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import ROWS, Action, Chosen, Field, View, action_of, choose, fields_of
from amazonpay_nb.workbench.parameters import check_names
from amazonpay_nb.workbench.show import show
from amazonpay_nb.workbench.show.blocks import Block, Code, Foreign, Prose, Table, facts

_NOTHING = "Nothing has been sent yet: run a cell that calls Amazon Pay, and look again."
LAST = "last"
# What can be looked at in an exchange.
LOOKS: dict[str, str] = ROWS["looks"] | LANGUAGES


class WirePanel(BenchPanel):
    """The wire inspector: every request, how it was signed, the same call in other languages, what would break it.

    It begins with the *choices* for ``exchange`` (a number, or ``last``), ``show`` and ``slip``.
    """

    def __init__(self, wb: Workbench, **choices: str) -> None:
        super().__init__(wb)
        usual = {"exchange": LAST, "show": "signing", "slip": "host"}
        check_names(choices, usual)
        self._defaults = usual | choices
        for field in self._fields(wb.journal.exchanges):
            field.read(field.default)

    def view(self, chosen: Chosen) -> View:
        """Return the exchange that is chosen, as it is to be shown."""
        exchanges = self._wb.journal.exchanges
        if not exchanges:
            return View("Wire inspector", (_NOTHING,))
        options = self._fields(exchanges)
        values = {name: str(value) for name, value in choose(options, chosen).items()}
        number = len(exchanges) if values["exchange"] == LAST else int(values["exchange"])
        exchange = exchanges[number - 1]
        marked = ((f"{'● ' if n == number else ''}{n}", e) for n, e in enumerate(exchanges, start=1))
        rows = tuple((name, e.operation, f"{e.method} {e.path}", e.answer) for name, e in marked)
        table = Table("Every exchange of this run", ("number", "operation", "request", "answer"), rows)
        body = [table, *self._look(exchange, values["show"], values["slip"])]
        what = values["show"]
        fields = [*options[: 3 if what == "doctor" else 2]]
        actions = list[Action]()
        if what == "again" and exchange.authorization:
            text = "" if exchange.request is None else json.dumps(exchange.request, ensure_ascii=False, indent=2)
            body_field, new_key = fields_of("again", {"body": {"default": text}}, number=str(number))
            fields += [body_field._replace(name=f"body_{number}"), new_key]
            names = (f"body_{number}", new_key.name)
            does = f"{exchange.method} {exchange.path}, signed anew."
            actions.append(Action("send", "Send it again", partial(self._send, exchange), True, does, names))
        if what == "curl" and exchange.authorization:
            actions.append(action_of("sign", partial(self._sign, exchange)))
        return View("Wire inspector", body, fields, actions)

    def _sign(self, exchange: Exchange) -> str:
        path = sign_for_curl(exchange, self._wb.client.sender.auth)
        return f"{path} is written; run the command in {path.resolve().parent if self.live else 'its folder'}."

    def _send(self, exchange: Exchange, under_a_new_key: bool, **bodies: str) -> Any:
        client, (text,) = self._wb.client, bodies.values()
        try:
            body = json.loads(text) if text.strip() else None
            if not isinstance(body, dict | None):
                raise ValueError("it has to be an object")
        except ValueError as error:
            raise ConfigurationError(f"The body is no JSON: {error}.", advice="Correct it: nothing was sent.") from None
        return client.sender.repeat(exchange, body, client.new_key() if under_a_new_key else "")

    def _fields(self, exchanges: tuple[Exchange, ...]) -> tuple[Field, ...]:
        numbered = enumerate(exchanges, start=1)
        numbers = {str(number): f"{number}. {e.method} {e.path} → {e.answer}" for number, e in numbered}
        slips = {name: slip.label for name, slip in SLIPS.items()}
        options = {"exchange": {LAST: "The latest"} | numbers, "show": LOOKS, "slip": slips}
        begins = self._defaults.items()
        return fields_of("wire", {name: {"options": options[name], "default": value} for name, value in begins})

    def _look(self, exchange: Exchange, what: str, slip: str) -> Iterator[Block]:
        if what == "exchange":
            headers = {name: self.repeatable(value) for name, value in exchange.headers.items()}
            yield from show(replace(exchange, headers=headers)).blocks
        elif what == "again":
            yield Prose("Change the body, and send it under a new key: under the old one, Amazon refuses another body.")
        elif not exchange.authorization:
            yield Prose("This exchange carries no signature, so there is nothing more to see.")
        elif what == "signing":
            yield from _steps(signing_steps(exchange), self.repeatable)
            yield Prose(f"{verdict_on(exchange)} The answer was {exchange.answer}.", "Why it was accepted, or not")
        elif what == "doctor":
            try:
                diagnosis = diagnose(request_of(exchange), self._wb.keys, slip)
            except ConfigurationError as error:  # an exchange of another run, and no keys yet
                yield from show(error).blocks
            else:
                yield from _diagnosis(diagnosis, self.repeatable)
        else:
            yield Code(LANGUAGES[what], self.repeatable(snippet(what, exchange, **self._places()).rstrip("\n")))
            yield from map(Prose, ROWS["languages"][what])

    def _places(self) -> dict[str, str]:
        """Return where a program finds the key, and the running emulator; in committed outputs, where Amazon is."""
        if not self.live:
            return {}
        places, emulator = {"key_file": str(self._wb.private_key_file or PRIVATE_KEY_FILE)}, self._wb.emulator
        if emulator and not emulator.in_process:
            emulator.open_proxy()
            places |= {"proxy": str(emulator.proxy_url), "authority": str(emulator.proxy_ca_file)}
        return places


def _steps(steps: SigningSteps, form: Callable[[str], str]) -> Iterator[Block]:
    signed = steps.authorization
    yield Code("Step 1: the canonical request", form(steps.canonical_request))
    yield Table("Its lines", ("line", "what it is"), tuple(steps.lines()))
    title = "Step 2: the string to sign, the algorithm's name and the hash of the canonical request"
    yield Code(title, form(steps.string_to_sign))
    salt = Algorithm(signed.algorithm).salt_length
    scheme = f"RSASSA-PSS with SHA-256 and a salt of {salt} bytes, by your private key, in base64: {signed.signature}."
    yield Prose(scheme, "Step 3: the signature")
    yield Prose(form(str(signed)), "Step 4: the authorization header")


def _diagnosis(diagnosis: Diagnosis, form: Callable[[str], str]) -> Iterator[Block]:
    slip, mismatch = diagnosis.slip, diagnosis.mismatch
    if not diagnosis.differs:
        yield Prose(f"“{slip.label}” changes nothing in this request; choose another request, or another mistake.")
        return
    signed, received = diagnosis.canonical_requests
    same = signed == received
    verdict = "✗ the request is refused" if mismatch else "✓ the signature is accepted"
    rows = [("change", slip.label), ("in practice", slip.why), ("verdict", verdict)]
    if mismatch:
        where = "after the canonical request, which is right" if same else "in the lines marked − and +"
        rows.append(("step that breaks", f"{mismatch.finding}: {where}"))
        rows.append(("explanation", form(mismatch.explanation)))
    yield facts("Signature doctor", rows)
    what = "the same on both sides" if same else "− you signed, + Amazon makes of what arrives"
    yield Code(f"Canonical request: {what}", form(received if same else diagnosis.compared))


class DiagramPanel(BenchPanel):
    """Everything that a workbench's journal holds, drawn without network or script."""

    def view(self, chosen: Chosen) -> View:
        """Return the diagram as it is now: it grows with the run."""
        diagram = sequence_diagram(self._wb.journal)
        return View("The run so far", (Foreign("", diagram.text(), diagram.svg()),))
