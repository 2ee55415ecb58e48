"""Breaks a whole installation on purpose, under load, and holds the books to what was answered.

``docs/faults.md`` says what is injected, what is checked and how a run is replayed.
"""
