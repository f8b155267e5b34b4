-- Destruction of sealed values (4-wire 'Sealed fields'): what the vault needs beside its tables.

-- Removed rows stay in a table's pages until it is written anew: one row here a removal since then. No sequence,
-- which a restored dump would set back.
CREATE TABLE vault.removals (
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL
);
COMMENT ON TABLE vault.removals IS 'What was destroyed since the vault''s tables were last written anew';
ALTER TABLE vault.removals OWNER TO auditledger_vault;

-- How the vault stood when it was last held to a ledger's destruction entries: for who looks at it alone.
CREATE TABLE vault.reconciled (
    ledger integer CONSTRAINT vault_reconciled_pk PRIMARY KEY,
    destroyed bigint NOT NULL,
    came_back bigint NOT NULL,
    lost bigint NOT NULL,
    lost_key text COLLATE "C",
    reconciled_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);
COMMENT ON TABLE vault.reconciled IS 'A row a ledger: keys destroyed, how often something came back, keys lost';
ALTER TABLE vault.reconciled OWNER TO auditledger_vault;

-- ANALYZE copies values of a column into the statistics, where nobody would look for what was destroyed: none are
-- made of these.
ALTER TABLE vault.keys ALTER COLUMN wrapped SET STATISTICS 0;
ALTER TABLE vault.sealed ALTER COLUMN ciphertext SET STATISTICS 0;
ALTER TABLE vault.attachments ALTER COLUMN sealed SET STATISTICS 0;
ALTER TABLE vault.actors ALTER COLUMN sealed SET STATISTICS 0, ALTER COLUMN lookup SET STATISTICS 0;
