"""Files in: CSV, Parquet and JSON Lines of a shop become contract events in order of time."""
