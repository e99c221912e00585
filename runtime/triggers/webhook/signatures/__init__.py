"""Who sent this? Signatures of webhook senders: checking them while the body streams, and making them.

Sans-I/O: no framework, no clock, no network. `parse_signature` reads a flow's
`signature:` block, `Scheme.begin` starts a check, `sign` makes a request that
the check accepts.
"""

from hookledger.runtime.triggers.webhook.admission.settings import Problem
from hookledger.runtime.triggers.webhook.signatures.config import Configured, parse_signature, to_recipe
from hookledger.runtime.triggers.webhook.signatures.keys import SecretUnusable
from hookledger.runtime.triggers.webhook.signatures.model import (
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
from hookledger.runtime.triggers.webhook.signatures.presets import PRESETS
from hookledger.runtime.triggers.webhook.signatures.recipe import Recipe
from hookledger.runtime.triggers.webhook.signatures.scheme import Scheme
from hookledger.runtime.triggers.webhook.signatures.signing import Draft, SignedRequest, sign
from hookledger.runtime.triggers.webhook.signatures.verifier import BUFFER_BYTES_MAX, Verifier

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
