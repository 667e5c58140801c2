"""``jssr prepare``: a cohort of scans becomes a cache to train on."""
