"""The quality report of one registration: one HTML file that a radiologist can read."""

from jssr.report.quality import write_report

__all__ = ["write_report"]
