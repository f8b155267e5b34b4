"""Evidence bundles: one file that a stranger verifies offline, with no store, no vault and no network."""
