"""Whole cohorts: every case to files, with one worker, one table and one page at the end.

The command ``jssr batch`` and the Slicer script ``batch.py`` are both made of this.
"""
