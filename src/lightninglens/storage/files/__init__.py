"""Files that people exchange: graphs, scenarios, runs. Depends on core."""
