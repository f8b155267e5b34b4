-- When entries came about, as others say: what each witness said of a ledger, by size, and time stamps of checkpoints. Run as
-- auditledger_owner.

-- An entry's times are those of the cosigned sizes next to its index.
CREATE INDEX cosignatures_by_witness ON ledger.cosignatures (ledger, witness, size);

-- Time stamps of checkpoints (RFC 3161), as an authority gave them. Never changed.
CREATE TABLE ledger.timestamps (
    ledger integer NOT NULL CONSTRAINT timestamps_ledger_fkey REFERENCES ledger.ledgers (id),
    size bigint NOT NULL,
    note text NOT NULL,
    response bytea NOT NULL,
    CONSTRAINT timestamps_pkey PRIMARY KEY (ledger, size)
);
COMMENT ON TABLE ledger.timestamps IS 'Time stamps of checkpoints: the size, the note whose text was stamped, the response of the authority in DER';
CREATE TRIGGER timestamps_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.timestamps
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
GRANT SELECT, INSERT ON ledger.timestamps TO auditledger_sealer;
GRANT SELECT ON ledger.timestamps TO auditledger_reader;
