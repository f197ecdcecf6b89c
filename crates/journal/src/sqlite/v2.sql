-- From here on `pushes.answer` may be 2: nack by a deadline, which the push's next repeat takes back.

-- What a trimmed push was answered, 0 ack or 1 nack; without meaning while it is kept. All that v1 trimmed was acked.
ALTER TABLE ids ADD COLUMN answer INTEGER NOT NULL DEFAULT 0;

-- What is kept about tenants beside their pushes. `tenants` has only those that had a push.
CREATE TABLE tenant_settings (
    name TEXT PRIMARY KEY,
    settings TEXT,                -- JSON, secrets included; NULL for a tenant of the files
    version TEXT NOT NULL,
    paused INTEGER NOT NULL       -- 1 when an operator paused it
) STRICT, WITHOUT ROWID;

-- Keys that tenants had before they were purged, and whose rows are still to be erased.
CREATE TABLE purges (tenant INTEGER PRIMARY KEY) STRICT;

CREATE INDEX quarantine_by_tenant ON quarantine (tenant, id);

-- Pushes whose answer is due: an operator may let subscribers decide.
CREATE INDEX pushes_due ON pushes (received_at) WHERE answer IS NULL;
