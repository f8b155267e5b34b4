"""Events (frozen facts) and aggregates (commands that call law), one package an area."""
