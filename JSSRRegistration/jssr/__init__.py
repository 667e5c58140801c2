"""JSSR: joint synthesis, segmentation and registration of multi-phase liver CT."""

__version__ = "0.1.0"
