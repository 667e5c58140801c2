"""Pairs and annotated scans for training: phantoms from memory, cohorts from a cache."""
