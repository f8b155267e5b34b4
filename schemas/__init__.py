"""One Avro schema an event, and LOCK.json; generated from the declarations, never edited by hand once released."""
