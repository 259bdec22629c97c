"""Shipped rules, and how rule files become the journaled record."""
