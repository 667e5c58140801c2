"""The registration pipeline: preprocess, pre-align, infer, refine, check, compose."""
