-- Blind index (4-wire 'Sealed fields'): exact search on sealed identifiers. Run as auditledger_owner.

-- One row an identifier of an entry. token: HMAC of the normalised value under the ledger's search key, by which
-- nothing can be guessed without it. key: the vault key that the value is sealed under; its rows go with it.
CREATE TABLE vault.search (
    ledger integer NOT NULL,
    token bytea NOT NULL CONSTRAINT vault_search_token CHECK (octet_length(token) = 32),
    index bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    CONSTRAINT vault_search_pk PRIMARY KEY (ledger, token, index, path)
);
COMMENT ON TABLE vault.search IS 'Which entries hold an identifier, by tokens that say nothing without the search key';
-- Not on the way of a commit: what makes destruction quick costs no writer anything.
CREATE INDEX vault_search_key ON vault.search (ledger, key);
ALTER TABLE vault.search OWNER TO auditledger_vault;

-- How far a ledger's entries are in the index. form: by what search key, normalisation and marks it was made;
-- head: leaf hash of the last entry that is in it; unread: values and entries before it that could not be read.
CREATE TABLE vault.search_position (
    ledger integer CONSTRAINT vault_search_position_pk PRIMARY KEY,
    form text COLLATE "C" NOT NULL,
    size bigint NOT NULL DEFAULT 0,
    head bytea NOT NULL DEFAULT '',
    unread bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
COMMENT ON TABLE vault.search_position IS 'A row a ledger: up to which entry the search index is whole';
ALTER TABLE vault.search_position OWNER TO auditledger_vault;

-- As of the vault's other columns: no copies of values in the statistics.
ALTER TABLE vault.search ALTER COLUMN token SET STATISTICS 0;

-- purpose: as before; what tokens or rows are left somewhere without their keys counts too
CREATE OR REPLACE FUNCTION vault.standing()
RETURNS TABLE (keys boolean, id uuid, apart boolean, server timestamptz, database oid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM vault.keys) OR EXISTS (SELECT FROM vault.sealed)
        OR EXISTS (SELECT FROM vault.attachments) OR EXISTS (SELECT FROM vault.actors)
        OR EXISTS (SELECT FROM vault.search),
        i.id, i.apart, pg_postmaster_start_time(), d.oid
    FROM pg_database d LEFT JOIN vault.identity i ON true WHERE d.datname = current_database();
END;
