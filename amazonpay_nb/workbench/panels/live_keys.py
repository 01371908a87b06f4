"""The key panel: create, load or check a merchant's key pair, without ever seeing the private half."""

from typing import Any

from amazonpay_nb.workbench.panels.keys import KeyModel
from amazonpay_nb.workbench.panels.panel import Panel

__all__ = ["KeyPanel"]

_TOO_LARGE = 64 * 1024  # bytes; no key is


class KeyPanel(Panel):
    """The key pair of a workbench; see `panels.keys` for what can be done."""

    def __init__(self, wb: Any) -> None:
        super().__init__(KeyModel(wb), live=wb.buyer == "you", journal=wb.journal)
        self._upload: Any = None

    @property
    def widget(self) -> Any:
        """The form, and a place to upload a file to it."""
        box = super().widget
        if self._upload is None:
            import ipywidgets as w

            upload = w.FileUpload(description="Upload a private key", layout=w.Layout(width="max-content"))
            upload.add_class("amazonpay-upload")
            upload.observe(self._uploaded, "value")
            hint = w.HTML("From your browser into the field above; it goes no further than this kernel.")
            self._upload = w.HBox([upload, hint])
            self._upload.add_class("amazonpay-row")
            head, body, form, *rest = box.children
            box.children = (head, body, form, self._upload, *rest)
        return box

    def _uploaded(self, change: Any) -> None:
        files = change["new"]
        if not files:
            return
        (file,) = files
        content = bytes(file["content"])
        text = content.decode("utf-8", "replace") if len(content) <= _TOO_LARGE else ""
        self.fill(private_key=text or "This file is no key.")
        # A widget keeps what was uploaded, and a saved notebook may keep the widget.
        change["owner"].value = ()
