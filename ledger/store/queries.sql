-- name: create_ledger
-- Opens a ledger: its row and its head.
SELECT ledger.create_ledger(%s, %s, %s, %s, %s);

-- name: all_ledgers
-- Every ledger, in the order they were opened.
SELECT id, slug, origin, organisation, public, demonstration FROM ledger.ledgers ORDER BY id;

-- name: commit
-- Moves the head by compare-and-swap and inserts the group, in one round trip; says whether it moved.
WITH moved AS (
    UPDATE ledger.heads SET size = $2 + $4, hash = $5, recorded_at = $7
    WHERE ledger = $1 AND size = $2 AND hash = $3
        AND ($6::timestamptz IS NULL OR $6 <= clock_timestamp() + interval '2 seconds')
    RETURNING ledger
), added AS (
    INSERT INTO ledger.entries (index, recorded_at, ledger, version, part, happened_on, command, leaf_hash,
                                stream, event, organisation, content_mac, entry)
    SELECT $2 + n.ordinality - 1, n.recorded_at, moved.ledger, n.version, n.part, n.happened_on, n.command,
           n.leaf_hash, n.stream, n.event, n.organisation, n.content_mac, n.entry
    FROM moved, unnest($8::timestamptz[], $9::integer[], $10::integer[], $11::date[], $12::uuid[], $13::bytea[],
                       $14::text[], $15::text[], $16::text[], $17::bytea[], $18::bytea[]) WITH ORDINALITY
        AS n (recorded_at, version, part, happened_on, command, leaf_hash, stream, event, organisation,
              content_mac, entry, ordinality)
)
SELECT count(*) FROM moved;

-- name: commit_sealed
-- The same with the group's vault rows: keys and values enter with their entries or not at all.
WITH moved AS (
    UPDATE ledger.heads SET size = $2 + $4, hash = $5, recorded_at = $7
    WHERE ledger = $1 AND size = $2 AND hash = $3
        AND ($6::timestamptz IS NULL OR $6 <= clock_timestamp() + interval '2 seconds')
    RETURNING ledger
), added AS (
    INSERT INTO ledger.entries (index, recorded_at, ledger, version, part, happened_on, command, leaf_hash,
                                stream, event, organisation, content_mac, entry)
    SELECT $2 + n.ordinality - 1, n.recorded_at, moved.ledger, n.version, n.part, n.happened_on, n.command,
           n.leaf_hash, n.stream, n.event, n.organisation, n.content_mac, n.entry
    FROM moved, unnest($8::timestamptz[], $9::integer[], $10::integer[], $11::date[], $12::uuid[], $13::bytea[],
                       $14::text[], $15::text[], $16::text[], $17::bytea[], $18::bytea[]) WITH ORDINALITY
        AS n (recorded_at, version, part, happened_on, command, leaf_hash, stream, event, organisation,
              content_mac, entry, ordinality)
), sealed AS (
    SELECT vault.put(moved.ledger, $2, $19, $20, $21, $22, $23, $24, $25, $26) AS rows FROM moved
)
SELECT count(rows) FROM sealed;

-- name: read_head
-- The end of a ledger, as last committed.
SELECT size, hash, recorded_at FROM ledger.heads WHERE ledger = $1;

-- name: lock_head
-- The end of a ledger, held until commit: whoever else would append waits.
SELECT size, hash, recorded_at FROM ledger.heads WHERE ledger = %s FOR UPDATE;

-- name: known_commands
-- What the ledger holds of these commands already.
SELECT command, part, index, leaf_hash, recorded_at, content_mac FROM ledger.entries
WHERE ledger = %s AND command = ANY (%s::uuid[]) ORDER BY command, part;

-- name: stream_versions
-- The last version of each of these streams (null: none), and the database's time.
SELECT asked.stream, (
    SELECT e.version FROM ledger.entries e
    WHERE e.ledger = %s AND e.stream = asked.stream ORDER BY e.version DESC LIMIT 1
), clock_timestamp() FROM unnest(%s::text[]) AS asked (stream);

-- name: copy_entries
-- Inserts many entries, in the binary format of COPY.
COPY ledger.entries (index, recorded_at, ledger, version, part, happened_on, command, leaf_hash,
                     stream, event, organisation, content_mac, entry) FROM STDIN (FORMAT binary);

-- name: move_head
-- Moves a head that is held by lock_head.
UPDATE ledger.heads SET size = %s, hash = %s, recorded_at = %s WHERE ledger = %s;

-- name: put_vault
-- Keys and sealed values of entries that the same transaction inserts.
SELECT vault.put(%s, %s, %s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[], %s::integer[], %s::text[],
                 %s::bytea[]);

-- name: writer_session
-- A frozen process must not hold a head, a commit must be durable, a statement is planned once.
SELECT set_config('lock_timeout', '5s', false),
    set_config('idle_in_transaction_session_timeout', '10s', false),
    set_config('tcp_user_timeout', '10s', false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END;
