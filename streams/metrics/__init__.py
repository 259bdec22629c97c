"""Prometheus metrics: the catalogue, and what each processor measures."""
