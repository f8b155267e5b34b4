-- name: schema
-- All tables, functions and rights as the migrations make them (pg_dump of a migrated database). It is here
-- to be read; the migrations are what runs. A test compares them; python -m tests.store.test_schema writes it.
SET check_function_bodies = false;

CREATE SCHEMA ledger;

ALTER SCHEMA ledger OWNER TO auditledger_owner;

CREATE SCHEMA registers;

ALTER SCHEMA registers OWNER TO auditledger_projector;

CREATE SCHEMA replays;

ALTER SCHEMA replays OWNER TO auditledger_projector;

CREATE SCHEMA vault;

ALTER SCHEMA vault OWNER TO auditledger_vault;

CREATE FUNCTION ledger.create_ledger(slug text, origin text, organisation text, public boolean, demonstration boolean) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    WITH opened AS (
        INSERT INTO ledger.ledgers (slug, origin, organisation, public, demonstration)
        VALUES (create_ledger.slug, create_ledger.origin, create_ledger.organisation,
                create_ledger.public, create_ledger.demonstration)
        RETURNING id
    )
    INSERT INTO ledger.heads (ledger, size, recorded_at, hash)
    SELECT id, 0, 'epoch', decode(repeat('00', 32), 'hex') FROM opened
    RETURNING heads.ledger
$$;

ALTER FUNCTION ledger.create_ledger(slug text, origin text, organisation text, public boolean, demonstration boolean) OWNER TO auditledger_owner;

CREATE FUNCTION ledger.hold_head(wanted integer, old_size bigint, old_hash bytea, now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM FROM ledger.heads
    WHERE ledger = wanted AND size = old_size AND hash = old_hash
        AND (now IS NULL OR now <= clock_timestamp() + interval '2 seconds')
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the head has moved' USING ERRCODE = 'AL002';
    END IF;
END
$$;

ALTER FUNCTION ledger.hold_head(wanted integer, old_size bigint, old_hash bytea, now timestamp with time zone) OWNER TO auditledger_owner;

CREATE FUNCTION ledger.move_head(wanted integer, new_size bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE ledger.heads h SET size = new_size, hash = e.leaf_hash, recorded_at = e.recorded_at
    FROM ledger.entries e
    WHERE h.ledger = wanted AND e.ledger = wanted AND e.index = new_size - 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no entry %', new_size - 1;
    END IF;
END
$$;

ALTER FUNCTION ledger.move_head(wanted integer, new_size bigint) OWNER TO auditledger_owner;

CREATE FUNCTION ledger.position_at(wanted_ledger integer, moment timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
    low bigint := 0;
    high bigint;
    middle bigint;
BEGIN
    SELECT size INTO high FROM ledger.heads WHERE ledger = wanted_ledger FOR SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT recorded_at FROM ledger.entries WHERE ledger = wanted_ledger AND index = middle) <= moment THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END
$$;

ALTER FUNCTION ledger.position_at(wanted_ledger integer, moment timestamp with time zone) OWNER TO auditledger_owner;

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'ledger.%: % is refused: entries are only ever added', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;

ALTER FUNCTION ledger.refuse_change() OWNER TO auditledger_owner;

CREATE FUNCTION ledger.refuse_closed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'ledger.heads: the ledger is closed (%)', OLD.closed USING ERRCODE = 'AL003';
END
$$;

ALTER FUNCTION ledger.refuse_closed() OWNER TO auditledger_owner;

CREATE FUNCTION ledger.refuse_going_back() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.ledger <> OLD.ledger OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) THEN
        RAISE EXCEPTION 'ledger.checkpoints: a signed checkpoint is only ever followed by a larger one'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

ALTER FUNCTION ledger.refuse_going_back() OWNER TO auditledger_owner;

CREATE TABLE vault.attachments (
    ledger integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    commitment bytea NOT NULL,
    path text NOT NULL,
    length bigint NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT vault_attachments_commitment CHECK ((octet_length(commitment) = 32)),
    CONSTRAINT vault_attachments_length CHECK ((length >= 0))
);
ALTER TABLE ONLY vault.attachments ALTER COLUMN sealed SET STATISTICS 0;

ALTER TABLE vault.attachments OWNER TO auditledger_vault;

CREATE FUNCTION vault.attachment_names() RETURNS TABLE(ledger integer, key text, commitment bytea)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT a.ledger,
     a.key,
     a.commitment
    FROM vault.attachments a;
END;

ALTER FUNCTION vault.attachment_names() OWNER TO auditledger_vault;

CREATE TABLE vault.ahead (
    id uuid NOT NULL,
    ledger integer NOT NULL,
    commands uuid[] NOT NULL,
    made text[] NOT NULL COLLATE pg_catalog."C",
    marks bigint[] NOT NULL,
    keys text[] NOT NULL COLLATE pg_catalog."C",
    written_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT vault_ahead_marks CHECK (((0 > ALL (marks)) AND (cardinality(marks) = cardinality(keys))))
);

ALTER TABLE vault.ahead OWNER TO auditledger_vault;

COMMENT ON TABLE vault.ahead IS 'Keys made and rows sealed for entries that may not have been recorded';

CREATE FUNCTION vault.confirm(p_id uuid) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 DELETE FROM vault.ahead a
   WHERE (a.id = confirm.p_id);
END;

ALTER FUNCTION vault.confirm(p_id uuid) OWNER TO auditledger_vault;

CREATE FUNCTION vault.ensure_key(p_ledger integer, p_stream text, p_subject text, p_id text, p_wrapped bytea, p_kek text) RETURNS TABLE(id text, stream text, subject text, wrapped bytea, kek_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION vault.ensure_key(p_ledger integer, p_stream text, p_subject text, p_id text, p_wrapped bytea, p_kek text) OWNER TO auditledger_vault;

CREATE TABLE vault.actors (
    id text NOT NULL COLLATE pg_catalog."C",
    lookup bytea NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ONLY vault.actors ALTER COLUMN lookup SET STATISTICS 0;
ALTER TABLE ONLY vault.actors ALTER COLUMN sealed SET STATISTICS 0;

ALTER TABLE vault.actors OWNER TO auditledger_vault;

CREATE FUNCTION vault.find_actor(p_lookup bytea) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT a.id
    FROM vault.actors a
   WHERE (a.lookup = find_actor.p_lookup);
END;

ALTER FUNCTION vault.find_actor(p_lookup bytea) OWNER TO auditledger_vault;

CREATE FUNCTION vault.hold_keys(p_ledger integer, p_keys text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION vault.hold_keys(p_ledger integer, p_keys text[]) OWNER TO auditledger_vault;

CREATE TABLE vault.keys (
    id text NOT NULL COLLATE pg_catalog."C",
    seq bigint NOT NULL,
    ledger integer NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    wrapped bytea NOT NULL,
    kek_id text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ONLY vault.keys ALTER COLUMN wrapped SET STATISTICS 0;

ALTER TABLE vault.keys OWNER TO auditledger_vault;

CREATE FUNCTION vault.keys_of(p_ledger integer, p_stream text) RETURNS TABLE(id text, stream text, subject text, wrapped bytea, kek_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT k.id,
     k.stream,
     k.subject,
     k.wrapped,
     k.kek_id
    FROM vault.keys k
   WHERE ((k.ledger = keys_of.p_ledger) AND (k.stream = keys_of.p_stream))
   ORDER BY k.seq;
END;

ALTER FUNCTION vault.keys_of(p_ledger integer, p_stream text) OWNER TO auditledger_vault;

CREATE FUNCTION vault.open_actors(p_ids text[]) RETURNS TABLE(id text, key text, sealed bytea, wrapped bytea, kek_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT a.id,
     a.key,
     a.sealed,
     k.wrapped,
     k.kek_id
    FROM (vault.actors a
      LEFT JOIN vault.keys k ON (((k.id = a.key) AND (k.ledger = 0))))
   WHERE (a.id = ANY (open_actors.p_ids));
END;

ALTER FUNCTION vault.open_actors(p_ids text[]) OWNER TO auditledger_vault;

CREATE FUNCTION vault.open_attachment(p_ledger integer, p_key text, p_commitment bytea) RETURNS TABLE(path text, length bigint, sealed bytea, wrapped bytea, kek_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT a.path,
     a.length,
     a.sealed,
     k.wrapped,
     k.kek_id
    FROM (vault.attachments a
      JOIN vault.keys k ON (((k.id = a.key) AND (k.ledger = a.ledger))))
   WHERE ((a.ledger = open_attachment.p_ledger) AND (a.key = open_attachment.p_key) AND (a.commitment = open_attachment.p_commitment));
END;

ALTER FUNCTION vault.open_attachment(p_ledger integer, p_key text, p_commitment bytea) OWNER TO auditledger_vault;

CREATE TABLE vault.sealed (
    ledger integer NOT NULL,
    index bigint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    ciphertext bytea NOT NULL
);
ALTER TABLE ONLY vault.sealed ALTER COLUMN ciphertext SET STATISTICS 0;
ALTER TABLE ONLY vault.sealed ALTER COLUMN ciphertext SET STORAGE EXTERNAL;

ALTER TABLE vault.sealed OWNER TO auditledger_vault;

CREATE FUNCTION vault.open_rows(p_ledger integer, p_indexes bigint[], p_keys text[]) RETURNS TABLE(index bigint, key text, ciphertext bytea, wrapped bytea, kek_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT asked.index,
     asked.key,
     s.ciphertext,
     k.wrapped,
     k.kek_id
    FROM ((UNNEST(open_rows.p_indexes, open_rows.p_keys) asked(index, key)
      LEFT JOIN vault.sealed s ON (((s.ledger = open_rows.p_ledger) AND (s.index = asked.index) AND (s.key = asked.key))))
      LEFT JOIN vault.keys k ON (((k.id = asked.key) AND (k.ledger = open_rows.p_ledger))));
END;

ALTER FUNCTION vault.open_rows(p_ledger integer, p_indexes bigint[], p_keys text[]) OWNER TO auditledger_vault;

CREATE FUNCTION vault.put(p_ledger integer, p_base bigint, key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_ordinals integer[], row_keys text[], row_ciphertexts bytea[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION vault.put(p_ledger integer, p_base bigint, key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_ordinals integer[], row_keys text[], row_ciphertexts bytea[]) OWNER TO auditledger_vault;

CREATE FUNCTION vault.put_actor(p_id text, p_lookup bytea, p_key text, p_sealed bytea) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM vault.hold_keys(0, ARRAY[p_key]);
    INSERT INTO vault.actors (id, lookup, key, sealed) VALUES (p_id, p_lookup, p_key, p_sealed)
        ON CONFLICT (lookup) DO NOTHING;
    RETURN (SELECT a.id FROM vault.actors a WHERE a.lookup = p_lookup);
END
$$;

ALTER FUNCTION vault.put_actor(p_id text, p_lookup bytea, p_key text, p_sealed bytea) OWNER TO auditledger_vault;

CREATE FUNCTION vault.put_ahead(p_id uuid, p_ledger integer, p_commands uuid[], key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_marks bigint[], row_keys text[], row_ciphertexts bytea[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM vault.put(p_ledger, 0, key_ids, key_streams, key_subjects, key_wrapped, key_kek, '{}', '{}', '{}');
    PERFORM vault.hold_keys(p_ledger, ARRAY(SELECT unnest(row_keys) EXCEPT SELECT unnest(key_ids)));
    INSERT INTO vault.sealed (ledger, index, key, ciphertext)
    SELECT p_ledger, unnest(row_marks), unnest(row_keys), unnest(row_ciphertexts);
    INSERT INTO vault.ahead (id, ledger, commands, made, marks, keys)
    VALUES (p_id, p_ledger, p_commands, key_ids, row_marks, row_keys);
END
$$;

ALTER FUNCTION vault.put_ahead(p_id uuid, p_ledger integer, p_commands uuid[], key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_marks bigint[], row_keys text[], row_ciphertexts bytea[]) OWNER TO auditledger_vault;

CREATE FUNCTION vault.put_attachment(p_ledger integer, p_key text, p_commitment bytea, p_path text, p_length bigint, p_sealed bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM vault.hold_keys(p_ledger, ARRAY[p_key]);
    INSERT INTO vault.attachments (ledger, key, commitment, path, length, sealed)
    VALUES (p_ledger, p_key, p_commitment, p_path, p_length, p_sealed);
END
$$;

ALTER FUNCTION vault.put_attachment(p_ledger integer, p_key text, p_commitment bytea, p_path text, p_length bigint, p_sealed bytea) OWNER TO auditledger_vault;

CREATE FUNCTION vault.refuse_retired(key_ids text[], key_kek text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION vault.refuse_retired(key_ids text[], key_kek text[]) OWNER TO auditledger_vault;

CREATE FUNCTION vault.retire_kek(p_id text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    LOCK TABLE vault.keys IN SHARE MODE;
    IF EXISTS (SELECT FROM vault.keys k WHERE k.kek_id = p_id) THEN
        RETURN false;
    END IF;
    INSERT INTO vault.retired_keks (id) VALUES (p_id) ON CONFLICT (id) DO NOTHING;
    RETURN true;
END
$$;

ALTER FUNCTION vault.retire_kek(p_id text) OWNER TO auditledger_vault;

CREATE TABLE vault.identity (
    one boolean DEFAULT true NOT NULL,
    id uuid NOT NULL,
    apart boolean NOT NULL,
    CONSTRAINT vault_identity_one CHECK (one)
);

ALTER TABLE vault.identity OWNER TO auditledger_vault;

COMMENT ON TABLE vault.identity IS 'Which vault this is; or, apart, which other database''s vault the ledgers here have';

CREATE FUNCTION vault.settle(p_id uuid, p_apart boolean) RETURNS uuid
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO vault.identity AS i (id, apart)
   VALUES (settle.p_id, settle.p_apart) ON CONFLICT(one) DO UPDATE SET apart = settle.p_apart
   RETURNING i.id;
END;

ALTER FUNCTION vault.settle(p_id uuid, p_apart boolean) OWNER TO auditledger_vault;

CREATE TABLE vault.search (
    ledger integer NOT NULL,
    token bytea NOT NULL,
    index bigint NOT NULL,
    path text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT vault_search_token CHECK ((octet_length(token) = 32))
);
ALTER TABLE ONLY vault.search ALTER COLUMN token SET STATISTICS 0;

ALTER TABLE vault.search OWNER TO auditledger_vault;

COMMENT ON TABLE vault.search IS 'Which entries hold an identifier, by tokens that say nothing without the search key';

CREATE FUNCTION vault.standing() RETURNS TABLE(keys boolean, id uuid, apart boolean, server timestamp with time zone, database oid)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT ((EXISTS ( SELECT
            FROM vault.keys)) OR (EXISTS ( SELECT
            FROM vault.sealed)) OR (EXISTS ( SELECT
            FROM vault.attachments)) OR (EXISTS ( SELECT
            FROM vault.actors)) OR (EXISTS ( SELECT
            FROM vault.search))),
     i.id,
     i.apart,
     pg_postmaster_start_time() AS pg_postmaster_start_time,
     d.oid
    FROM (pg_database d
      LEFT JOIN vault.identity i ON (true))
   WHERE (d.datname = current_database());
END;

ALTER FUNCTION vault.standing() OWNER TO auditledger_vault;

CREATE TABLE ledger.checkpoints (
    ledger integer NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    CONSTRAINT checkpoints_root CHECK ((octet_length(root) = 32)),
    CONSTRAINT checkpoints_size CHECK ((size >= 0))
)
WITH (fillfactor='10');

ALTER TABLE ledger.checkpoints OWNER TO auditledger_owner;

COMMENT ON TABLE ledger.checkpoints IS 'The last signed checkpoint of each ledger: how many entries, the root of their tree, the signed note';

CREATE TABLE ledger.cosignatures (
    ledger integer NOT NULL,
    size bigint NOT NULL,
    witness text NOT NULL COLLATE pg_catalog."C",
    cosigned_at timestamp with time zone NOT NULL,
    note text NOT NULL
);

ALTER TABLE ledger.cosignatures OWNER TO auditledger_owner;

COMMENT ON TABLE ledger.cosignatures IS 'Checkpoints that witnesses cosigned: the size, the witness''s key, its time, the note with its line';

CREATE TABLE ledger.entries (
    index bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    ledger integer NOT NULL,
    version integer NOT NULL,
    part integer NOT NULL,
    happened_on date,
    command uuid NOT NULL,
    leaf_hash bytea NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    content_mac bytea,
    entry bytea NOT NULL
)
WITH (autovacuum_vacuum_insert_scale_factor='0.2', autovacuum_vacuum_insert_threshold='100000');
ALTER TABLE ONLY ledger.entries ALTER COLUMN entry SET STORAGE EXTERNAL;

ALTER TABLE ledger.entries OWNER TO auditledger_owner;

COMMENT ON TABLE ledger.entries IS 'Every entry: its bytes as they were made, and columns that repeat what they say';

COMMENT ON COLUMN ledger.entries.content_mac IS 'Tells a repeat of a command from another content under its id; part 0 only; not in the bytes';

CREATE TABLE ledger.heads (
    ledger integer NOT NULL,
    size bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    hash bytea NOT NULL,
    closed text
)
WITH (fillfactor='10', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_scale_factor='0');

ALTER TABLE ledger.heads OWNER TO auditledger_owner;

COMMENT ON TABLE ledger.heads IS 'The end of each ledger: number of entries, leaf hash and time of the last one';

CREATE TABLE ledger.ledgers (
    id integer NOT NULL,
    slug text NOT NULL COLLATE pg_catalog."C",
    origin text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    public boolean NOT NULL,
    demonstration boolean NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ledgers_origin_form CHECK ((origin ~ '^[^\s+]+$'::text)),
    CONSTRAINT ledgers_slug_form CHECK ((slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text))
);

ALTER TABLE ledger.ledgers OWNER TO auditledger_owner;

COMMENT ON TABLE ledger.ledgers IS 'One row a ledger: one organisation, one origin, one order of entries';

ALTER TABLE ledger.ledgers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.ledgers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ledger.refills (
    ledger integer NOT NULL,
    size bigint NOT NULL,
    until bigint NOT NULL,
    command uuid NOT NULL,
    begun_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT refills_grow CHECK ((until > size))
);

ALTER TABLE ledger.refills OWNER TO auditledger_owner;

COMMENT ON TABLE ledger.refills IS 'Refills of older databases: how many entries there were, up to where, the command of LedgerRestored';

CREATE TABLE ledger.timestamps (
    ledger integer NOT NULL,
    size bigint NOT NULL,
    note text NOT NULL,
    response bytea NOT NULL
);

ALTER TABLE ledger.timestamps OWNER TO auditledger_owner;

COMMENT ON TABLE ledger.timestamps IS 'Time stamps of checkpoints: the size, the note whose text was stamped, the response of the authority in DER';

CREATE TABLE registers.parked (
    ledger integer NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    index bigint NOT NULL,
    joined integer NOT NULL,
    reason text NOT NULL,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE registers.parked OWNER TO auditledger_projector;

COMMENT ON TABLE registers.parked IS 'Cases whose entries cannot be folded from that index on, with the later entries that joined';

CREATE TABLE registers.positions (
    ledger integer NOT NULL,
    "position" bigint NOT NULL,
    paused text,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT positions_positive CHECK (("position" >= 0))
)
WITH (fillfactor='10');

ALTER TABLE registers.positions OWNER TO auditledger_projector;

COMMENT ON TABLE registers.positions IS 'How far the live registers are, a row a ledger; paused says why one stands still';

CREATE TABLE registers.replays (
    id text NOT NULL COLLATE pg_catalog."C",
    register text NOT NULL,
    positions jsonb NOT NULL,
    happened_by date,
    left_out bigint NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE registers.replays OWNER TO auditledger_projector;

COMMENT ON TABLE registers.replays IS 'Registers folded as at other positions; left_out: facts of unknown date, by a fold by happened date';

CREATE TABLE registers.tables (
    name text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    former_definition text,
    former_positions jsonb
);

ALTER TABLE registers.tables OWNER TO auditledger_projector;

COMMENT ON TABLE registers.tables IS 'The definition of each live register table; former_…: the old table kept for a way back';

ALTER TABLE vault.keys ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME vault.keys_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE vault.reconciled (
    ledger integer NOT NULL,
    destroyed bigint NOT NULL,
    came_back bigint NOT NULL,
    lost bigint NOT NULL,
    lost_key text COLLATE pg_catalog."C",
    reconciled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='10');

ALTER TABLE vault.reconciled OWNER TO auditledger_vault;

COMMENT ON TABLE vault.reconciled IS 'A row a ledger: keys destroyed, how often something came back, keys lost';

CREATE TABLE vault.removals (
    removed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    reason text NOT NULL
);

ALTER TABLE vault.removals OWNER TO auditledger_vault;

COMMENT ON TABLE vault.removals IS 'What was destroyed since the vault''s tables were last written anew';

CREATE TABLE vault.retired_keks (
    id text NOT NULL COLLATE pg_catalog."C",
    retired_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE vault.retired_keks OWNER TO auditledger_vault;

CREATE TABLE vault.search_position (
    ledger integer NOT NULL,
    form text NOT NULL COLLATE pg_catalog."C",
    size bigint DEFAULT 0 NOT NULL,
    head bytea DEFAULT '\x'::bytea NOT NULL,
    unread bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='10');

ALTER TABLE vault.search_position OWNER TO auditledger_vault;

COMMENT ON TABLE vault.search_position IS 'A row a ledger: up to which entry the search index is whole';

ALTER TABLE ONLY ledger.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (ledger);

ALTER TABLE ONLY ledger.cosignatures
    ADD CONSTRAINT cosignatures_pkey PRIMARY KEY (ledger, size, witness);

ALTER TABLE ONLY ledger.entries
    ADD CONSTRAINT entries_command_key UNIQUE (ledger, command, part);

ALTER TABLE ONLY ledger.entries
    ADD CONSTRAINT entries_pkey PRIMARY KEY (ledger, index);

ALTER TABLE ONLY ledger.entries
    ADD CONSTRAINT entries_stream_key UNIQUE (ledger, stream, version);

ALTER TABLE ONLY ledger.heads
    ADD CONSTRAINT heads_pkey PRIMARY KEY (ledger);

ALTER TABLE ONLY ledger.ledgers
    ADD CONSTRAINT ledgers_origin_key UNIQUE (origin);

ALTER TABLE ONLY ledger.ledgers
    ADD CONSTRAINT ledgers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.ledgers
    ADD CONSTRAINT ledgers_slug_key UNIQUE (slug);

ALTER TABLE ONLY ledger.refills
    ADD CONSTRAINT refills_pkey PRIMARY KEY (ledger, until);

ALTER TABLE ONLY ledger.timestamps
    ADD CONSTRAINT timestamps_pkey PRIMARY KEY (ledger, size);

ALTER TABLE ONLY registers.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (ledger, stream);

ALTER TABLE ONLY registers.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (ledger);

ALTER TABLE ONLY registers.replays
    ADD CONSTRAINT replays_pkey PRIMARY KEY (id);

ALTER TABLE ONLY registers.tables
    ADD CONSTRAINT tables_pkey PRIMARY KEY (name);

ALTER TABLE ONLY vault.actors
    ADD CONSTRAINT vault_actors_lookup UNIQUE (lookup);

ALTER TABLE ONLY vault.actors
    ADD CONSTRAINT vault_actors_pk PRIMARY KEY (id);

ALTER TABLE ONLY vault.ahead
    ADD CONSTRAINT vault_ahead_pk PRIMARY KEY (id);

ALTER TABLE ONLY vault.attachments
    ADD CONSTRAINT vault_attachments_pk PRIMARY KEY (ledger, key, commitment);

ALTER TABLE ONLY vault.identity
    ADD CONSTRAINT vault_identity_pk PRIMARY KEY (one);

ALTER TABLE ONLY vault.keys
    ADD CONSTRAINT vault_keys_pk PRIMARY KEY (id);

ALTER TABLE ONLY vault.reconciled
    ADD CONSTRAINT vault_reconciled_pk PRIMARY KEY (ledger);

ALTER TABLE ONLY vault.retired_keks
    ADD CONSTRAINT vault_retired_keks_pk PRIMARY KEY (id);

ALTER TABLE ONLY vault.sealed
    ADD CONSTRAINT vault_sealed_pk PRIMARY KEY (ledger, index, key);

ALTER TABLE ONLY vault.search
    ADD CONSTRAINT vault_search_pk PRIMARY KEY (ledger, token, index, path);

ALTER TABLE ONLY vault.search_position
    ADD CONSTRAINT vault_search_position_pk PRIMARY KEY (ledger);

CREATE INDEX cosignatures_by_witness ON ledger.cosignatures USING btree (ledger, witness, size);

CREATE INDEX vault_ahead_written ON vault.ahead USING btree (written_at);

CREATE INDEX vault_keys_subject ON vault.keys USING btree (ledger, stream, subject, seq);

CREATE INDEX vault_search_key ON vault.search USING btree (ledger, key);

CREATE TRIGGER checkpoints_grow BEFORE UPDATE ON ledger.checkpoints FOR EACH ROW EXECUTE FUNCTION ledger.refuse_going_back();

CREATE TRIGGER checkpoints_stay BEFORE DELETE OR TRUNCATE ON ledger.checkpoints FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER cosignatures_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.cosignatures FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER entries_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.entries FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER heads_closed BEFORE UPDATE ON ledger.heads FOR EACH ROW WHEN ((old.closed IS NOT NULL)) EXECUTE FUNCTION ledger.refuse_closed();

CREATE TRIGGER heads_stay BEFORE DELETE OR TRUNCATE ON ledger.heads FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER ledgers_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.ledgers FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER refills_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.refills FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER timestamps_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.timestamps FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ONLY ledger.checkpoints
    ADD CONSTRAINT checkpoints_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledger.ledgers(id);

ALTER TABLE ONLY ledger.cosignatures
    ADD CONSTRAINT cosignatures_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledger.ledgers(id);

ALTER TABLE ONLY ledger.heads
    ADD CONSTRAINT heads_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledger.ledgers(id);

ALTER TABLE ONLY ledger.refills
    ADD CONSTRAINT refills_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledger.ledgers(id);

ALTER TABLE ONLY ledger.timestamps
    ADD CONSTRAINT timestamps_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledger.ledgers(id);

GRANT USAGE ON SCHEMA ledger TO auditledger_writer;
GRANT USAGE ON SCHEMA ledger TO auditledger_projector;
GRANT USAGE ON SCHEMA ledger TO auditledger_reader;
GRANT USAGE ON SCHEMA ledger TO auditledger_vault;
GRANT USAGE ON SCHEMA ledger TO auditledger_sealer;

GRANT USAGE ON SCHEMA registers TO auditledger_reader;

GRANT USAGE ON SCHEMA replays TO auditledger_reader;

GRANT USAGE ON SCHEMA vault TO auditledger_writer;

REVOKE ALL ON FUNCTION ledger.create_ledger(slug text, origin text, organisation text, public boolean, demonstration boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.create_ledger(slug text, origin text, organisation text, public boolean, demonstration boolean) TO auditledger_writer;

REVOKE ALL ON FUNCTION ledger.hold_head(wanted integer, old_size bigint, old_hash bytea, now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.hold_head(wanted integer, old_size bigint, old_hash bytea, now timestamp with time zone) TO auditledger_writer;

REVOKE ALL ON FUNCTION ledger.move_head(wanted integer, new_size bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.move_head(wanted integer, new_size bigint) TO auditledger_writer;

REVOKE ALL ON FUNCTION ledger.position_at(wanted_ledger integer, moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.position_at(wanted_ledger integer, moment timestamp with time zone) TO auditledger_writer;
GRANT ALL ON FUNCTION ledger.position_at(wanted_ledger integer, moment timestamp with time zone) TO auditledger_projector;
GRANT ALL ON FUNCTION ledger.position_at(wanted_ledger integer, moment timestamp with time zone) TO auditledger_reader;
GRANT ALL ON FUNCTION ledger.position_at(wanted_ledger integer, moment timestamp with time zone) TO auditledger_vault;

REVOKE ALL ON FUNCTION vault.attachment_names() FROM PUBLIC;
GRANT ALL ON FUNCTION vault.attachment_names() TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.confirm(p_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.confirm(p_id uuid) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.ensure_key(p_ledger integer, p_stream text, p_subject text, p_id text, p_wrapped bytea, p_kek text) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.ensure_key(p_ledger integer, p_stream text, p_subject text, p_id text, p_wrapped bytea, p_kek text) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.find_actor(p_lookup bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.find_actor(p_lookup bytea) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.hold_keys(p_ledger integer, p_keys text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.hold_keys(p_ledger integer, p_keys text[]) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.keys_of(p_ledger integer, p_stream text) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.keys_of(p_ledger integer, p_stream text) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.open_actors(p_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.open_attachment(p_ledger integer, p_key text, p_commitment bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.open_rows(p_ledger integer, p_indexes bigint[], p_keys text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.put(p_ledger integer, p_base bigint, key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_ordinals integer[], row_keys text[], row_ciphertexts bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.put(p_ledger integer, p_base bigint, key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_ordinals integer[], row_keys text[], row_ciphertexts bytea[]) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.put_actor(p_id text, p_lookup bytea, p_key text, p_sealed bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.put_actor(p_id text, p_lookup bytea, p_key text, p_sealed bytea) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.put_ahead(p_id uuid, p_ledger integer, p_commands uuid[], key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_marks bigint[], row_keys text[], row_ciphertexts bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.put_ahead(p_id uuid, p_ledger integer, p_commands uuid[], key_ids text[], key_streams text[], key_subjects text[], key_wrapped bytea[], key_kek text[], row_marks bigint[], row_keys text[], row_ciphertexts bytea[]) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.put_attachment(p_ledger integer, p_key text, p_commitment bytea, p_path text, p_length bigint, p_sealed bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.put_attachment(p_ledger integer, p_key text, p_commitment bytea, p_path text, p_length bigint, p_sealed bytea) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.refuse_retired(key_ids text[], key_kek text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.retire_kek(p_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.settle(p_id uuid, p_apart boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.settle(p_id uuid, p_apart boolean) TO auditledger_writer;

REVOKE ALL ON FUNCTION vault.standing() FROM PUBLIC;
GRANT ALL ON FUNCTION vault.standing() TO auditledger_writer;

GRANT SELECT,INSERT,UPDATE ON TABLE ledger.checkpoints TO auditledger_sealer;
GRANT SELECT ON TABLE ledger.checkpoints TO auditledger_reader;

GRANT SELECT,INSERT ON TABLE ledger.cosignatures TO auditledger_sealer;
GRANT SELECT ON TABLE ledger.cosignatures TO auditledger_reader;

GRANT SELECT,INSERT ON TABLE ledger.entries TO auditledger_writer;
GRANT SELECT ON TABLE ledger.entries TO auditledger_projector;
GRANT SELECT ON TABLE ledger.entries TO auditledger_reader;
GRANT SELECT ON TABLE ledger.entries TO auditledger_vault;
GRANT SELECT ON TABLE ledger.entries TO auditledger_sealer;

GRANT SELECT,UPDATE ON TABLE ledger.heads TO auditledger_writer;
GRANT SELECT ON TABLE ledger.heads TO auditledger_projector;
GRANT SELECT ON TABLE ledger.heads TO auditledger_reader;
GRANT SELECT ON TABLE ledger.heads TO auditledger_vault;
GRANT SELECT ON TABLE ledger.heads TO auditledger_sealer;

GRANT SELECT ON TABLE ledger.ledgers TO auditledger_writer;
GRANT SELECT ON TABLE ledger.ledgers TO auditledger_projector;
GRANT SELECT ON TABLE ledger.ledgers TO auditledger_reader;
GRANT SELECT ON TABLE ledger.ledgers TO auditledger_vault;
GRANT SELECT ON TABLE ledger.ledgers TO auditledger_sealer;

GRANT SELECT,INSERT ON TABLE ledger.refills TO auditledger_writer;
GRANT SELECT ON TABLE ledger.refills TO auditledger_reader;
GRANT SELECT ON TABLE ledger.refills TO auditledger_sealer;

GRANT SELECT,INSERT ON TABLE ledger.timestamps TO auditledger_sealer;
GRANT SELECT ON TABLE ledger.timestamps TO auditledger_reader;

GRANT SELECT ON TABLE registers.parked TO auditledger_reader;

GRANT SELECT ON TABLE registers.positions TO auditledger_reader;

GRANT SELECT ON TABLE registers.replays TO auditledger_reader;

GRANT SELECT ON TABLE registers.tables TO auditledger_reader;

ALTER DEFAULT PRIVILEGES FOR ROLE auditledger_projector IN SCHEMA registers GRANT SELECT ON TABLES TO auditledger_reader;

ALTER DEFAULT PRIVILEGES FOR ROLE auditledger_projector IN SCHEMA replays GRANT SELECT ON TABLES TO auditledger_reader;
