"""Aggregates in memory: law through the cases, whole lives, corrections."""
