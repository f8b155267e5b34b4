"""Information requests, one life cycle for VPS, NSW and other schemes (1-law, area A)."""
