"""Every refusal becomes the exception that fits it, and says what to do next."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from amazonpay_nb import errors
from amazonpay_nb.client.guide import NotChargeable, Step
from amazonpay_nb.client.notifications import Finding, NotificationRefused
from amazonpay_nb.errors import (
    AmazonPayError,
    ApiError,
    BuyerPageError,
    ConfigurationError,
    ConflictError,
    DeclinedError,
    InvalidRequestError,
    LocalError,
    NotFoundError,
    ServerError,
    SigningError,
    ThrottledError,
    TransportError,
    UnauthorizedError,
    api_error,
    refused,
)
from amazonpay_nb.signing import SignatureMismatch
from amazonpay_nb.spec.answers import ChargePermission
from amazonpay_nb.spec.reasons import REASONS, Reason, Retry
from tests.processes import PATIENCE

KEY = "0123456789abcdef0123456789abcdef"
DECLINES = {
    "SoftDeclined", "HardDeclined", "AmazonRejected", "PaymentMethodNotAllowed", "MFANotCompleted",
    "TransactionTimedOut",
}  # fmt: skip
BRANCHES = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: UnauthorizedError,
    404: NotFoundError,
    405: InvalidRequestError,
    408: ServerError,
    409: ConflictError,
    422: ConflictError,
    425: ServerError,
    426: InvalidRequestError,
    429: ThrottledError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}
# Amazon answers so before it looks at what is asked for, or about another request, or has failed; a session may be in
# its state by the same request before.
NO_DECISIONS = {
    "InvalidHeaderValue", "MissingHeader", "MissingHeaderValue", "InvalidRequest", "InvalidAPIVersion",
    "UnsupportedOperation", "RequestNotSupported", "TLSVersionNotSupported", "UnauthorizedAccess",
    "InvalidAuthentication", "InvalidAccountStatus", "InvalidRequestSignature", "InvalidAuthorizationToken",
    "DuplicateIdempotencyKey", "RequestTimeout", "TooManyRequests", "InternalServerError", "ProcessingFailure",
    "ServiceUnavailable", "InvalidCheckoutSessionStatus",
}  # fmt: skip
# What a reader's cell holds: Amazon refuses; nobody answers, which has a cause inside the network library.
REFUSED = "from amazonpay_nb.errors import api_error; raise api_error(422, 'SoftDeclined', 'No.')"
UNANSWERED = """
from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.signing.keys import generate
auth = AmazonPayAuth(generate("SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B"))
nobody = {"environment": "emulator", "base_url": "http://127.0.0.1:1", "sleep": lambda seconds: None}
AmazonPayClient(auth, **nobody).get_charge("S01-1")
"""


# ---- the tree ------------------------------------------------------------------------------------------------------


def test_the_docstring_draws_the_tree_that_there_is() -> None:
    """Its reader learns the real branches from the top of the module."""
    classes = {name for name in vars(errors) if name.endswith("Error")}
    drawn = re.findall(r"^ *[*+-] (\w+)", errors.__doc__ or "", re.M)
    assert sorted(drawn) == sorted(classes)
    parents: list[tuple[int, str]] = []
    for line in re.findall(r"^( *[*+-] \w+)", errors.__doc__ or "", re.M):
        depth, name = len(line) - len(line.lstrip()), line.split()[-1]
        parents = [parent for parent in parents if parent[0] < depth]
        above = parents[-1][1] if parents else "Exception"
        assert above in {base.__name__ for base in getattr(errors, name).__mro__}
        parents.append((depth, name))


@pytest.mark.parametrize("branch", [LocalError, TransportError, ApiError])
def test_one_except_catches_them_all(branch: type[AmazonPayError]) -> None:
    """Three branches, by who spoke; none is part of another."""
    others = {LocalError, TransportError, ApiError} - {branch}
    assert issubclass(branch, AmazonPayError)
    assert not any(issubclass(branch, other) for other in others)


# ---- an answer becomes an error ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_every_reason_code_has_its_branch_and_its_recovery(reason: Reason) -> None:
    """A decline is a decline whatever its status; everything else goes by the status."""
    for status in reason.status_codes:
        error = api_error(status, reason.code, "Because.", operation="createCharge", request_id="r-1")
        assert type(error) is (DeclinedError if reason.code in DECLINES else BRANCHES[status])
        assert (error.status_code, error.reason_code, error.amazon_message) == (status, reason.code, "Because.")
        assert (error.operation, error.request_id) == ("createCharge", "r-1")
        assert error.recovery is reason
        assert str(error) == f"{status} {reason.code}: Because.\n{reason.next_step}"


@pytest.mark.parametrize(("status", "branch"), BRANCHES.items())
def test_an_unknown_reason_code_is_judged_by_its_status(status: int, branch: type[ApiError]) -> None:
    """Amazon adds codes without notice; there is always something to do next."""
    error = api_error(status, "SomethingNew", "Because.")
    assert type(error) is branch
    assert error.recovery.next_step
    assert error.recovery.next_step in str(error)


@pytest.mark.parametrize(
    ("status", "retry"), [(400, Retry.CORRECTED_SAME_KEY), (409, Retry.NO), (429, Retry.LATER), (500, Retry.SAME_KEY)]
)
def test_an_unknown_reason_code_is_repeated_only_where_that_can_help(status: int, retry: Retry) -> None:
    """What Amazon has decided stays decided."""
    assert api_error(status, "SomethingNew", "").recovery.retry == retry


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_the_advice_names_the_key_exactly_when_it_is_to_be_sent_again(reason: Reason) -> None:
    """A key that the client made up can be repeated only if the error names it."""
    error = api_error(reason.status_codes[0], reason.code, "Because.", idempotency_key=KEY)
    assert error.idempotency_key == KEY
    assert (KEY in error.advice) == (reason.retry in (Retry.SAME_KEY, Retry.LATER))


def test_only_amazon_decides() -> None:
    """Whatever else is answered, with whatever status, says nothing of the same request before."""
    errors = [api_error(row.status_codes[0], code, "") for code, row in REASONS.items()]
    assert {error.reason_code for error in errors if not error.is_decided} == NO_DECISIONS
    assert [status for status in BRANCHES if api_error(status, f"HTTP {status}", "").is_decided] == []
    assert (AmazonPayError("").is_decided, TransportError("").is_decided) == (True, False)


def test_a_call_without_a_key_has_no_key_in_its_advice() -> None:
    """Reading calls are simply repeated."""
    assert "idempotency_key=" not in str(api_error(503, "ServiceUnavailable", "Later."))


# ---- how errors are shown ------------------------------------------------------------------------------------------


def test_a_message_stands_alone_where_there_is_no_advice() -> None:
    """No empty second line."""
    assert str(AmazonPayError("No.")) == "No."
    assert str(AmazonPayError("No.", advice="Ask.")) == "No.\nAsk."


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("No region.", advice="Choose one."),
        TransportError("No answer."),
        api_error(422, "SoftDeclined", "Declined.", operation="createCharge", request_id="r-1", idempotency_key=KEY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_the_way_between_processes(error: AmazonPayError) -> None:
    """A sweep runs on other processes and machines; an error that cannot travel hides the one that happened."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def every_error() -> list[AmazonPayError]:
    """One error of each class in `errors`, `client.guide` and `signing`."""
    permission = ChargePermission.model_validate({"chargePermissionId": "C01", "statusDetails": {"state": "Closed"}})
    plain = (AmazonPayError, LocalError, ConfigurationError, SigningError, BuyerPageError, TransportError)
    local = [kind("No.", advice="Ask.") for kind in plain]
    refusals = [
        kind("No.", status_code=422, reason_code="SoftDeclined")
        for kind in (ApiError, DeclinedError, *ApiError.__subclasses__())
    ]
    own = [
        NotChargeable(permission, Step.SET_UP_AGAIN),
        NotificationRefused(Finding.MERCHANT, "A1"),
        SignatureMismatch("path", "It differs."),
    ]
    return [*local, *refusals, *own]


def test_every_error_can_be_hashed() -> None:
    """A set of errors, or a cache by error, is nothing unusual; two errors are never equal."""
    assert {type(error).__name__ for error in every_error()} >= {
        name for name in vars(errors) if name.endswith("Error")
    }
    assert len({*every_error(), *every_error()}) == 2 * len(every_error())


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_can_be_copied_to_another_process(error: AmazonPayError) -> None:
    """With all that it says."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def in_a_cell(code: str, folder: Path) -> str:
    """Run code in a real IPython shell of its own and return what a reader sees."""
    script = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell(ipython_dir=sys.argv[1], colors='nocolor'); shell.history_manager.enabled = False\n"
        "shell.run_cell(sys.stdin.read())"
    )
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return done.stdout


def test_a_cell_shows_message_and_advice_and_nothing_internal(tmp_path: Path) -> None:
    """A refusal is read by people who did not write the client."""
    shown = in_a_cell(REFUSED, tmp_path)
    assert shown.strip() == f"DeclinedError: 422 SoftDeclined: No.\n{REASONS['SoftDeclined'].next_step}"


def test_a_cell_shows_no_cause_from_inside_the_client(tmp_path: Path) -> None:
    """The network library's own error stays behind ours, for a debugger."""
    shown = in_a_cell(UNANSWERED, tmp_path).strip()
    assert re.fullmatch(r"TransportError: No answer to GET /v2/charges/S01-1 .*\n.+", shown)
    assert not re.search(r"Traceback|httpx|tenacity|client\.py|line \d", shown)


# ---- expecting a refusal -------------------------------------------------------------------------------------------


def test_refused_holds_the_error_for_the_next_cell() -> None:
    """The block goes on, and the refusal can be looked at."""
    with refused(ConflictError) as refusal:
        raise api_error(422, "HardDeclined", "No.")
    assert isinstance(refusal.error, DeclinedError)


def test_refused_complains_where_nothing_was_refused() -> None:
    """A prediction that does not come true fails the notebook."""
    with (
        pytest.raises(AssertionError, match="expected DeclinedError, but the request was accepted"),
        refused(DeclinedError),
    ):
        pass


def test_refused_lets_another_error_through() -> None:
    """A wrong key must not pass for a decline."""
    with pytest.raises(UnauthorizedError), refused(DeclinedError) as refusal:
        raise api_error(403, "InvalidRequestSignature", "No.")
    assert refusal.error is None
