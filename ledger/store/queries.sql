-- name: create_ledger
-- Opens a ledger: its row and its head.
SELECT ledger.create_ledger(%s, %s, %s, %s, %s);

-- name: all_ledgers
-- Every ledger, in the order they were opened.
SELECT id, slug, origin, organisation, public, demonstration FROM ledger.ledgers ORDER BY id;
