-- Rotation of the key-encryption key: one that no row names any more never wraps again. Run as auditledger_owner.

-- Its file is removed once it stands here: what it wrapped afterwards could never be opened.
CREATE TABLE vault.retired_keks (
    id text COLLATE "C" CONSTRAINT vault_retired_keks_pk PRIMARY KEY,
    retired_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE vault.retired_keks OWNER TO auditledger_vault;

-- purpose: refuses new keys that a retired key-encryption key wrapped (a process that has not read the new one
-- yet); SQLSTATE AL001 names them, and they are made anew
CREATE FUNCTION vault.refuse_retired(key_ids text[], key_kek text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone text[];
BEGIN
    IF NOT EXISTS (SELECT FROM vault.retired_keks r WHERE r.id = ANY (key_kek)) THEN
        RETURN;
    END IF;
    gone := ARRAY(
        SELECT made.id FROM unnest(key_ids, key_kek) AS made (id, kek)
        JOIN vault.retired_keks r ON r.id = made.kek ORDER BY made.id
    );
    RAISE EXCEPTION USING
        ERRCODE = 'AL001',
        MESSAGE = 'vault key gone: ' || array_to_string(gone, ', '),
        DETAIL = 'It was wrapped by a key-encryption key that is retired.',
        HINT = 'Seal the command anew: the key-encryption key is read again.';
END
$$;

CREATE OR REPLACE FUNCTION vault.put(
    p_ledger integer, p_base bigint,
    key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[],
    row_ordinals integer[], row_keys text[], row_ciphertexts bytea[]
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF key_ids <> '{}' THEN
        INSERT INTO vault.keys (id, ledger, stream, subject, wrapped, kek_id)
        SELECT unnest(key_ids), p_ledger, unnest(key_streams), unnest(key_subjects), unnest(key_wrapped),
            unnest(key_kek);
        -- After the INSERT: its lock of the table is what retire_kek waits for, or comes behind.
        PERFORM vault.refuse_retired(key_ids, key_kek);
    END IF;
    -- A test that needs no query of its own: most entries are sealed under one key, old or new.
    IF NOT row_keys <@ key_ids THEN
        PERFORM vault.hold_keys(p_ledger, ARRAY(SELECT unnest(row_keys) EXCEPT SELECT unnest(key_ids)));
    END IF;
    INSERT INTO vault.sealed (ledger, index, key, ciphertext)
    SELECT p_ledger, p_base + unnest(row_ordinals), unnest(row_keys), unnest(row_ciphertexts);
    RETURN cardinality(row_keys);
END
$$;

CREATE OR REPLACE FUNCTION vault.ensure_key(
    p_ledger integer, p_stream text, p_subject text, p_id text, p_wrapped bytea, p_kek text
) RETURNS TABLE (id text, stream text, subject text, wrapped bytea, kek_id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws(E'\x1f', p_ledger, p_stream, p_subject), 0));
    IF NOT EXISTS (
        SELECT FROM vault.keys k
        WHERE k.ledger = p_ledger AND k.stream = p_stream AND k.subject = p_subject
    ) THEN
        INSERT INTO vault.keys (id, ledger, stream, subject, wrapped, kek_id)
        VALUES (p_id, p_ledger, p_stream, p_subject, p_wrapped, p_kek);
        PERFORM vault.refuse_retired(ARRAY[p_id], ARRAY[p_kek]);
    END IF;
    RETURN QUERY
        SELECT k.id, k.stream, k.subject, k.wrapped, k.kek_id FROM vault.keys k
        WHERE k.ledger = p_ledger AND k.stream = p_stream AND k.subject = p_subject
        ORDER BY k.seq LIMIT 1;
END
$$;

-- purpose: whether no key is wrapped by that key-encryption key, and none will ever be again; waits for those
-- who are adding keys now
CREATE FUNCTION vault.retire_kek(p_id text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE vault.keys IN SHARE MODE;
    IF EXISTS (SELECT FROM vault.keys k WHERE k.kek_id = p_id) THEN
        RETURN false;
    END IF;
    INSERT INTO vault.retired_keks (id) VALUES (p_id) ON CONFLICT (id) DO NOTHING;
    RETURN true;
END
$$;

ALTER FUNCTION vault.refuse_retired(text[], text[]) OWNER TO auditledger_vault;
ALTER FUNCTION vault.retire_kek(text) OWNER TO auditledger_vault;
REVOKE ALL ON FUNCTION vault.refuse_retired(text[], text[]), vault.retire_kek(text) FROM PUBLIC;
