"""The model bundle: manifest, verification, loading and export."""
