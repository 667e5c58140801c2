"""The command ``jssr``: it reads options, calls the package and shows what comes back."""
