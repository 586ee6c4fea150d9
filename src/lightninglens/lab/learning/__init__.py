"""From recordings, runs and CSV files to a trained model and its predictions, a stage at a time."""
