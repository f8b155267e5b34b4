"""Bytes: Avro single-object encoding, the entry, the schemas on disk and their lock. The only door to fastavro."""
