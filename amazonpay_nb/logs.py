"""Keeps secrets out of the log of the HTTP library, which writes down every address that it calls."""

import logging

import httpx

from amazonpay_nb.journal import redact

__all__ = ["keep_secrets_out"]


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(redact(str(one)) if isinstance(one, httpx.URL) else one for one in record.args)
        return True


_REDACTING = _Redacting()


def keep_secrets_out() -> None:
    """Mask what a journal would mask: the path of Get Buyer holds a token, and so does an address to come back to."""
    logging.getLogger("httpx").addFilter(_REDACTING)  # the same one is added once
