"""The merchant's server side, usable without notebooks: signed requests, and what their answers mean."""

from amazonpay_nb.client.auth import AmazonPayAuth
from amazonpay_nb.client.client import AmazonPayClient, new_idempotency_key

__all__ = ["AmazonPayAuth", "AmazonPayClient", "new_idempotency_key"]
