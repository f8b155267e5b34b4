"""Openings of sealed fields, and emergency access to them."""
