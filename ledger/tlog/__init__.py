"""The transparency log's bytes: leaf hashes and the chain. No store, no clock, no network."""
