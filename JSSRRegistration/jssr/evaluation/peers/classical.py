"""Affine, B-spline and demons registration as SimpleITK's own notebooks set them up."""

from pathlib import Path

import SimpleITK as sitk

from jssr.hounsfield import AIR_HU


def no_registration(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """The scans as the scanner placed them."""
    return sitk.Transform(3, sitk.sitkIdentity)


def register_affine(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """Affine registration on mutual information, three levels (SimpleITK notebook 60 and 61)."""
    initial = sitk.CenteredTransformInitializer(
        fixed,
        moving,
        sitk.AffineTransform(3),
        sitk.CenteredTransformInitializerFilter.GEOMETRY,
    )
    method = _multi_resolution()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.1, seed=1)
    method.SetOptimizerAsGradientDescent(
        learningRate=1.0,
        numberOfIterations=100,
        convergenceMinimumValue=1e-6,
        convergenceWindowSize=10,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(initial, inPlace=False)
    return method.Execute(fixed, moving)


def register_bspline(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """Free-form deformation after :func:`register_affine`, mesh refined with the image.

    Multi-resolution, optimizer and mesh schedule of notebook 65 (inhale and exhale CT). Changed for
    contrast phases: mutual information in place of mean squares, a tenth of the voxels sampled, the
    finest control points 20 mm apart, since 50 mm cannot follow the liver, and an optimizer that
    goes on a hundred times longer before it calls itself converged.
    """
    affine = register_affine(fixed, moving, scratch)
    finest_mesh = [
        max(4, round(size * spacing / 20.0))
        for size, spacing in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)
    ]
    initial = sitk.BSplineTransformInitializer(
        image1=fixed, transformDomainMeshSize=[max(1, round(n / 4)) for n in finest_mesh], order=3
    )
    method = _multi_resolution()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.1, seed=1)
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransformAsBSpline(initial, inPlace=True, scaleFactors=[1, 2, 4])
    method.SetOptimizerAsLBFGS2(
        solutionAccuracy=1e-4, numberOfIterations=100, deltaConvergenceTolerance=1e-4
    )
    spline = method.Execute(fixed, moving)
    return sitk.CompositeTransform([affine, spline])


def register_demons(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """Fast symmetric-forces demons on three levels (notebook 66), after matching the histograms.

    Histogram matching is what SimpleITK's example DemonsRegistration2 does for differing contrast.
    """
    affine = register_affine(fixed, moving, scratch)
    aligned = sitk.Resample(moving, fixed, affine, sitk.sitkLinear, AIR_HU)
    matching = sitk.HistogramMatchingImageFilter()
    matching.SetNumberOfHistogramLevels(1024)
    matching.SetNumberOfMatchPoints(7)
    matching.ThresholdAtMeanIntensityOn()
    aligned = matching.Execute(aligned, fixed)

    field: sitk.Image | None = None
    for shrink, sigma_mm in ((4, 8.0), (2, 4.0), (1, 0.0)):
        level_fixed = _shrunk(fixed, shrink, sigma_mm)
        level_moving = _shrunk(aligned, shrink, sigma_mm)
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(20)
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(2.0)
        if field is None:
            field = demons.Execute(level_fixed, level_moving)
        else:
            field = demons.Execute(level_fixed, level_moving, sitk.Resample(field, level_fixed))
    deformation = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    return sitk.CompositeTransform([affine, deformation])


def _multi_resolution() -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _shrunk(image: sitk.Image, factor: int, sigma_mm: float) -> sitk.Image:
    if factor == 1:
        return image
    smooth = sitk.SmoothingRecursiveGaussian(image, [sigma_mm] * 3)
    return sitk.Shrink(smooth, [min(factor, n // 8) or 1 for n in image.GetSize()])
