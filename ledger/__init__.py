"""The write side: law, domain, codec, transparency log, vault, store and the doors to them."""
