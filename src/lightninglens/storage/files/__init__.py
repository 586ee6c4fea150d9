"""Files: graphs, scenarios, runs, exports."""
