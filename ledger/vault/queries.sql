-- name: keys_of
-- The wrapped keys of a case, oldest first.
SELECT id, stream, subject, wrapped, kek_id FROM vault.keys_of(%s, %s);

-- name: has_keys
-- Whether any wrapped key exists.
SELECT vault.has_keys();

-- name: wrapped_by
-- The key-encryption keys that wrapped what keys there are: how many each, and one of them to try it by.
SELECT found.kek_id, found.keys, k.id, k.wrapped
FROM (SELECT kek_id, count(*) AS keys, min(id) AS id FROM vault.keys GROUP BY kek_id) found
JOIN vault.keys k ON k.id = found.id ORDER BY found.kek_id;

-- name: wrapped_otherwise
-- Keys behind an id that another key-encryption key wrapped, in order of id.
SELECT id, wrapped, kek_id FROM vault.keys WHERE id > %s AND kek_id <> %s ORDER BY id LIMIT %s;

-- name: rewrap
-- Wraps keys anew, where they are still as they were read; gives how many.
WITH done AS (
    UPDATE vault.keys k SET wrapped = made.wrapped, kek_id = %s
    FROM unnest(%s::text[], %s::bytea[], %s::bytea[]) AS made (id, before, wrapped)
    WHERE k.id = made.id AND k.wrapped = made.before RETURNING k.id
) SELECT count(*) FROM done;

-- name: retire_kek
-- Whether no key is wrapped by a key-encryption key, and none will be again.
SELECT vault.retire_kek(%s);

-- name: clean_keys
-- Writes the table anew: VACUUM alone would leave what keys were in the free space of its pages.
VACUUM (FULL) vault.keys;

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
