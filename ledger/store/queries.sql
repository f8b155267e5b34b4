-- name: create_ledger
-- Opens a ledger: its row and its head.
SELECT ledger.create_ledger(%s, %s, %s, %s, %s);

-- name: all_ledgers
-- Every ledger, in the order they were opened.
SELECT id, slug, origin, organisation, public, demonstration FROM ledger.ledgers ORDER BY id;

-- name: swap
-- Part of the commits: moves the head where it still is what the group was placed after, and no clock is ahead.
UPDATE ledger.heads SET size = $2 + $4, hash = $5, recorded_at = $7
WHERE ledger = $1 AND size = $2 AND hash = $3
    AND ($6::timestamptz IS NULL OR $6 <= clock_timestamp() + interval '2 seconds');

-- name: swap_first
-- Part of the commits: the same for one entry that opens its stream (a unique key says so if it does not).
:swap
RETURNING ledger;

-- name: swap_next
-- Part of the commits: the same for one entry whose stream must stand just before its version.
:swap
    AND EXISTS (
        SELECT FROM ledger.entries e WHERE e.ledger = $1 AND e.stream = $13::text AND e.version = $9 - 1
    )
RETURNING ledger;

-- name: swap_many
-- Part of the commits: the same for many, with the streams and versions that must be there already.
:swap
    AND (cardinality($20::integer[]) = 0 OR NOT EXISTS (
        SELECT FROM unnest($19::text[], $20::integer[]) AS needed (stream, version) WHERE NOT EXISTS (
            SELECT FROM ledger.entries e
            WHERE e.ledger = $1 AND e.stream = needed.stream AND e.version = needed.version
        )
    ))
RETURNING ledger;

-- name: columns
-- Part of the commits: the columns of an entry, in the order of its parameters.
recorded_at, version, part, happened_on, command, stream, event, organisation, content_mac, leaf_hash, entry;

-- name: values_of_one
-- Part of the commits: one entry's parameters.
$8::timestamptz, $9::integer, $10::integer, $11::date, $12::uuid, $13::text, $14::text, $15::text, $16::bytea, $17::bytea,
    $18::bytea;

-- name: values_of_many
-- Part of the commits: the entries' parameters, as rows. Unnested side by side in FROM, each array would be kept first.
(SELECT generate_series(0, $4 - 1) AS place, unnest($8::timestamptz[]) AS recorded_at, unnest($9::integer[]) AS version,
    unnest($10::integer[]) AS part, unnest($11::date[]) AS happened_on, unnest($12::uuid[]) AS command,
    unnest($13::text[]) AS stream, unnest($14::text[]) AS event, unnest($15::text[]) AS organisation,
    unnest($16::bytea[]) AS content_mac, unnest($17::bytea[]) AS leaf_hash, unnest($18::bytea[]) AS entry) AS n;

-- name: insert_one
-- Part of the commits: the row of one entry.
INSERT INTO ledger.entries (index, ledger, :columns) SELECT $2, moved.ledger, :values_of_one FROM moved;

-- name: commit_first
-- Moves the head by compare-and-swap and inserts one entry that opens its stream, in one round trip.
WITH moved AS (:swap_first) :insert_one;

-- name: commit_next
-- The same for one entry of a stream that is there already.
WITH moved AS (:swap_next) :insert_one;

-- name: commit_many
-- Moves the head by compare-and-swap and inserts a group, in one round trip.
WITH moved AS (:swap_many)
INSERT INTO ledger.entries (index, ledger, :columns)
SELECT $2 + n.place, moved.ledger, :columns FROM moved, :values_of_many;

-- name: insert_one_sealed
-- Part of the commits: one entry's row with its vault rows: keys and values enter with their entry or not at all.
sealed AS (SELECT ledger, vault.put(ledger, $2, $19, $20, $21, $22, $23, $24, $25, $26) AS rows FROM moved)
INSERT INTO ledger.entries (index, ledger, :columns)
SELECT $2, sealed.ledger, :values_of_one FROM sealed WHERE sealed.rows >= 0;

-- name: commit_first_sealed
-- As commit_first, with vault rows.
WITH moved AS (:swap_first), :insert_one_sealed;

-- name: commit_next_sealed
-- As commit_next, with vault rows.
WITH moved AS (:swap_next), :insert_one_sealed;

-- name: commit_many_sealed
-- As commit_many, with the group's vault rows.
WITH moved AS (:swap_many),
sealed AS (SELECT ledger, vault.put(ledger, $2, $21, $22, $23, $24, $25, $26, $27, $28) AS rows FROM moved)
INSERT INTO ledger.entries (index, ledger, :columns)
SELECT $2 + n.place, sealed.ledger, :columns FROM sealed, :values_of_many WHERE sealed.rows >= 0;

-- name: commit_copy
-- Holds the head by compare, opens a COPY, moves the head to its last row: one transaction, all of it or nothing.
SELECT ledger.hold_head({ledger}, {size}, {hash}, {now}::timestamptz);
:copy_entries;
SELECT ledger.move_head({ledger}, {new_size});

-- name: begin_locked
-- Where processes compete: the end of the ledger, held (microseconds since 1970).
BEGIN; SELECT size, hash, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM ledger.heads
WHERE ledger = {ledger} FOR UPDATE;

-- name: read_head
-- The end of a ledger, as last committed.
SELECT size, hash, recorded_at FROM ledger.heads WHERE ledger = $1;

-- name: lock_head
-- The end of a ledger, held until commit: whoever else would append waits; and why it is closed.
SELECT size, hash, recorded_at, closed FROM ledger.heads WHERE ledger = %s FOR UPDATE;

-- name: known_commands
-- What the ledger holds of these commands already.
SELECT command, part, index, leaf_hash, recorded_at, content_mac FROM ledger.entries
WHERE ledger = %s AND command = ANY (%s::uuid[]) ORDER BY command, part;

-- name: content_key_left
-- Whether the vault still has the key that made a command's content_mac: one of its case, or of the ledger.
SELECT EXISTS (
    SELECT FROM ledger.entries e
    CROSS JOIN LATERAL (
        SELECT id FROM vault.keys_of(e.ledger, e.stream) UNION ALL SELECT id FROM vault.keys_of(e.ledger, 'ledger')
    ) k
    WHERE e.ledger = %s AND e.command = %s::uuid AND e.part = 0
        AND starts_with(k.id, encode(substr(e.content_mac, 1, 8), 'hex'))
);

-- name: stream_versions
-- The last version of each of these streams (null: none), and the database's time.
SELECT asked.stream, (
    SELECT e.version FROM ledger.entries e
    WHERE e.ledger = %s AND e.stream = asked.stream ORDER BY e.version DESC LIMIT 1
), clock_timestamp() FROM unnest(%s::text[]) AS asked (stream);

-- name: copy_entries
-- Inserts many entries, in the binary format of COPY.
COPY ledger.entries (index, recorded_at, ledger, version, part, happened_on, command,
                     stream, event, organisation, content_mac, leaf_hash, entry) FROM STDIN (FORMAT binary);

-- name: end_stuck_writers
-- Ends our sessions that hold something open and wait for a client that sends nothing: a frozen process in COPY.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
    AND wait_event = 'ClientRead' AND backend_xid IS NOT NULL
    AND xact_start < clock_timestamp() - interval '8 seconds';

-- name: move_head
-- Moves a head that is held by lock_head.
UPDATE ledger.heads SET size = %s, hash = %s, recorded_at = %s WHERE ledger = %s;

-- name: put_vault
-- Keys and sealed values of entries that the same transaction inserts.
SELECT vault.put($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: writer_session
-- A frozen process loses the head before others give up waiting; a commit is durable; plans are kept.
SELECT set_config('lock_timeout', '8s', false),
    set_config('idle_in_transaction_session_timeout', '5s', false),
    set_config('tcp_user_timeout', '10s', false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END;

-- name: heads
-- The ends of all ledgers.
SELECT ledger, size, hash, recorded_at FROM ledger.heads ORDER BY ledger;

-- name: head_of
-- The end of one ledger.
SELECT size, hash, recorded_at FROM ledger.heads WHERE ledger = %s;

-- name: position_at
-- How many entries a ledger had at a moment.
SELECT ledger.position_at(%s, %s);

-- name: read
-- Entries of a ledger behind an index, in order.
SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command::text, part,
    content_mac, leaf_hash, entry
FROM ledger.entries WHERE ledger = %(ledger)s AND index > %(after)s AND index < %(until)s
    AND (%(events)s::text[] IS NULL OR event = ANY (%(events)s))
ORDER BY index LIMIT %(limit)s;

-- name: entries_at
-- The entries of a ledger at these indexes, in order.
SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command::text, part,
    content_mac, leaf_hash, entry
FROM ledger.entries WHERE ledger = %(ledger)s AND index = ANY (%(indexes)s) ORDER BY index;

-- name: streams
-- Whole streams, each in order of version, up to a position.
SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command::text, part,
    content_mac, leaf_hash, entry
FROM ledger.entries WHERE ledger = %(ledger)s AND stream = ANY (%(streams)s) AND index < %(until)s
ORDER BY stream, version;

-- name: stream
-- One stream between two versions, in order.
SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command::text, part,
    content_mac, leaf_hash, entry
FROM ledger.entries WHERE ledger = %(ledger)s AND stream = %(stream)s
    AND version > %(after)s AND version <= %(upto)s AND index < %(until)s
ORDER BY version LIMIT %(limit)s;

-- name: stream_backwards
-- One stream between two versions, last first.
SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command::text, part,
    content_mac, leaf_hash, entry
FROM ledger.entries WHERE ledger = %(ledger)s AND stream = %(stream)s
    AND version > %(after)s AND version <= %(upto)s AND index < %(until)s
ORDER BY version DESC LIMIT %(limit)s;

-- name: by_command
-- What one command recorded.
SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command::text, part,
    content_mac, leaf_hash, entry
FROM ledger.entries WHERE ledger = %(ledger)s AND command = %(command)s::uuid ORDER BY part;

-- name: prelude
-- In one round trip: what a command recorded already, and what is new in the streams it is judged against.
SELECT true, ledger, index, stream, version, event, recorded_at, happened_on, organisation, command::text, part,
    content_mac, leaf_hash, entry
FROM ledger.entries WHERE ledger = %(ledger)s AND command = %(command)s::uuid
UNION ALL
SELECT false, e.ledger, e.index, e.stream, e.version, e.event, e.recorded_at, e.happened_on, e.organisation,
    e.command::text, e.part, e.content_mac, e.leaf_hash, e.entry
FROM unnest(%(streams)s::text[], %(after)s::integer[]) AS asked (stream, after)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.entries WHERE ledger = %(ledger)s AND stream = asked.stream AND version > asked.after
    ORDER BY version
) AS e;

-- name: unnamed
-- Which of these commitments, by place, no entry of their case names.
SELECT asked.place
FROM unnest(%(ledgers)s::integer[], %(streams)s::text[], %(commitments)s::bytea[])
    WITH ORDINALITY AS asked (ledger, stream, commitment, place)
WHERE NOT EXISTS (
    SELECT FROM ledger.entries e
    WHERE e.ledger = asked.ledger AND e.stream = asked.stream AND position(asked.commitment IN e.entry) > 0
);

-- name: names
-- Whether an entry of a ledger, beside those of one stream, holds these bytes; reads all that it has until one does.
SELECT EXISTS (
    SELECT FROM ledger.entries e
    WHERE e.ledger = %(ledger)s AND e.stream <> %(beside)s AND position(%(text)s::bytea IN e.entry) > 0
);

-- name: scan_by_index
-- Many entries of a ledger in the order they were recorded.
COPY (SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command, part,
        content_mac, leaf_hash, entry
    FROM ledger.entries WHERE ledger = {ledger} AND index >= {start} AND index < {until} ORDER BY index)
TO STDOUT (FORMAT binary);

-- name: scan_by_stream
-- Many entries of a ledger, stream by stream, each in order of version.
COPY (SELECT ledger, index, stream, version, event, recorded_at, happened_on, organisation, command, part,
        content_mac, leaf_hash, entry
    FROM ledger.entries WHERE ledger = {ledger} AND index >= {start} AND index < {until} ORDER BY stream, version)
TO STDOUT (FORMAT binary);

-- name: scan_bytes
-- Only index, leaf hash and bytes, in the order they were recorded.
COPY (SELECT index, leaf_hash, entry
    FROM ledger.entries WHERE ledger = {ledger} AND index >= {start} AND index < {until} ORDER BY index)
TO STDOUT (FORMAT binary);

-- name: head_and_bounds
-- The head row (time in microseconds since 1970) and the lowest and highest index, in one snapshot.
SELECT h.size, h.hash, (extract(epoch FROM h.recorded_at) * 1000000)::bigint,
    (SELECT min(index) FROM ledger.entries WHERE ledger = h.ledger),
    (SELECT max(index) FROM ledger.entries WHERE ledger = h.ledger)
FROM ledger.heads h WHERE h.ledger = %(ledger)s;

-- name: scan_verified
-- What verification reads of a range, columns of fixed size first; a null date is the lowest number.
COPY (SELECT index, recorded_at, version, part, coalesce(happened_on, '-infinity'), command::text, leaf_hash,
        stream, event, organisation, entry
    FROM ledger.entries WHERE ledger = {ledger} AND index >= {start} AND index < {until} ORDER BY index)
TO STDOUT (FORMAT binary);

-- name: scan_two
-- The bytes of two neighbours.
SELECT index, entry FROM ledger.entries
WHERE ledger = %(ledger)s AND index IN (%(first)s, %(second)s) ORDER BY index;

-- name: first_version_gap
-- The first entry whose version does not follow the one before in its stream.
SELECT min(e.index), (array_agg(e.stream ORDER BY e.index))[1], (array_agg(e.version ORDER BY e.index))[1]
FROM ledger.entries e
WHERE e.ledger = %(ledger)s AND e.index < %(until)s AND e.stream IN (
    SELECT stream FROM ledger.entries WHERE ledger = %(ledger)s AND index < %(until)s
    GROUP BY stream HAVING max(version) - min(version) + 1 <> count(*) OR min(version) > 1
) AND e.version > 1 AND NOT EXISTS (
    SELECT FROM ledger.entries b
    WHERE b.ledger = e.ledger AND b.stream = e.stream AND b.version = e.version - 1
)
HAVING count(*) > 0;

-- name: sealing_state
-- How large a ledger is, its end, its last signed checkpoint, and the notes in which witnesses cosigned it, in one snapshot.
SELECT h.size, h.hash, h.closed, c.size, c.root, c.note, ARRAY(
        SELECT w.note FROM ledger.cosignatures w WHERE w.ledger = c.ledger AND w.size = c.size ORDER BY w.witness
    )
FROM ledger.heads h LEFT JOIN ledger.checkpoints c USING (ledger)
WHERE h.ledger = %(ledger)s;

-- name: stream_entries
-- The entries of a stream behind a version: what is new of a ledger's keys, what it says of itself.
SELECT version, index, leaf_hash, entry FROM ledger.entries
WHERE ledger = %(ledger)s AND stream = %(stream)s AND version > %(after)s ORDER BY version;

-- name: scan_sealing
-- What sealing reads: the bytes of entries, as many as begin within so many bytes, and the hash kept of each.
COPY (SELECT index, leaf_hash, entry FROM (
    SELECT index, leaf_hash, entry,
        sum(octet_length(entry)) OVER (ORDER BY index ROWS UNBOUNDED PRECEDING) - octet_length(entry) AS before
    FROM ledger.entries WHERE ledger = {ledger} AND index >= {start} AND index < {until}
) found WHERE before < {room} ORDER BY index)
TO STDOUT (FORMAT binary);

-- name: sign_first
-- Keeps a ledger's first signed checkpoint; no row where another process was first.
INSERT INTO ledger.checkpoints (ledger, size, root, note, signed_at)
VALUES (%(ledger)s, %(size)s, %(root)s, %(note)s, clock_timestamp())
ON CONFLICT DO NOTHING RETURNING ledger;

-- name: sign_next
-- Keeps the next signed checkpoint; no row where the one that it goes on from is no longer the last.
UPDATE ledger.checkpoints SET size = %(size)s, root = %(root)s, note = %(note)s, signed_at = clock_timestamp()
WHERE ledger = %(ledger)s AND size = %(after)s RETURNING ledger;

-- name: lease_sealing
-- Takes the sealing of a ledger for this session, where no other has it.
SELECT pg_try_advisory_lock(7402118, %(ledger)s);

-- name: keep_cosignature
-- Keeps what a witness cosigned; the same again changes nothing.
INSERT INTO ledger.cosignatures (ledger, size, witness, cosigned_at, note)
VALUES (%(ledger)s, %(size)s, %(witness)s, to_timestamp(%(time)s), %(note)s) ON CONFLICT DO NOTHING;

-- name: begin_backup
-- The moment of a backup: the time, the server's version, and the snapshot that others can take up.
SELECT clock_timestamp(), current_setting('server_version'), pg_export_snapshot();

-- name: attached
-- Every attachment that the vault names: ledger, key, commitment.
SELECT ledger, key, commitment FROM vault.attachment_names() ORDER BY ledger, key, commitment;

-- name: holds_ledgers
-- Whether this database holds, or held, ledgers.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('ledger', 'vault', 'auditledger_migrations'));

-- name: vault_is_here
-- Whether the vault of these ledgers lies in this database.
SELECT EXISTS (SELECT FROM vault.identity WHERE NOT apart);

-- name: empty_vault
-- Empties a vault, of what says that it lies elsewhere too.
TRUNCATE vault.keys, vault.sealed, vault.attachments, vault.actors, vault.removals, vault.reconciled,
    vault.retired_keks, vault.ahead, vault.identity, vault.search, vault.search_position;

-- name: close_ledger
-- Closes a ledger that still has that size: nothing moves its head any more. No row where it has grown, or is closed.
UPDATE ledger.heads SET closed = %(how)s WHERE ledger = %(ledger)s AND size = %(size)s AND closed IS NULL RETURNING size;

-- name: closed_ledger
-- Why a ledger is closed (null: it is not), and its size.
SELECT closed, size FROM ledger.heads WHERE ledger = %(ledger)s;

-- name: pending_refill
-- The refill of a ledger that was begun and whose LedgerRestored is not recorded: size, until, command.
SELECT r.size, r.until, r.command::text FROM ledger.refills r
WHERE r.ledger = %(ledger)s AND NOT EXISTS (
    SELECT FROM ledger.entries e WHERE e.ledger = r.ledger AND e.command = r.command
) ORDER BY r.until DESC LIMIT 1;

-- name: begin_refill
-- Notes a refill before anything of it is put back.
INSERT INTO ledger.refills (ledger, size, until, command) VALUES (%(ledger)s, %(size)s, %(until)s, %(command)s);

-- name: cosigned_around
-- What each of these witnesses cosigned next to these indexes: the last of a size up to one, the first of a larger one.
SELECT DISTINCT near.size, near.note
FROM unnest(%(indexes)s::bigint[]) AS asked (index)
CROSS JOIN unnest(%(witnesses)s::text[]) AS trusted (witness)
CROSS JOIN LATERAL (
    (SELECT c.size, c.note FROM ledger.cosignatures c
    WHERE c.ledger = %(ledger)s AND c.witness = trusted.witness AND c.size <= asked.index ORDER BY c.size DESC LIMIT 1)
    UNION ALL
    (SELECT c.size, c.note FROM ledger.cosignatures c
    WHERE c.ledger = %(ledger)s AND c.witness = trusted.witness AND c.size > asked.index ORDER BY c.size LIMIT 1)
) AS near;

-- name: cosigned_all
-- All that these witnesses cosigned of a ledger, with the times of the entries on both sides of each size.
SELECT c.size, c.note, before.recorded_at, after.recorded_at
FROM ledger.cosignatures c
LEFT JOIN ledger.entries before ON before.ledger = c.ledger AND before.index = c.size - 1
LEFT JOIN ledger.entries after ON after.ledger = c.ledger AND after.index = c.size
WHERE c.ledger = %(ledger)s AND c.witness = ANY (%(witnesses)s) ORDER BY c.size;

-- name: cosigned_sizes
-- The last sizes that any of these witnesses cosigned behind one and before another.
SELECT DISTINCT size FROM ledger.cosignatures
WHERE ledger = %(ledger)s AND witness = ANY (%(witnesses)s) AND size > %(after)s AND size < %(before)s
ORDER BY size DESC LIMIT %(most)s;

-- name: cosigned_at
-- What each of these witnesses cosigned of these sizes.
SELECT size, note FROM ledger.cosignatures
WHERE ledger = %(ledger)s AND witness = ANY (%(witnesses)s) AND size = ANY (%(sizes)s) ORDER BY size, witness;

-- name: cosigned_last
-- The last note that each of these witnesses cosigned of a ledger.
SELECT last.size, last.note FROM unnest(%(witnesses)s::text[]) AS trusted (witness)
CROSS JOIN LATERAL (
    SELECT c.size, c.note FROM ledger.cosignatures c
    WHERE c.ledger = %(ledger)s AND c.witness = trusted.witness ORDER BY c.size DESC LIMIT 1
) AS last;

-- name: keep_timestamp
-- Keeps the time stamp of a checkpoint; the first of a size stays.
INSERT INTO ledger.timestamps (ledger, size, note, response)
VALUES (%(ledger)s, %(size)s, %(note)s, %(response)s) ON CONFLICT DO NOTHING;

-- name: stamped_size
-- The largest checkpoint of a ledger that has a time stamp.
SELECT max(size) FROM ledger.timestamps WHERE ledger = %(ledger)s;

-- name: stamped_last
-- The last time stamp of a ledger: its size, note and response.
SELECT size, note, response FROM ledger.timestamps WHERE ledger = %(ledger)s ORDER BY size DESC LIMIT 1;

-- name: stamped_around
-- The size, note and response of the first time stamp that covers each of these indexes.
SELECT DISTINCT near.size, near.note, near.response FROM unnest(%(indexes)s::bigint[]) AS asked (index)
CROSS JOIN LATERAL (
    SELECT t.size, t.note, t.response FROM ledger.timestamps t
    WHERE t.ledger = %(ledger)s AND t.size > asked.index ORDER BY t.size LIMIT 1
) AS near ORDER BY near.size;

-- name: stamped_all
-- The sizes of a ledger's time stamps, with the time of the entry before each.
SELECT t.size, last.recorded_at FROM ledger.timestamps t
LEFT JOIN ledger.entries last ON last.ledger = t.ledger AND last.index = t.size - 1
WHERE t.ledger = %(ledger)s ORDER BY t.size;

-- name: stamped_sizes
-- The sizes of the time stamps of a ledger behind one and before another.
SELECT size FROM ledger.timestamps WHERE ledger = %(ledger)s AND size > %(after)s AND size < %(before)s ORDER BY size;

-- name: stamped_after
-- The first time stamp of a checkpoint that covers an index: its size, note and response.
SELECT size, note, response FROM ledger.timestamps
WHERE ledger = %(ledger)s AND size > %(index)s ORDER BY size LIMIT 1;
