"""A witness (C2SP tlog-witness): sees that logs only grow, and says so by cosigning their checkpoints.

A program of its own, with its own key and its own small state; it knows no database and no vault.
"""
