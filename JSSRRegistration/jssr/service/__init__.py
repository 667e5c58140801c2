"""The registration service: a worker process that takes jobs, and the client that starts it.

One JSON object a line in and out. Slicer and the batch runner use it, so that a crash, a full
memory or a cancelled job never takes them along. :mod:`jssr.service.protocol` has the messages.
"""
