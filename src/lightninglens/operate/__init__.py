"""Acting on a node through ports: executor, journal, lock, rollback, recorder.

Asynchronous; depends on nodes and below.
"""
