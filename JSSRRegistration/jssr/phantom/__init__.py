"""Procedural multi-phase abdominal CT with a known deformation, for training and tests."""

from jssr.phantom.lesions import Lesion
from jssr.phantom.options import PairOptions, PatientOptions
from jssr.phantom.pair import PhantomPair, make_pair
from jssr.phantom.patient import Patient, make_patient
from jssr.phantom.shapes import make_shapes_pair, make_shapes_patient

__all__ = [
    "Lesion",
    "PairOptions",
    "Patient",
    "PatientOptions",
    "PhantomPair",
    "make_pair",
    "make_patient",
    "make_shapes_pair",
    "make_shapes_patient",
]
