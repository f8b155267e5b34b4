"""Programs that read the ledger over Kafka. Empty until the Kafka work begins."""
