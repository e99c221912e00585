"""The tables of a partition file: the log, and the projections that can be rebuilt from it at any time."""

from typing import Final

SCHEMA_VERSION: Final = 4
UPGRADABLE: Final = frozenset({2, 3})
"""Versions whose log has the same rows: only their projections, guards and indexes are others."""

TABLES_OF_THE_LOG: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE entry (
  pos INTEGER PRIMARY KEY,
  exec TEXT NOT NULL,
  n INTEGER NOT NULL,
  header BLOB NOT NULL,
  leaf BLOB NOT NULL,
  payload BLOB,
  salt BLOB
) STRICT;
CREATE TABLE log (
  execution TEXT NOT NULL,
  path TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
"""

# Guards are against accidents, not against an owner of the file: that is what the hashes are for.
AROUND_THE_LOG: Final = """
CREATE UNIQUE INDEX entry_of_execution ON entry (exec, n);
CREATE INDEX log_of_execution ON log (execution);
CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry
  BEGIN SELECT raise(ABORT, 'journal entries are never deleted'); END;
CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
  BEGIN SELECT raise(ABORT, 'journal entries are never changed'); END;
CREATE TRIGGER log_is_never_deleted BEFORE DELETE ON log
  BEGIN SELECT raise(ABORT, 'log lines are never deleted'); END;
CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log
  BEGIN SELECT raise(ABORT, 'log lines are never changed'); END;
CREATE VIEW events AS
  SELECT entry.pos AS pos, entry.exec AS execution,
         json_extract(event.value, '$.sequence') AS sequence,
         json_extract(event.value, '$.type') AS type,
         json_extract(event.value, '$.at') AS at,
         event.value AS event
  FROM entry, json_each(CAST(entry.payload AS TEXT)) AS event;
"""

LOG: Final = TABLES_OF_THE_LOG + AROUND_THE_LOG
KEPT_TABLES: Final = ("meta", "entry", "log")
"""Of the log: an upgrade leaves their rows alone and makes everything around them anew."""

# The indexes over executions carry the columns that lists filter by, so that a list and its total are answered from
# one of them. `by_start` and `by_flow` are written once per execution, `by_end` and `by_state` once it has ended; what
# happens meanwhile touches `execution_open` alone, which is small.
PROJECTIONS: Final = """
CREATE TABLE execution (
  id INTEGER PRIMARY KEY,  -- position of its first entry
  execution TEXT NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  flow TEXT NOT NULL,
  trigger TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  state TEXT NOT NULL,
  waits TEXT NOT NULL,
  more TEXT NOT NULL
) STRICT;
CREATE INDEX execution_by_start ON execution (started, id, namespace, flow, execution);
CREATE INDEX execution_by_flow ON execution (namespace, flow, started, id, trigger);
CREATE INDEX execution_by_state ON execution (state, started, id, namespace, flow, ended) WHERE ended > 0;
CREATE INDEX execution_by_end ON execution (ended, id, namespace, flow, started, state) WHERE ended > 0;
CREATE INDEX execution_open ON execution (started, id, waits, state) WHERE ended = 0;
CREATE TABLE execution_label (
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  started INTEGER NOT NULL,
  id INTEGER NOT NULL,
  PRIMARY KEY (key, value, started, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE execution_minute (
  minute INTEGER NOT NULL,
  namespace TEXT NOT NULL,  -- '' with the flow '' counts all flows together
  flow TEXT NOT NULL,
  state TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (minute, namespace, flow, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE claim (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  execution TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  at INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE delivery (
  delivery TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  flow TEXT NOT NULL,
  trigger TEXT NOT NULL,
  kind TEXT NOT NULL,
  execution TEXT NOT NULL,
  more TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_by_time ON delivery (at, delivery, kind);
CREATE INDEX delivery_by_trigger ON delivery (namespace, flow, trigger, at, delivery, kind);
CREATE INDEX delivery_repeated ON delivery (execution) WHERE kind = 'DUPLICATE';
CREATE TABLE system_entry (
  type TEXT NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (type, pos)
) STRICT, WITHOUT ROWID;
CREATE TABLE actor_entry (
  actor TEXT NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (actor, pos)
) STRICT, WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('events', 0);
"""
TABLES: Final = (
    "execution",
    "execution_label",
    "execution_minute",
    "claim",
    "delivery",
    "system_entry",
    "actor_entry",
    "counter",
)
"""Of the projections."""
