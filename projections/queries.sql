-- name: heads
-- Every ledger with its size, in the order they were opened.
SELECT l.id, l.slug, l.origin, l.organisation, h.size
FROM ledger.ledgers l JOIN ledger.heads h ON h.ledger = l.id ORDER BY l.id;

-- name: entries_between
-- The entries of one ledger from an index on, up to another, in order.
SELECT index, stream, version, event, entry FROM ledger.entries
WHERE ledger = %s AND index >= %s AND index < %s ORDER BY index;

-- name: stream_openings
-- The event that opened each of these streams.
SELECT stream, event FROM ledger.entries WHERE ledger = %s AND stream = ANY(%s) AND version = 1;

-- name: stream_entries
-- The entries of these streams below an index, each stream in order.
SELECT index, stream, entry FROM ledger.entries
WHERE ledger = %s AND stream = ANY(%s) AND index < %s ORDER BY stream, version;

-- name: streams_between
-- The streams that have an entry between two indexes of a ledger.
SELECT DISTINCT stream FROM ledger.entries WHERE ledger = %s AND index >= %s AND index < %s;

-- name: lease
-- Takes the lease of the live registers for this session; false where another session has it.
SELECT pg_try_advisory_lock(%s);

-- name: positions
-- How far the live registers are in each ledger, and why one stands still.
SELECT ledger, position, paused FROM registers.positions ORDER BY ledger;

-- name: lock_positions
-- Keeps the live registers from moving until this transaction ends.
LOCK TABLE registers.positions IN SHARE ROW EXCLUSIVE MODE;

-- name: begin_position
-- A ledger that the live registers have not seen yet.
INSERT INTO registers.positions (ledger, position) VALUES (%s, %s) ON CONFLICT (ledger) DO NOTHING;

-- name: move_position
-- Moves the live registers on, only from where they were believed to be.
UPDATE registers.positions SET position = %s, paused = %s, moved_at = clock_timestamp()
WHERE ledger = %s AND position = %s;

-- name: definitions
-- Which definition each live table was made by.
SELECT name, definition FROM registers.tables;

-- name: define
-- Says by which definition a live table was made.
INSERT INTO registers.tables (name, definition) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, made_at = clock_timestamp();

-- name: park
-- A case that cannot be folded from an entry on; later entries join it.
INSERT INTO registers.parked (ledger, stream, index, joined, reason) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (ledger, stream) DO UPDATE
SET index = excluded.index, joined = excluded.joined, reason = excluded.reason;

-- name: unpark
-- Cases that can be folded again.
DELETE FROM registers.parked WHERE ledger = %s AND stream = ANY(%s);

-- name: parked
-- The parked cases, oldest first.
SELECT p.ledger, l.slug, p.stream, p.index, p.joined, p.reason, p.parked_at
FROM registers.parked p JOIN ledger.ledgers l ON l.id = p.ledger ORDER BY p.parked_at, p.ledger, p.index;

-- name: count_parked
-- How many cases are parked, and how many ledgers stand still.
SELECT (SELECT count(*) FROM registers.parked),
       (SELECT count(*) FROM registers.positions WHERE paused IS NOT NULL);

-- name: demonstrations
-- The ledgers whose events are invented.
SELECT id FROM ledger.ledgers WHERE demonstration;

-- name: leaf_hash
-- The leaf hash of one entry.
SELECT leaf_hash FROM ledger.entries WHERE ledger = %s AND index = %s;

-- name: scan_streams
-- The entries of a range of a ledger's streams below an index, each stream complete and in order.
SELECT index, stream, event, entry FROM ledger.entries
WHERE ledger = %s AND index < %s AND stream >= %s AND stream < %s ORDER BY stream, version;

-- name: positions_locked
-- How far the live registers are, while none of them can move.
SELECT ledger, position FROM registers.positions ORDER BY ledger;

-- name: remember_former
-- Where the table stands that a rebuild swaps out.
UPDATE registers.tables SET former_definition = definition, former_positions = %s WHERE name = %s;

-- name: former
-- Which definition the table that was swapped out was made by, and where it stands.
SELECT former_definition, former_positions FROM registers.tables WHERE name = %s;

-- name: position_at
-- How many entries a ledger had at a moment, found while its head is held.
SELECT ledger.position_at(%s, %s);

-- name: recorded_at
-- When an entry was recorded.
SELECT recorded_at FROM ledger.entries WHERE ledger = %s AND index = %s;

-- name: replay_lock
-- One process makes a replay, whoever else wants it waits.
SELECT pg_advisory_xact_lock(hashtextextended(%s, 0));

-- name: replay
-- A register folded as at these positions within the last hour.
SELECT left_out FROM registers.replays WHERE id = %s AND made_at > clock_timestamp() - interval '1 hour';

-- name: keep_replay
-- A register that was folded as at some positions.
INSERT INTO registers.replays (id, register, positions, happened_by, left_out) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET made_at = clock_timestamp(), left_out = excluded.left_out;

-- name: expired_replays
-- Replays that nobody may ask for any more: older than an hour and a little for those still reading.
DELETE FROM registers.replays WHERE made_at < clock_timestamp() - interval '70 minutes' RETURNING id;

-- name: lag
-- How far the live registers are behind each ledger, and why one stands still.
SELECT l.slug, h.size, coalesce(p.position, 0), p.paused
FROM ledger.ledgers l JOIN ledger.heads h ON h.ledger = l.id LEFT JOIN registers.positions p ON p.ledger = l.id
ORDER BY l.id;

-- name: organisations
-- The organisations registered in a ledger below a position, those that no longer count among them.
SELECT DISTINCT stream FROM ledger.entries
WHERE ledger = %s AND index < %s AND event = 'ledger.organisation.v1.OrganisationRegistered';

-- name: organisation_names
-- The last name of every organisation, with the ledger and the position that it was read at.
SELECT o.stream, o.legal_name, l.slug, p.position FROM registers.organisations o
JOIN ledger.ledgers l ON l.id = o.ledger JOIN registers.positions p ON p.ledger = o.ledger;
