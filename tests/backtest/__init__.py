"""Tests of streams.backtest."""
