-- The last checkpoint that was signed of each ledger (4-wire 'Tree, checkpoint, tiles, proofs'). Run as
-- auditledger_owner.

-- One row a ledger, moved by compare-and-swap on its size: of two that seal one signs, and nothing is signed that
-- does not go on from what was signed before.
CREATE TABLE ledger.checkpoints (
    ledger integer CONSTRAINT checkpoints_pkey PRIMARY KEY
        CONSTRAINT checkpoints_ledger_fkey REFERENCES ledger.ledgers (id),
    size bigint NOT NULL CONSTRAINT checkpoints_size CHECK (size >= 0),
    root bytea NOT NULL CONSTRAINT checkpoints_root CHECK (octet_length(root) = 32),
    note text NOT NULL,
    signed_at timestamptz NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE ledger.checkpoints IS 'The last signed checkpoint of each ledger: how many entries, the root of their tree, the signed note';

CREATE FUNCTION ledger.refuse_going_back() RETURNS trigger
    LANGUAGE plpgsql
    AS $body$
BEGIN
    IF NEW.ledger <> OLD.ledger OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) THEN
        RAISE EXCEPTION 'ledger.checkpoints: a signed checkpoint is only ever followed by a larger one'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$body$;
CREATE TRIGGER checkpoints_grow BEFORE UPDATE ON ledger.checkpoints
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_going_back();
CREATE TRIGGER checkpoints_stay BEFORE DELETE OR TRUNCATE ON ledger.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- What witnesses said, each once: that a ledger was so large at that time at the latest. Never changed.
CREATE TABLE ledger.cosignatures (
    ledger integer NOT NULL CONSTRAINT cosignatures_ledger_fkey REFERENCES ledger.ledgers (id),
    size bigint NOT NULL,
    witness text COLLATE "C" NOT NULL,
    cosigned_at timestamptz NOT NULL,
    note text NOT NULL,
    CONSTRAINT cosignatures_pkey PRIMARY KEY (ledger, size, witness)
);
COMMENT ON TABLE ledger.cosignatures IS 'Checkpoints that witnesses cosigned: the size, the witness''s key, its time, the note with its line';
CREATE TRIGGER cosignatures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

GRANT USAGE ON SCHEMA ledger TO auditledger_sealer;
GRANT SELECT, INSERT ON ledger.cosignatures TO auditledger_sealer;
GRANT SELECT ON ledger.cosignatures TO auditledger_reader;
GRANT SELECT ON ledger.ledgers, ledger.heads, ledger.entries TO auditledger_sealer;
GRANT SELECT, INSERT, UPDATE ON ledger.checkpoints TO auditledger_sealer;
GRANT SELECT ON ledger.checkpoints TO auditledger_reader;
