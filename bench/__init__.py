"""The benchmark: its load, its measurements and the peers it is compared with."""
