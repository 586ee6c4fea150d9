"""Learning while the service runs: what is observed, what is predicted and suggested, and what came of it."""
