"""The error panel: the cause, whether to send again and with which key, a sentence for the buyer, the next call."""

from amazonpay_nb.errors import Refused, api_error
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.reasons import REASONS
from amazonpay_nb.workbench.panels.panel import Panel
from amazonpay_nb.workbench.panels.view import Chosen, Field, Option, View, choose, explain


class ErrorPanel(Panel):
    """What an error means and what comes next; without an error, any documented refusal can be chosen.

    Args:
        error: Any exception, or what `errors.refused` caught.
        live: Whether a person sits there and can choose; usually ``wb.buyer == "you"``.
        reason_code: What to begin with where there is no error.
        operation: The call that was refused.
    Raises:
        ConfigurationError: There is no such code or call.
    """

    def __init__(
        self, error: BaseException | Refused | None = None, *, live: bool = False, reason_code: str = "SoftDeclined",
        operation: str = "",
    ) -> None:  # fmt: skip
        super().__init__(live=live)
        self.error = error.error if isinstance(error, Refused) else error
        codes = tuple(Option(code) for code in REASONS)
        calls = (Option("", "any call"), *(Option(row.name, row.title) for row in OPERATIONS.values()))
        self._fields = (
            Field("reason_code", reason_code, "Reason code", "Why Amazon refuses.", codes),
            Field("operation", operation, "Refused call", "The call that it answers.", calls),
        )
        for field in self._fields:
            field.read(field.default)

    def view(self, chosen: Chosen) -> View:
        """Return the explanation."""
        if self.error is not None:
            return View("What went wrong", tuple(explain(self.error)))
        values = {name: str(value) for name, value in choose(self._fields, chosen).items()}
        reason = REASONS[values["reason_code"]]
        error = api_error(reason.status_codes[0], reason.code, "(Amazon's own words)", operation=values["operation"])
        return View("What a refusal means", tuple(explain(error)), self._fields)
