"""Organisations: who exists, who is bound by which scheme, and how bodies follow one another."""
