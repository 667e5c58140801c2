"""What the files in a run's folder are called."""

SETTINGS_NAME = "config.yaml"
"""The whole configuration."""

FIGURES_NAME = "metrics.jsonl"
"""Losses, validation figures and warnings."""
