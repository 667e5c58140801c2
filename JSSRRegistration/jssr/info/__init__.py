"""What a file or folder is that JSSR reads or has written, whichever command wrote it."""

from jssr.info.describe import describe

__all__ = ["describe"]
