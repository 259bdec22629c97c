"""A simulated web shop: what `rfm-streams demo`, the benchmark and the tests feed to the topics."""
