"""Bytes: Avro single-object encoding, the entry, schemas and their lock. The only door to fastavro."""
