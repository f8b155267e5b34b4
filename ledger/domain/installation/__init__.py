"""The ledger itself: its creation, roles, attestations, imports, reports, calendar."""
