-- The vault: wrapped subject keys, sealed values, attachments. Nothing in it is readable without the
-- key-encryption key, and nothing of it is readable by the roles that read or write entries, but the
-- wrapped keys that the writer needs for sealing.

CREATE SCHEMA vault AUTHORIZATION auditledger_vault;
REVOKE ALL ON SCHEMA vault FROM PUBLIC;
GRANT USAGE ON SCHEMA vault TO auditledger_writer;

-- A key serves one subject in one case; two commands that race may leave a subject with several, which
-- is why (ledger, stream, subject) is not unique. seq is the order of making: the lowest is used for sealing.
CREATE TABLE vault.keys (
    id text COLLATE "C" CONSTRAINT vault_keys_pk PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    ledger integer NOT NULL,
    stream text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    wrapped bytea NOT NULL,
    kek_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX vault_keys_subject ON vault.keys (ledger, stream, subject, seq);

-- One row an entry and key. No foreign key: vault.put locks the key rows once a call, not once a row.
CREATE TABLE vault.sealed (
    ledger integer NOT NULL,
    index bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    ciphertext bytea NOT NULL,
    CONSTRAINT vault_sealed_pk PRIMARY KEY (ledger, index, key)
);
ALTER TABLE vault.sealed ALTER COLUMN ciphertext SET STORAGE EXTERNAL;

-- The file itself lies under the data directory; its salt and nonce prefix are in sealed, under the key.
CREATE TABLE vault.attachments (
    ledger integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    commitment bytea NOT NULL CONSTRAINT vault_attachments_commitment CHECK (octet_length(commitment) = 32),
    path text NOT NULL,
    length bigint NOT NULL CONSTRAINT vault_attachments_length CHECK (length >= 0),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT vault_attachments_pk PRIMARY KEY (ledger, key, commitment)
);

-- Who recorded entries: the entries hold the random id, this table (leavers kept) issuer, login and name,
-- sealed under a key of each actor. lookup is a MAC of issuer and login.
CREATE TABLE vault.actors (
    id text COLLATE "C" CONSTRAINT vault_actors_pk PRIMARY KEY,
    lookup bytea NOT NULL CONSTRAINT vault_actors_lookup UNIQUE,
    key text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE vault.keys OWNER TO auditledger_vault;
ALTER TABLE vault.sealed OWNER TO auditledger_vault;
ALTER TABLE vault.attachments OWNER TO auditledger_vault;
ALTER TABLE vault.actors OWNER TO auditledger_vault;

-- purpose: holds keys against destruction until commit; SQLSTATE AL001 names the ones that are gone
CREATE FUNCTION vault.hold_keys(p_ledger integer, p_keys text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held text[];
    gone text[];
BEGIN
    -- In order of id, as whoever destroys keys takes them: no deadlock.
    held := ARRAY(
        SELECT k.id FROM vault.keys k
        WHERE k.id = ANY (p_keys) AND k.ledger = p_ledger
        ORDER BY k.id FOR KEY SHARE
    );
    gone := ARRAY(SELECT DISTINCT n FROM unnest(p_keys) n WHERE n <> ALL (held) ORDER BY n);
    IF cardinality(gone) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'AL001',
            MESSAGE = 'vault key gone: ' || array_to_string(gone, ', '),
            HINT = 'Seal the command anew, or refuse it.';
    END IF;
END
$$;

-- purpose: new keys and the sealed rows of a group of entries, inside the statement that commits them;
-- row i belongs to entry p_base + row_ordinals[i]; returns the number of rows
CREATE FUNCTION vault.put(
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

-- purpose: the wrapped keys of a case, oldest first (for sealing)
CREATE FUNCTION vault.keys_of(p_ledger integer, p_stream text)
RETURNS TABLE (id text, stream text, subject text, wrapped bytea, kek_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT k.id, k.stream, k.subject, k.wrapped, k.kek_id FROM vault.keys k
    WHERE k.ledger = p_ledger AND k.stream = p_stream ORDER BY k.seq;
END;

-- purpose: whether any wrapped key exists (then a missing key-encryption key is a loss, not a beginning)
CREATE FUNCTION vault.has_keys() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM vault.keys);
END;

-- purpose: the oldest key of a subject, or the offered one recorded as such; of two that race one wins
CREATE FUNCTION vault.ensure_key(
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
    END IF;
    RETURN QUERY
        SELECT k.id, k.stream, k.subject, k.wrapped, k.kek_id FROM vault.keys k
        WHERE k.ledger = p_ledger AND k.stream = p_stream AND k.subject = p_subject
        ORDER BY k.seq LIMIT 1;
END
$$;

-- purpose: the row of an attachment whose file is durable already
CREATE FUNCTION vault.put_attachment(
    p_ledger integer, p_key text, p_commitment bytea, p_path text, p_length bigint, p_sealed bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM vault.hold_keys(p_ledger, ARRAY[p_key]);
    INSERT INTO vault.attachments (ledger, key, commitment, path, length, sealed)
    VALUES (p_ledger, p_key, p_commitment, p_path, p_length, p_sealed);
END
$$;

-- purpose: every attachment that has a row (what a sweep of files must keep)
CREATE FUNCTION vault.attachment_names() RETURNS TABLE (ledger integer, key text, commitment bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.ledger, a.key, a.commitment FROM vault.attachments a;
END;

-- purpose: the id of an actor by the MAC of issuer and login; null for one never seen
CREATE FUNCTION vault.find_actor(p_lookup bytea) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.id FROM vault.actors a WHERE a.lookup = p_lookup;
END;

-- purpose: records a new actor; returns its id, or that of the one a racing sign-in recorded first
CREATE FUNCTION vault.put_actor(p_id text, p_lookup bytea, p_key text, p_sealed bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM vault.hold_keys(0, ARRAY[p_key]);
    INSERT INTO vault.actors (id, lookup, key, sealed) VALUES (p_id, p_lookup, p_key, p_sealed)
        ON CONFLICT (lookup) DO NOTHING;
    RETURN (SELECT a.id FROM vault.actors a WHERE a.lookup = p_lookup);
END
$$;

-- purpose: sealed names and logins of actors, with their wrapped keys; nulls where a key is gone
CREATE FUNCTION vault.open_actors(p_ids text[])
RETURNS TABLE (id text, key text, sealed bytea, wrapped bytea, kek_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.id, a.key, a.sealed, k.wrapped, k.kek_id
    FROM vault.actors a LEFT JOIN vault.keys k ON k.id = a.key AND k.ledger = 0
    WHERE a.id = ANY (p_ids);
END;

-- purpose: the sealed rows asked for by (index, key), with their wrapped keys; nulls for what is missing
CREATE FUNCTION vault.open_rows(p_ledger integer, p_indexes bigint[], p_keys text[])
RETURNS TABLE (index bigint, key text, ciphertext bytea, wrapped bytea, kek_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT asked.index, asked.key, s.ciphertext, k.wrapped, k.kek_id
    FROM unnest(p_indexes, p_keys) AS asked (index, key)
    LEFT JOIN vault.sealed s ON s.ledger = p_ledger AND s.index = asked.index AND s.key = asked.key
    LEFT JOIN vault.keys k ON k.id = asked.key AND k.ledger = p_ledger;
END;

-- purpose: the row of an attachment with its wrapped key; no row when either is missing
CREATE FUNCTION vault.open_attachment(p_ledger integer, p_key text, p_commitment bytea)
RETURNS TABLE (path text, length bigint, sealed bytea, wrapped bytea, kek_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.path, a.length, a.sealed, k.wrapped, k.kek_id
    FROM vault.attachments a JOIN vault.keys k ON k.id = a.key AND k.ledger = a.ledger
    WHERE a.ledger = p_ledger AND a.key = p_key AND a.commitment = p_commitment;
END;

ALTER FUNCTION vault.hold_keys(integer, text[]) OWNER TO auditledger_vault;
ALTER FUNCTION vault.put(
    integer, bigint, text[], text[], text[], bytea[], text[], integer[], text[], bytea[]
) OWNER TO auditledger_vault;
ALTER FUNCTION vault.keys_of(integer, text) OWNER TO auditledger_vault;
ALTER FUNCTION vault.has_keys() OWNER TO auditledger_vault;
ALTER FUNCTION vault.ensure_key(integer, text, text, text, bytea, text) OWNER TO auditledger_vault;
ALTER FUNCTION vault.put_attachment(integer, text, bytea, text, bigint, bytea) OWNER TO auditledger_vault;
ALTER FUNCTION vault.open_rows(integer, bigint[], text[]) OWNER TO auditledger_vault;
ALTER FUNCTION vault.open_attachment(integer, text, bytea) OWNER TO auditledger_vault;

ALTER FUNCTION vault.attachment_names() OWNER TO auditledger_vault;
ALTER FUNCTION vault.find_actor(bytea) OWNER TO auditledger_vault;
ALTER FUNCTION vault.put_actor(text, bytea, text, bytea) OWNER TO auditledger_vault;
ALTER FUNCTION vault.open_actors(text[]) OWNER TO auditledger_vault;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vault FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    vault.put(integer, bigint, text[], text[], text[], bytea[], text[], integer[], text[], bytea[]),
    vault.keys_of(integer, text),
    vault.has_keys(),
    vault.ensure_key(integer, text, text, text, bytea, text),
    vault.put_attachment(integer, text, bytea, text, bigint, bytea),
    vault.attachment_names(),
    vault.find_actor(bytea),
    vault.put_actor(text, bytea, text, bytea)
TO auditledger_writer;
