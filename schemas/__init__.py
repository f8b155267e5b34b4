"""One Avro schema an event, and LOCK.json; made from the declarations, never edited once released."""
