-- What the projections keep beside the register tables themselves, which are made from their declarations.
-- All of it can be thrown away: it is rebuilt from the entries.

-- How far the live register tables are: every entry below ``position`` is in them.
CREATE TABLE registers.positions (
    ledger integer CONSTRAINT positions_pkey PRIMARY KEY,
    position bigint NOT NULL CONSTRAINT positions_positive CHECK (position >= 0),
    paused text,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);
COMMENT ON TABLE registers.positions IS 'How far the live registers are, a row a ledger; paused says why one stands still';

-- Which definition each live table was made by, and what the table swapped out for it stands at.
CREATE TABLE registers.tables (
    name text COLLATE "C" CONSTRAINT tables_pkey PRIMARY KEY,
    definition text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    former_definition text,
    former_positions jsonb
);
COMMENT ON TABLE registers.tables IS 'The definition of each live register table; former_…: the old table kept for a way back';

-- Cases that cannot be folded. Their rows stand as before the entry named here.
CREATE TABLE registers.parked (
    ledger integer NOT NULL,
    stream text COLLATE "C" NOT NULL,
    index bigint NOT NULL,
    joined integer NOT NULL,
    reason text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT parked_pkey PRIMARY KEY (ledger, stream)
);
COMMENT ON TABLE registers.parked IS 'Cases whose entries cannot be folded from that index on, with the later entries that joined';

-- Registers as at other positions: tables of schema replays, kept for an hour.
CREATE SCHEMA replays AUTHORIZATION auditledger_projector;
GRANT USAGE ON SCHEMA replays TO auditledger_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE auditledger_projector IN SCHEMA replays GRANT SELECT ON TABLES TO auditledger_reader;

CREATE TABLE registers.replays (
    id text COLLATE "C" CONSTRAINT replays_pkey PRIMARY KEY,
    register text NOT NULL,
    positions jsonb NOT NULL,
    happened_by date,
    left_out bigint NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE registers.replays IS 'Registers folded as at other positions; left_out: facts of unknown date, by a fold by happened date';

ALTER TABLE registers.positions OWNER TO auditledger_projector;
ALTER TABLE registers.tables OWNER TO auditledger_projector;
ALTER TABLE registers.parked OWNER TO auditledger_projector;
ALTER TABLE registers.replays OWNER TO auditledger_projector;
GRANT SELECT ON registers.positions, registers.tables, registers.parked, registers.replays TO auditledger_reader;
