"""`hookledger journal ...`: what a person or a script can ask a data directory.

Reads only, with or without a running server, but for `reindex`; imports neither the runtime nor a web framework.
"""

from hookledger.journal.cli.commands import journal

__all__ = ["journal"]
