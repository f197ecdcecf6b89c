-- Up to here `ids` knows all pushes, and `tenants` counts them. What is above is added later, many pushes at a time, and
-- until then found by reading `pushes`.
ALTER TABLE log ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
UPDATE log SET indexed = max(head, coalesce((SELECT max(seq) FROM pushes), 0));
