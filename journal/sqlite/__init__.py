"""The embedded store: one SQLite file per partition, readable with any SQLite tool.

WAL mode with `synchronous=FULL`: a commit is durable when it returns. One connection writes and owns the WAL's
checkpoints (SQLite before 3.51.3 can corrupt a WAL that two connections write or checkpoint at once, hence
`apsw`, which bundles a fixed SQLite); readers are separate read-only connections.
"""

from hookledger.journal.sqlite.files import partition_file
from hookledger.journal.sqlite.reader import SqliteReader
from hookledger.journal.sqlite.store import SqliteStore

__all__ = ["SqliteReader", "SqliteStore", "partition_file"]
