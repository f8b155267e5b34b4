-- name: keys_of
-- The wrapped keys of a case, oldest first.
SELECT id, stream, subject, wrapped, kek_id FROM vault.keys_of(%s, %s);

-- name: standing
-- Whether any wrapped key exists, or what was made under one, which vault this is, and in which database.
SELECT keys, id, apart, server, database FROM vault.standing();

-- name: settle
-- Names the vault, or keeps the name it has.
SELECT vault.settle(%s, %s);

-- name: ahead_session
-- A frozen process loses the keys it holds; nobody waits for ever; a commit is durable.
SELECT set_config('lock_timeout', '8s', false),
    set_config('idle_in_transaction_session_timeout', '60s', false),
    CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END;

-- name: put_ahead
-- Keys and sealed values of entries that are committed elsewhere next.
SELECT vault.put_ahead(%s, %s, %s::uuid[], %s, %s, %s, %s::bytea[], %s, %s::bigint[], %s, %s::bytea[]);

-- name: hold
-- Holds keys against destruction until the transaction ends.
SELECT vault.hold_keys(%s, %s);

-- name: confirm
-- The entries are recorded; should this be lost, a sweep finds it out.
SELECT set_config('synchronous_commit', 'off', true), vault.confirm(%s);

-- name: ahead_before
-- Submissions written ahead longer ago than so many seconds, behind one, with the cases of the keys they made.
SELECT a.id, a.written_at, a.ledger, a.commands::text[], a.marks, a.keys, made.ids, made.streams
FROM vault.ahead a CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(k.id), '{}') AS ids, coalesce(array_agg(k.stream), '{}') AS streams
    FROM vault.keys k WHERE k.id = ANY (a.made) AND k.ledger = a.ledger
) made
WHERE a.written_at < clock_timestamp() - make_interval(secs => %s) AND (a.written_at, a.id) > (%s, %s)
ORDER BY a.written_at, a.id LIMIT %s;

-- name: sweep_held
-- Takes keys, in order of id as writers hold them; waits for all who hold one.
SELECT id FROM vault.keys WHERE ledger = %s AND id = ANY (%s) ORDER BY id FOR UPDATE;

-- name: sweep_ahead
-- Removes what a submission wrote and no entry names: sealed rows, and keys of cases that were never begun. While
-- another submission names one of these keys, that key stays, and what is known of it.
WITH asked AS (
    SELECT %(id)s::uuid AS id, %(keys)s::text[] AS keys
), waits AS (
    SELECT k.id FROM asked JOIN vault.ahead own ON own.id = asked.id
    JOIN vault.keys k ON k.ledger = own.ledger AND k.id = ANY (asked.keys)
    WHERE EXISTS (
        SELECT FROM vault.ahead other
        WHERE other.ledger = own.ledger AND other.id <> own.id AND k.id = ANY (other.keys)
    )
), about AS (
    SELECT a.ledger FROM asked JOIN vault.ahead a ON a.id = asked.id
), swept AS (
    DELETE FROM vault.ahead a USING asked WHERE a.id = asked.id AND NOT EXISTS (SELECT FROM waits)
), rows AS (
    DELETE FROM vault.sealed s USING about, unnest(%(marks)s::bigint[], %(under)s::text[]) AS left_over (mark, key)
    WHERE s.ledger = about.ledger AND s.index = left_over.mark AND s.key = left_over.key RETURNING s.key
), keys AS (
    DELETE FROM vault.keys k USING about, asked
    WHERE k.ledger = about.ledger AND k.id = ANY (asked.keys) AND k.id NOT IN (SELECT id FROM waits)
        AND NOT EXISTS (SELECT FROM vault.attachments a WHERE a.ledger = k.ledger AND a.key = k.id)
    RETURNING k.id
), noted AS (
    INSERT INTO vault.removals (reason)
    SELECT 'swept' WHERE EXISTS (SELECT FROM rows) OR EXISTS (SELECT FROM keys)
) SELECT count(*) FROM rows;

-- name: wrapped_by
-- The key-encryption keys that wrapped what keys there are: how many each, and one of them to try it by.
SELECT found.kek_id, found.keys, k.id, k.wrapped
FROM (SELECT kek_id, count(*) AS keys, min(id) AS id FROM vault.keys GROUP BY kek_id) found
JOIN vault.keys k ON k.id = found.id ORDER BY found.kek_id;

-- name: wrapped_otherwise
-- Keys behind an id that another key-encryption key wrapped, in order of id.
SELECT id, wrapped, kek_id FROM vault.keys WHERE id > %s AND kek_id <> %s ORDER BY id LIMIT %s;

-- name: rewrap
-- Wraps keys anew, where they are still as they were read; gives how many. What they were is a removal.
WITH done AS (
    UPDATE vault.keys k SET wrapped = made.wrapped, kek_id = %s
    FROM unnest(%s::text[], %s::bytea[], %s::bytea[]) AS made (id, before, wrapped)
    WHERE k.id = made.id AND k.wrapped = made.before RETURNING k.id
), noted AS (
    INSERT INTO vault.removals (reason) SELECT 'rewrapped' WHERE EXISTS (SELECT FROM done)
) SELECT count(*) FROM done;

-- name: retire_kek
-- Whether no key is wrapped by a key-encryption key, and none will be again.
SELECT vault.retire_kek(%s);

-- name: ensure_key
-- The oldest key of a subject, or the offered one recorded as such.
SELECT id, stream, subject, wrapped, kek_id FROM vault.ensure_key(%s, %s, %s, %s, %s, %s);

-- name: open_rows
-- Sealed rows with their wrapped keys; nulls for what is missing.
SELECT index, key, ciphertext, wrapped, kek_id FROM vault.open_rows(%s, %s, %s);

-- name: put_attachment
-- The row of an attachment whose file is durable already.
SELECT vault.put_attachment(%s, %s, %s, %s, %s, %s);

-- name: open_attachment
-- The row of an attachment with its wrapped key.
SELECT path, length, sealed, wrapped, kek_id FROM vault.open_attachment(%s, %s, %s);

-- name: attachment_names
-- Ledger, key and commitment of every attachment that has a row.
SELECT ledger, key, commitment FROM vault.attachment_names();

-- name: attachments_before
-- Ledger, case, key and commitment of attachments kept longer ago than so many seconds.
SELECT a.ledger, k.stream, a.key, a.commitment
FROM vault.attachments a JOIN vault.keys k ON k.id = a.key AND k.ledger = a.ledger
WHERE a.created_at < clock_timestamp() - make_interval(secs => %s);

-- name: drop_attachment
-- Forgets an attachment that no entry names; its file goes after it.
DELETE FROM vault.attachments WHERE ledger = %s AND key = %s AND commitment = %s RETURNING true;

-- name: find_actor
-- The id of an actor by the MAC of issuer and login.
SELECT vault.find_actor(%s);

-- name: put_actor
-- A new actor, or the one that a racing sign-in recorded first.
SELECT vault.put_actor(%s, %s, %s, %s);

-- name: open_actors
-- Sealed name and login of actors, with their wrapped keys.
SELECT id, key, sealed, wrapped, kek_id FROM vault.open_actors(%s);

-- name: present_keys
-- Which of these keys are there, though an entry destroyed them.
SELECT id FROM vault.keys WHERE ledger = %s AND id = ANY (%s);

-- name: present_rows
-- Under which of these keys there are still sealed rows; reads the whole table.
SELECT DISTINCT key FROM vault.sealed WHERE ledger = %s AND key = ANY (%s);

-- name: present_attachments
-- Under which of these keys there are still rows of attachments.
SELECT DISTINCT key FROM vault.attachments WHERE ledger = %s AND key = ANY (%s);

-- name: present_tokens
-- Under which of these keys identifiers are still in the search index.
SELECT DISTINCT key FROM vault.search WHERE ledger = %s AND key = ANY (%s);

-- name: shred_keys
-- Destroys keys, in order of id as writers hold them, and notes that pages are to be written anew.
WITH doomed AS MATERIALIZED (
    SELECT k.id FROM vault.keys k WHERE k.ledger = %s AND k.id = ANY (%s) ORDER BY k.id FOR UPDATE
), noted AS (
    INSERT INTO vault.removals (reason) SELECT 'keys' WHERE EXISTS (SELECT FROM doomed)
)
DELETE FROM vault.keys USING doomed WHERE keys.id = doomed.id RETURNING keys.id;

-- name: shred_rows
-- Removes what entries at these places sealed under keys that are gone, and what was sealed for entries to come.
WITH asked AS (
    SELECT %s::integer AS ledger, %s::text[] AS keys, %s::bigint[] AS places
), places AS (
    SELECT unnest(asked.places) AS place FROM asked
    UNION
    SELECT ahead.mark FROM asked JOIN vault.ahead a ON a.ledger = asked.ledger AND a.keys && asked.keys
    CROSS JOIN unnest(a.marks, a.keys) AS ahead (mark, key) WHERE ahead.key = ANY (asked.keys)
), gone AS (
    DELETE FROM vault.sealed s USING asked, places
    WHERE s.ledger = asked.ledger AND s.key = ANY (asked.keys) AND s.index = places.place RETURNING s.key
), noted AS (
    INSERT INTO vault.removals (reason) SELECT 'rows' WHERE EXISTS (SELECT FROM gone)
)
SELECT key FROM gone;

-- name: shred_attachments
-- Removes the rows of attachments under keys that are gone.
WITH gone AS (
    DELETE FROM vault.attachments WHERE ledger = %s AND key = ANY (%s) RETURNING key
), noted AS (
    INSERT INTO vault.removals (reason) SELECT 'attachments' WHERE EXISTS (SELECT FROM gone)
)
SELECT key FROM gone;

-- name: shred_tokens
-- Removes from the search index what was sealed under keys that are gone.
WITH gone AS (
    DELETE FROM vault.search WHERE ledger = %s AND key = ANY (%s) RETURNING key
), noted AS (
    INSERT INTO vault.removals (reason) SELECT 'search' WHERE EXISTS (SELECT FROM gone)
)
SELECT key FROM gone;

-- name: last_removal
-- The last removal since the tables were written anew; null where there was none.
SELECT max(removed_at) FROM vault.removals;

-- name: forget_removals
-- The tables were written anew since this removal: no page holds what was removed up to it.
DELETE FROM vault.removals WHERE removed_at <= %s RETURNING true;

-- name: dead_rows
-- How many removed rows the vault's pages still hold, after a VACUUM of this session.
SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables
WHERE schemaname = 'vault' AND relname IN ('keys', 'sealed', 'attachments', 'search');

-- name: keyless
-- Keys that sealed rows or attachments name and that are not there; reads the whole table.
SELECT DISTINCT key FROM vault.sealed s
WHERE ledger = %s AND NOT EXISTS (SELECT FROM vault.keys k WHERE k.id = s.key)
UNION
SELECT key FROM vault.attachments a
WHERE ledger = %s AND NOT EXISTS (SELECT FROM vault.keys k WHERE k.id = a.key);

-- name: note_reconciled
-- Keeps how the vault stood to a ledger's destruction entries, where what is lost is still noted as it was read.
INSERT INTO vault.reconciled AS r (ledger, destroyed, came_back, lost, lost_key) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (ledger) DO UPDATE SET destroyed = excluded.destroyed, came_back = excluded.came_back,
    lost = excluded.lost, lost_key = excluded.lost_key, reconciled_at = clock_timestamp()
WHERE (r.lost, r.lost_key) IS NOT DISTINCT FROM (%s::bigint, %s::text)
RETURNING true;

-- name: noted_lost
-- How many keys of a ledger are noted as lost, and one of them.
SELECT lost, lost_key FROM vault.reconciled WHERE ledger = %s;

-- name: note_lost
-- Notes so many keys of a ledger as lost, at least, and one of them: the next look takes it from there.
UPDATE vault.reconciled SET lost = greatest(lost, %s), lost_key = %s WHERE ledger = %s RETURNING true;

-- name: reconciled
-- How the vault stood to each ledger's destruction entries, and how many seconds ago.
SELECT ledger, extract(epoch FROM clock_timestamp() - reconciled_at)::float8, came_back, lost, lost_key
FROM vault.reconciled ORDER BY ledger;

-- name: search_begin
-- The beginning of the search index of a ledger that has none yet.
INSERT INTO vault.search_position (ledger, form) VALUES (%s, %s) ON CONFLICT (ledger) DO NOTHING RETURNING true;

-- name: search_position
-- How far the search index of a ledger is, and how it was made.
SELECT form, size, head, unread FROM vault.search_position WHERE ledger = %s;

-- name: search_add
-- Tokens of entries and the position behind them, where it is still as it was read; none under a key that is gone.
WITH moved AS (
    UPDATE vault.search_position SET size = %(size)s, head = %(head)s, unread = unread + %(unread)s
    WHERE ledger = %(ledger)s AND (form, size, head) = (%(form)s, %(from_size)s, %(from_head)s) RETURNING ledger
), held AS MATERIALIZED (
    -- In order of id, as whoever destroys keys takes them: what is added here is there to be removed after it.
    SELECT k.id FROM vault.keys k
    WHERE k.ledger = %(ledger)s AND k.id = ANY (%(held)s) ORDER BY k.id FOR KEY SHARE
), added AS (
    INSERT INTO vault.search (ledger, token, index, path, key)
    SELECT moved.ledger, made.token, made.index, made.path, made.key
    FROM moved, unnest(%(tokens)s::bytea[], %(indexes)s::bigint[], %(paths)s::text[], %(keys)s::text[])
        AS made (token, index, path, key)
    JOIN held ON held.id = made.key
)
SELECT EXISTS (SELECT FROM moved);

-- name: search_over
-- Empties the search index of a ledger, where its position is still as it was read. What was in it is a removal.
WITH moved AS (
    UPDATE vault.search_position SET form = %s, size = 0, head = '', unread = 0
    WHERE ledger = %s AND (form, size, head) = (%s, %s, %s) RETURNING ledger
), gone AS (
    DELETE FROM vault.search s USING moved WHERE s.ledger = moved.ledger RETURNING s.ledger
), noted AS (
    INSERT INTO vault.removals (reason) SELECT 'search' WHERE EXISTS (SELECT FROM gone)
)
SELECT EXISTS (SELECT FROM moved);

-- name: search_hits
-- The position, and beside it the fields of the first so many entries in a range that hold a token; one moment.
SELECT p.form, p.size, p.head, p.unread, found.index, found.path, found.key
FROM vault.search_position p
LEFT JOIN (
    SELECT s.index, s.path, s.key, dense_rank() OVER (ORDER BY s.index) AS place FROM vault.search s
    WHERE s.ledger = %(ledger)s AND s.token = %(token)s AND s.index >= %(first)s AND s.index < %(end)s
        AND s.key <> ALL (%(gone)s)
) found ON found.place <= %(most)s
WHERE p.ledger = %(ledger)s ORDER BY found.index, found.path;
