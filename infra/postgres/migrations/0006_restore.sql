-- What a refill needs to be finished after a crash, and ledgers that are closed (4-wire 'Restore'). Run as
-- auditledger_owner.

-- A refill that was begun: entries from size on, up to until, are put back from the published files. It is done when
-- the ledger holds what was recorded under its command, LedgerRestored.
CREATE TABLE ledger.refills (
    ledger integer NOT NULL CONSTRAINT refills_ledger_fkey REFERENCES ledger.ledgers (id),
    size bigint NOT NULL,
    until bigint NOT NULL CONSTRAINT refills_grow CHECK (until > size),
    command uuid NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT refills_pkey PRIMARY KEY (ledger, until)
);
COMMENT ON TABLE ledger.refills IS 'Refills of older databases: how many entries there were, up to where, the command of LedgerRestored';
CREATE TRIGGER refills_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.refills
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
GRANT SELECT, INSERT ON ledger.refills TO auditledger_writer;
GRANT SELECT ON ledger.refills TO auditledger_reader, auditledger_sealer;

-- Why nothing more enters a ledger: 'ended' by its own last entry, or 'left' for one that goes on under a new origin.
ALTER TABLE ledger.heads ADD COLUMN closed text;
CREATE FUNCTION ledger.refuse_closed() RETURNS trigger
    LANGUAGE plpgsql
    AS $body$
BEGIN
    RAISE EXCEPTION 'ledger.heads: the ledger is closed (%)', OLD.closed USING ERRCODE = 'AL003';
END
$body$;
CREATE TRIGGER heads_closed BEFORE UPDATE ON ledger.heads
    FOR EACH ROW WHEN (OLD.closed IS NOT NULL) EXECUTE FUNCTION ledger.refuse_closed();
