"""Metrics of how a training went."""
