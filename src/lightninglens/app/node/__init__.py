"""A node of one's own, or a recorded one, as the service shows it: recorder, analysis and alerts in one process.

`service.NodeService` is the entry point; it is the composition root of `lens run`.
"""
