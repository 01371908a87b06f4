"""Signing and verifying: the documented steps as functions, and a doctor that names the step that failed.

canonical_request → string_to_sign → sign → authorization_header. A button has no request: sign_payload starts at
string_to_sign, with the payload itself. RSASSA-PSS is randomized: two signatures of one text differ, so signatures
are verified and never compared. The doctor works the same way: `mistakes` makes one after another on purpose, and the
one that the signature fits is the one that was made.
"""

from amazonpay_nb.signing.steps import (
    Algorithm,
    authorization_header,
    canonical_request,
    format_date,
    sign,
    sign_payload,
    sign_request,
    string_to_sign,
)
from amazonpay_nb.signing.verify import (
    SignatureMismatch,
    explain_payload,
    explain_request,
    verify_payload,
    verify_request,
)

__all__ = [
    "Algorithm",
    "SignatureMismatch",
    "authorization_header",
    "canonical_request",
    "explain_payload",
    "explain_request",
    "format_date",
    "sign",
    "sign_payload",
    "sign_request",
    "string_to_sign",
    "verify_payload",
    "verify_request",
]
