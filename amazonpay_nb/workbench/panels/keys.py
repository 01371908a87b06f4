"""The key panel: a merchant's key pair on its way from nothing to one that Amazon Pay accepts.

The private key is read and written, and never shown: neither here nor in what an action returns.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from amazonpay_nb.errors import ApiError, ConfigurationError, NotFoundError
from amazonpay_nb.signing import keys as key_files
from amazonpay_nb.signing.keys import Finding
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import ROWS, Action, Chosen, View, action_of, fields_of
from amazonpay_nb.workbench.show import Shown, show
from amazonpay_nb.workbench.show.blocks import Table

# Where a new pair is written when no name is given: in a folder that git ignores, and that only its owner opens.
DEFAULT_FILE = "keys/amazon-pay-private-key.pem"
_UPLOAD = "Upload the public key in Integration Central, and load the pair with the id that you get."
# No object has this id, so asking for it changes nothing; the answer tells whether the signature was accepted.
_NOBODYS_SESSION = "00000000-0000-4000-8000-000000000000"

__tracebackhide__ = True  # a report of pytest shows what frames were called with: here, keys and passphrases


class KeyPanel(BenchPanel):
    """The key pair of a workbench, and what can be done with it.  A refused action leaves the pair as it was."""

    def view(self, chosen: Chosen) -> View:
        """Return what is known of the pair, and what can be done with it."""
        body: list[Any] = [self.parts]
        if self._wb.key_pair:
            findings = self._wb.check_keys(self._wb.key_pair)
            body += [show(self._wb.key_pair), show(findings)]
        return View("Merchant keys", body, fields_of("keys", file=DEFAULT_FILE), tuple(self._actions(chosen)))

    @property
    def parts(self) -> Shown:
        """What is uploaded, what travels, and what never leaves."""
        key_id = self._wb.key_pair.public_key_id if self._wb.key_pair else ""
        uploaded = "its id is known" if key_id else _UPLOAD if self._wb.key_pair else "none"
        if self._wb.key_pair and self._wb.emulator:
            uploaded = "registered with the emulator"
        path = self._wb.private_key_file
        private = "in the memory of this process" if self._wb.key_pair else "none"
        if path and path.exists():
            private = f"{path.name}, mode {path.stat().st_mode & 0o777:04o}"
        elif path:
            private = f"{path.name} is gone"
        here = (private, uploaded, key_id or "none yet", "made when it is needed")
        rows = tuple((*row, now) for row, now in zip(ROWS["key_parts"].items(), here, strict=True))
        title = "What is uploaded, what is transmitted, and what never leaves"
        return Shown([Table(title, ("part", "goes", "here"), rows)])

    def _actions(self, chosen: Chosen) -> Iterator[Action]:
        keys, named = self._wb.key_pair, bool(chosen.get("private_key_file") or chosen.get("private_key"))
        known = bool(keys and keys.public_key_id)
        possible = {"create": True, "load": named, "check": named or keys is not None, "ask_amazon": known}
        for name, can in possible.items():
            why = _UPLOAD if keys and name == "ask_amazon" and not can else ""
            yield action_of(name, getattr(self, name), can, why)

    def create(self, private_key_file: str, passphrase: str) -> Shown:
        """Make a pair, write both halves to new files, and sign with it from now on."""
        if not private_key_file:
            with suppress(OSError):  # of which the key says more
                Path(DEFAULT_FILE).parent.mkdir(mode=0o700, exist_ok=True)
                with Path(DEFAULT_FILE).with_name(".gitignore").open("x") as file:
                    file.write("*\n")
        made = key_files.generate()
        path, _ = key_files.save_pair(made, private_key_file or DEFAULT_FILE, passphrase=passphrase or None)
        self._wb.use_keys(made, path)
        return self.parts

    def load(self, private_key_file: str, private_key: str, public_key_id: str, passphrase: str) -> Shown:
        """Read a pair from a file or from the PEM itself, and sign with it from now on, if no finding is wrong."""
        source = _source(private_key_file, private_key)
        wrong = next((row.text for row in self._wb.check_keys(source, public_key_id, passphrase) if not row.ok), "")
        if wrong:
            raise ConfigurationError(wrong, advice="Nothing has changed: an earlier key pair is still in use.")
        pair = key_files.load(source, public_key_id, passphrase=passphrase or None)
        self._wb.use_keys(pair, source if isinstance(source, Path) else None)
        return self.parts

    def check(self, private_key_file: str, private_key: str, public_key_id: str, passphrase: str) -> list[Finding]:
        """Return what is right and wrong with a key, or with the pair in use; nothing is sent or changed."""
        source = _source(private_key_file, private_key) if private_key_file or private_key else None
        return self._wb.check_keys(source, public_key_id, passphrase)

    def ask_amazon(self) -> list[Finding]:
        """Sign a harmless request; its answer says whether the key is of this account, region and environment."""
        wb, key_id = self._wb, self._wb.keys.public_key_id
        where = f"Amazon Pay ({wb.environment}, {wb.region.name})"
        try:
            wb.client.get_checkout_session(_NOBODYS_SESSION)
        except ApiError as error:
            if not (isinstance(error, NotFoundError) and error.is_decided):  # a gateway's 404 says nothing of a key
                why = ROWS["key_refusals"].get(error.reason_code) or error.amazon_message.rstrip(".")
                return [Finding(False, f"{where} answers {error.reason_code}: {why}.")]
        return [Finding(True, f"{where} knows the key {key_id} and accepts its signature.")]


def _source(private_key_file: str, private_key: str) -> Path | bytes:
    if private_key_file and private_key:
        raise ConfigurationError("There are two keys: a file and a text.", advice="Give one of them.")
    if private_key_file:
        return key_files.source(private_key_file)
    if not private_key.strip():
        raise ConfigurationError("There is no private key.", advice="Give the path of one, or its PEM.")
    # What is pasted is never taken for the name of a file.
    return key_files.source(f"{private_key}\n")
