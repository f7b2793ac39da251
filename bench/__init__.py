"""Measurements: ratios within one run, never in timed tests."""
