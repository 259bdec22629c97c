"""The pure core, on plain values."""
