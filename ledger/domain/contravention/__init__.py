"""Contraventions found: unlawful acts that happened all the same, counted apart (1-law, head)."""
