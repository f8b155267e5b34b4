"""The ledger itself: its creation, roles, openings, attestations, imports, reports, calendar."""
