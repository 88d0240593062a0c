"""Metrics of images that were reconstructed or filled in."""
