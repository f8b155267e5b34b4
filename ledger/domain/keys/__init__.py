"""The keys of a ledger: which signed from where to where; rotations and drills of what wraps and signs."""
