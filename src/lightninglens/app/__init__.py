"""The composition root: configuration, command line, service, feed, dashboard.

Depends on everything; nothing depends on it.
"""
