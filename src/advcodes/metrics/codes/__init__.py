"""Metrics of an encoder's codes."""
