"""Lets ``python -m jssr.cli`` stand for the command ``jssr``."""

from jssr.cli.main import main

if __name__ == "__main__":
    main()
