"""Measuring registration: figures in millimetres, cohorts with known answers, other methods."""
