-- The ledgers, their heads and their entries. Run as auditledger_owner.

CREATE SCHEMA ledger;
GRANT USAGE ON SCHEMA ledger TO auditledger_writer, auditledger_projector, auditledger_reader, auditledger_vault;

CREATE TABLE ledger.ledgers (
    id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT ledgers_pkey PRIMARY KEY,
    slug text COLLATE "C" NOT NULL CONSTRAINT ledgers_slug_key UNIQUE
        CONSTRAINT ledgers_slug_form CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    origin text COLLATE "C" NOT NULL CONSTRAINT ledgers_origin_key UNIQUE
        CONSTRAINT ledgers_origin_form CHECK (origin ~ '^[^\s+]+$'),
    organisation text COLLATE "C" NOT NULL,
    public boolean NOT NULL,
    demonstration boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE ledger.ledgers IS 'One row a ledger: one organisation, one origin, one order of entries';

-- A head moves with every commit: room on its page lets it move without touching an index.
-- No CHECK: it costs every commit some µs, and verification compares the head with the last entry.
CREATE TABLE ledger.heads (
    ledger integer CONSTRAINT heads_pkey PRIMARY KEY
        CONSTRAINT heads_ledger_fkey REFERENCES ledger.ledgers (id),
    size bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE ledger.heads IS 'The end of each ledger: number of entries, leaf hash and time of the last one';

-- Columns of fixed size first. The bytes are not compressed: hashes, ids and sealed values do not shrink.
CREATE TABLE ledger.entries (
    index bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    ledger integer NOT NULL,
    version integer NOT NULL,
    part integer NOT NULL,
    happened_on date,
    command uuid NOT NULL,
    leaf_hash bytea NOT NULL,
    stream text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    organisation text COLLATE "C" NOT NULL,
    content_mac bytea,
    entry bytea NOT NULL,
    CONSTRAINT entries_pkey PRIMARY KEY (ledger, index),
    CONSTRAINT entries_stream_key UNIQUE (ledger, stream, version),
    CONSTRAINT entries_command_key UNIQUE (ledger, command, part)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_insert_threshold = 100000);
ALTER TABLE ledger.entries ALTER COLUMN entry SET STORAGE EXTERNAL;
COMMENT ON TABLE ledger.entries IS 'Every entry: its bytes as they were made, and columns that repeat what they say';
COMMENT ON COLUMN ledger.entries.content_mac IS 'Tells a repeat of a command from another content under its id; part 0 only; not in the bytes';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $body$
BEGIN
    RAISE EXCEPTION 'ledger.%: % is refused: entries are only ever added', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$body$;

CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER ledgers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.ledgers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER heads_stay BEFORE DELETE OR TRUNCATE ON ledger.heads
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Opening a ledger is one act: its row and its head.
CREATE FUNCTION ledger.create_ledger(
    slug text, origin text, organisation text, public boolean, demonstration boolean
) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog
    AS $body$
    WITH opened AS (
        INSERT INTO ledger.ledgers (slug, origin, organisation, public, demonstration)
        VALUES (create_ledger.slug, create_ledger.origin, create_ledger.organisation,
                create_ledger.public, create_ledger.demonstration)
        RETURNING id
    )
    INSERT INTO ledger.heads (ledger, size, recorded_at, hash)
    SELECT id, 0, 'epoch', decode(repeat('00', 32), 'hex') FROM opened
    RETURNING heads.ledger
$body$;
REVOKE ALL ON FUNCTION ledger.create_ledger FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.create_ledger TO auditledger_writer;

GRANT SELECT ON ledger.ledgers, ledger.heads, ledger.entries
    TO auditledger_writer, auditledger_projector, auditledger_reader, auditledger_vault;
GRANT INSERT ON ledger.entries TO auditledger_writer;
GRANT UPDATE ON ledger.heads TO auditledger_writer;

-- The registers are the projector's own: it makes, fills, swaps and drops their tables.
CREATE SCHEMA registers AUTHORIZATION auditledger_projector;
GRANT USAGE ON SCHEMA registers TO auditledger_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE auditledger_projector IN SCHEMA registers GRANT SELECT ON TABLES TO auditledger_reader;

-- Around a COPY, in one implicit transaction: holds the head where it still is what the rows were placed after, and
-- ends them all where it is not. Both have their caller's rights and need no search_path, which would cost each call.
CREATE FUNCTION ledger.hold_head(wanted integer, old_size bigint, old_hash bytea, now timestamptz) RETURNS void
    LANGUAGE plpgsql
    AS $body$
BEGIN
    PERFORM FROM ledger.heads
    WHERE ledger = wanted AND size = old_size AND hash = old_hash
        AND (now IS NULL OR now <= clock_timestamp() + interval '2 seconds')
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the head has moved' USING ERRCODE = 'AL002';
    END IF;
END
$body$;
REVOKE ALL ON FUNCTION ledger.hold_head FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.hold_head TO auditledger_writer;

-- Moves the head to the last of the rows that were copied: its hash need not be known before they are sent.
CREATE FUNCTION ledger.move_head(wanted integer, new_size bigint) RETURNS void
    LANGUAGE plpgsql
    AS $body$
BEGIN
    UPDATE ledger.heads h SET size = new_size, hash = e.leaf_hash, recorded_at = e.recorded_at
    FROM ledger.entries e
    WHERE h.ledger = wanted AND e.ledger = wanted AND e.index = new_size - 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no entry %', new_size - 1;
    END IF;
END
$body$;
REVOKE ALL ON FUNCTION ledger.move_head FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.move_head TO auditledger_writer;

-- A moment becomes a position while the head is held, so that no commit that is under way is passed over.
-- Times never fall along a ledger: a binary search by index, and no index on time.
CREATE FUNCTION ledger.position_at(wanted_ledger integer, moment timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
    AS $body$
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
$body$;
REVOKE ALL ON FUNCTION ledger.position_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.position_at
    TO auditledger_writer, auditledger_projector, auditledger_reader, auditledger_vault;
