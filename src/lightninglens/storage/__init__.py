"""Adapters to the store ports: SQLite with migrations, and files.

Knows records, not decisions; depends on core.
"""
