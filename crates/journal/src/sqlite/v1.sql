-- One row: this life of the log.
CREATE TABLE log (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    head INTEGER NOT NULL,     -- the highest seq that was given
    reserved INTEGER NOT NULL  -- seqs up to here may have been given and lost by a power cut
) STRICT;

CREATE TABLE tenants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    trimmed INTEGER NOT NULL,  -- the highest seq that was trimmed
    pushes INTEGER NOT NULL,   -- kept pushes, and the bytes of their texts:
    bytes INTEGER NOT NULL     -- written with each commit, so that opening need not count
) STRICT;

CREATE TABLE pushes (
    seq INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    received_at INTEGER NOT NULL, -- ms since 1970
    answer INTEGER,               -- 0 ack, 1 nack, NULL while it is still due: then the push is never trimmed
    size INTEGER NOT NULL,        -- bytes of the four texts
    push_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX pushes_by_tenant ON pushes (tenant, seq, answer);
CREATE INDEX pushes_by_age ON pushes (received_at) WHERE answer IS NOT NULL;

-- What was seen: as long as the push is kept, then until it was not seen for a while.
CREATE TABLE ids (
    tenant INTEGER NOT NULL,
    push_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,   -- ms since 1970
    trimmed INTEGER NOT NULL,     -- 1 once the push is gone
    PRIMARY KEY (tenant, push_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX ids_by_age ON ids (last_seen) WHERE trimmed = 1;

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant INTEGER NOT NULL,
    digest BLOB NOT NULL,         -- SHA-256 of size and raw
    received_at INTEGER NOT NULL, -- the first time, ms since 1970
    last_at INTEGER NOT NULL,     -- the last time
    count INTEGER NOT NULL,
    size INTEGER NOT NULL,        -- of the whole message
    cost INTEGER NOT NULL,        -- what it counts against the bound
    reason TEXT NOT NULL,
    push_id TEXT,
    raw BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX quarantine_by_digest ON quarantine (tenant, digest);

-- What a failing store is tried with.
CREATE TABLE trial (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
