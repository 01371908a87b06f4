"""One harmless request whose answer tells whether Amazon Pay accepts a key."""

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.errors import ApiError, NotFoundError
from amazonpay_nb.signing.keys import Finding

# No object has this id, so asking for it changes nothing; the answer tells whether the signature was accepted.
_NOBODYS_SESSION = "00000000-0000-4000-8000-000000000000"
# What a refusal says about the key, by reason code.
_REFUSALS = {
    "UnauthorizedAccess": "the account does not know the id, so the key is of another region or environment, or was "
    "never uploaded",
    "InvalidRequestSignature": "the id is known, and its public key is not the other half of this private key",
    "InvalidHeaderValue": "this is the host of another region",
}


def try_key(client: AmazonPayClient, public_key_id: str, where: str) -> Finding:
    """Sign a harmless request; its answer says whether the key is of this account, region and environment.

    Args:
        where: The name of the other side, for the sentence that is returned.
    Raises:
        TransportError: No answer came.
    """
    try:
        client.get_checkout_session(_NOBODYS_SESSION)
    except NotFoundError:
        pass  # so the signature was accepted
    except ApiError as error:
        why = _REFUSALS.get(error.reason_code) or error.amazon_message
        return Finding(False, f"{where} answers {error.reason_code}: {why}.")
    return Finding(True, f"{where} knows the key {public_key_id} and accepts its signature.")
