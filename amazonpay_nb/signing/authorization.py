"""The authorization header: one grammar for writing, reading and masking it.

Spec: "Signing requests", step 4.
"""

import re
from typing import NamedTuple

# The signature comes last, so whatever follows "Signature=" belongs to it: also its length, where it is masked.
_HEADER = re.compile(r"(\S+) PublicKeyId=([^\s,]+), ?SignedHeaders=([^\s,]+), ?Signature=(.+)", re.DOTALL)


class Authorization(NamedTuple):
    """The four parts of an authorization header, verbatim."""

    algorithm: str
    public_key_id: str
    signed_headers: str
    signature: str

    def __str__(self) -> str:
        return (
            f"{self.algorithm} PublicKeyId={self.public_key_id}, SignedHeaders={self.signed_headers}, "
            f"Signature={self.signature}"
        )


def read_authorization(value: str) -> Authorization | None:
    """Return the parts of an authorization header, or None where it does not have the documented form."""
    match = _HEADER.fullmatch(value)
    return Authorization(*match.groups()) if match else None
