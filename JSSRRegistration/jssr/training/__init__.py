"""Training of the four networks: data, losses, stages, trainer, checkpoints, export."""
