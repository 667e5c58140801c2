"""Elastix through the package ``itk-elastix``."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from jssr.hounsfield import AIR_HU
from jssr.spatial.geometry import Geometry


def register_elastix(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """Affine, then B-spline on mutual information, the settings of Model Zoo entry Par0035.

    That entry (chest CT, follow-up of one patient) is the Model Zoo's evaluated setting for
    intra-patient CT: mutual information, adaptive stochastic gradient descent, 10 mm grid, three
    levels, 500 iterations.
    """
    itk = _itk()
    parameters = itk.ParameterObject.New()
    affine = parameters.GetDefaultParameterMap("affine", 3)
    affine.update(_shared_settings())
    spline = parameters.GetDefaultParameterMap("bspline", 3)
    spline.update(_shared_settings())
    spline.update(
        {
            "Registration": ["MultiResolutionRegistration"],
            "Metric": ["AdvancedMattesMutualInformation"],
            "GridSpacingSchedule": ["4", "2", "1"],
            "FinalGridSpacingInPhysicalUnits": ["10", "10", "10"],
            "NumberOfSpatialSamples": ["5000"],
        }
    )
    for weight in ("Metric0Weight", "Metric1Weight"):
        if weight in spline:
            del spline[weight]
    parameters.AddParameterMap(affine)
    parameters.AddParameterMap(spline)
    _, found = itk.elastix_registration_method(
        _itk_image(fixed), _itk_image(moving), parameter_object=parameters
    )
    field = itk.transformix_deformation_field(_itk_image(moving), found)
    displacement_mm = np.moveaxis(itk.array_from_image(field), -1, 0)
    return sitk.DisplacementFieldTransform(Geometry.of(fixed).vector_image(displacement_mm))


def _shared_settings() -> dict[str, list[str]]:
    return {
        "ImagePyramidSchedule": ["4", "4", "4", "2", "2", "2", "1", "1", "1"],
        "NumberOfHistogramBins": ["32"],
        "MaximumNumberOfIterations": ["500"],
        "DefaultPixelValue": [f"{AIR_HU:g}"],
        "RandomSeed": ["1"],
        "WriteResultImage": ["false"],
    }


def _itk() -> Any:
    """The package ``itk``, whose names exist at run time only."""
    import itk

    return itk


def _itk_image(image: sitk.Image) -> Any:
    itk = _itk()
    copy = itk.image_from_array(sitk.GetArrayFromImage(image))
    copy.SetSpacing(image.GetSpacing())
    copy.SetOrigin(image.GetOrigin())
    copy.SetDirection(np.reshape(image.GetDirection(), (3, 3)))
    return copy
