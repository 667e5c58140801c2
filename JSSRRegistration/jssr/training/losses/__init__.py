"""The terms of the training objective, one idea a file.

Every loss averages inside each sample first and over the batch second, so that the mean over
several processes equals the loss of the joined batch.
"""
