-- What each witness said of a ledger, by size: an entry's times are those of the cosigned sizes next to its index. Run as
-- auditledger_owner.

CREATE INDEX cosignatures_by_witness ON ledger.cosignatures (ledger, witness, size);
