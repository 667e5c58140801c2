"""Scans, label maps, segmentations and transforms, from disk and to disk.

Whatever is read is checked first and refused in one sentence; whatever is written appears whole or
not at all, and carries no text of its source.
"""
