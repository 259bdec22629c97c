"""Tests of streams/files: small files written here, and the real ones where they are."""
