"""Tests of the simulated shop, and of the system under seeded simulation."""
