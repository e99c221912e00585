"""Who sent this? Signatures of webhook senders: checking them while the body streams, and making them.

Sans-I/O: no framework, no clock, no network. `parse_signature` reads a flow's
`signature:` block, `Scheme.begin` starts a check, `sign` makes a request that
the check accepts.
"""

from hookledger.api.webhook.admission.settings import Problem
from hookledger.api.webhook.signatures.config import Configured, parse_signature, to_recipe
from hookledger.api.webhook.signatures.keys import SecretUnusable
from hookledger.api.webhook.signatures.model import (
    Algorithm,
    DedupSource,
    Encoding,
    Format,
    Reason,
    SecretEncoding,
    Signature,
    TimestampUnit,
    Verdict,
)
from hookledger.api.webhook.signatures.presets import PRESETS
from hookledger.api.webhook.signatures.recipe import Recipe
from hookledger.api.webhook.signatures.scheme import Scheme
from hookledger.api.webhook.signatures.signing import Draft, SignedRequest, sign
from hookledger.api.webhook.signatures.verifier import BUFFER_BYTES_MAX, Verifier

__all__ = [
    "BUFFER_BYTES_MAX",
    "PRESETS",
    "Algorithm",
    "Configured",
    "DedupSource",
    "Draft",
    "Encoding",
    "Format",
    "Problem",
    "Reason",
    "Recipe",
    "Scheme",
    "SecretEncoding",
    "SecretUnusable",
    "Signature",
    "SignedRequest",
    "TimestampUnit",
    "Verdict",
    "Verifier",
    "parse_signature",
    "sign",
    "to_recipe",
]
