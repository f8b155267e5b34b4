-- The vault in a database of its own, by setting: what is written there before its entry, and which vault belongs
-- to which ledgers. Run as auditledger_owner.

-- One row once there are keys. In the ledgers' own database apart says that the vault with this id lies elsewhere,
-- and this schema is empty. A dump of the vault's data brings the id along.
CREATE TABLE vault.identity (
    one boolean CONSTRAINT vault_identity_pk PRIMARY KEY DEFAULT true CONSTRAINT vault_identity_one CHECK (one),
    id uuid NOT NULL,
    apart boolean NOT NULL
);
COMMENT ON TABLE vault.identity IS 'Which vault this is; or, apart, which other database''s vault the ledgers here have';
ALTER TABLE vault.identity OWNER TO auditledger_vault;

-- What was written before its entries, by whoever committed them next: a row a submission, until it is confirmed
-- or swept. A sealed row so written stands in vault.sealed at a mark, a number below 0, in place of the index.
CREATE TABLE vault.ahead (
    id uuid CONSTRAINT vault_ahead_pk PRIMARY KEY,
    ledger integer NOT NULL,
    commands uuid[] NOT NULL,
    made text[] COLLATE "C" NOT NULL,
    marks bigint[] NOT NULL,
    keys text[] COLLATE "C" NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT vault_ahead_marks CHECK (0 > ALL (marks) AND cardinality(marks) = cardinality(keys))
);
CREATE INDEX vault_ahead_written ON vault.ahead (written_at);
COMMENT ON TABLE vault.ahead IS 'Keys made and rows sealed for entries that may not have been recorded';
ALTER TABLE vault.ahead OWNER TO auditledger_vault;

-- purpose: whether any wrapped key exists (then a missing key-encryption key is a loss, not a beginning), which
-- vault this is, and by which server and database it is told from any other
CREATE FUNCTION vault.standing()
RETURNS TABLE (keys boolean, id uuid, apart boolean, server timestamptz, database oid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM vault.keys), i.id, i.apart, pg_postmaster_start_time(), d.oid
    FROM pg_database d LEFT JOIN vault.identity i ON true WHERE d.datname = current_database();
END;
DROP FUNCTION vault.has_keys();

-- purpose: names the vault, or keeps the name it has; returns it
CREATE FUNCTION vault.settle(p_id uuid, p_apart boolean) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO vault.identity AS i (id, apart) VALUES (p_id, p_apart)
        ON CONFLICT (one) DO UPDATE SET apart = p_apart RETURNING i.id;
END;

-- purpose: new keys and sealed rows of a submission, durable before its entries; nothing of it where a key of
-- before is gone
CREATE FUNCTION vault.put_ahead(
    p_id uuid, p_ledger integer, p_commands uuid[],
    key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[],
    row_marks bigint[], row_keys text[], row_ciphertexts bytea[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM vault.put(p_ledger, 0, key_ids, key_streams, key_subjects, key_wrapped, key_kek, '{}', '{}', '{}');
    PERFORM vault.hold_keys(p_ledger, ARRAY(SELECT unnest(row_keys) EXCEPT SELECT unnest(key_ids)));
    INSERT INTO vault.sealed (ledger, index, key, ciphertext)
    SELECT p_ledger, unnest(row_marks), unnest(row_keys), unnest(row_ciphertexts);
    INSERT INTO vault.ahead (id, ledger, commands, made, marks, keys)
    VALUES (p_id, p_ledger, p_commands, key_ids, row_marks, row_keys);
END
$$;

-- purpose: the entries of a submission are recorded: what was written before them stays
CREATE FUNCTION vault.confirm(p_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM vault.ahead a WHERE a.id = p_id;
END;

ALTER FUNCTION vault.standing() OWNER TO auditledger_vault;
ALTER FUNCTION vault.settle(uuid, boolean) OWNER TO auditledger_vault;
ALTER FUNCTION vault.put_ahead(
    uuid, integer, uuid[], text[], text[], text[], bytea[], text[], bigint[], text[], bytea[]
) OWNER TO auditledger_vault;
ALTER FUNCTION vault.confirm(uuid) OWNER TO auditledger_vault;
REVOKE ALL ON FUNCTION
    vault.standing(), vault.settle(uuid, boolean), vault.confirm(uuid),
    vault.put_ahead(uuid, integer, uuid[], text[], text[], text[], bytea[], text[], bigint[], text[], bytea[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    vault.standing(), vault.settle(uuid, boolean), vault.confirm(uuid), vault.hold_keys(integer, text[]),
    vault.put_ahead(uuid, integer, uuid[], text[], text[], text[], bytea[], text[], bigint[], text[], bytea[])
TO auditledger_writer;
