"""The report is one whole page, names nobody, and copes with whatever outputs there are."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.labels import LABELS, Phase
from jssr.registration.phases import given_phase
from jssr.registration.result import (
    Deformation,
    LesionFigures,
    MeanIntensity,
    OrganFigures,
    Output,
    PhaseGuess,
    Refine,
    Verdict,
    VerdictLevel,
)
from jssr.report import write_report
from jssr.report.quality import quality_report
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import rotation
from jssr.spatial.transform import SpatialTransform
from sample_results import make_metrics, make_result

OBLIQUE = tuple(rotation(np.array([0.1, -0.2, 0.15]), np.zeros(3))[:3, :3].ravel().tolist())
GRID = Geometry((32, 28, 20), (2.5, 2.5, 4.0), (-40.0, -30.0, 100.0), OBLIQUE)
MOVING_GRID = Geometry((30, 30, 24), (2.6, 2.6, 3.2), (-38.0, -32.0, 98.0))


def scan(grid, seed=0):
    z, y, x = np.indices(grid.shape_zyx)
    middle = [(n - 1) / 2 for n in grid.shape_zyx]
    radius = sum(((v - m) / (0.8 * m)) ** 2 for v, m in zip((z, y, x), middle, strict=True))
    noise = np.random.default_rng(seed).normal(0, 10, grid.shape_zyx)
    return grid.image(np.where(radius < 1, 60 + noise, -1024).astype(np.int16))


def labels(grid):
    values = np.zeros(grid.shape_zyx, np.uint8)
    values[6:14, 8:20, 6:18] = 1
    values[9:11, 12:15, 9:12] = 2
    values[6:12, 8:14, 22:27] = 3
    return grid.image(values)


@pytest.fixture(scope="module")
def html(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(result, scan(GRID), scan(MOVING_GRID), path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def result():
    field_grid = Geometry((22, 20, 22), (5.0, 5.0, 5.0), (-50.0, -45.0, 90.0))
    z, y, x = np.indices(field_grid.shape_zyx)
    bump = np.exp(-((z - 10) ** 2 + (y - 10) ** 2 + (x - 10) ** 2) / 18)
    field = np.stack([0 * bump, 2 * bump, 9 * bump]).astype(np.float32)
    return replace(
        make_result(),
        fixed_to_moving=SpatialTransform(np.eye(4), field, field_grid),
        moving_to_fixed=SpatialTransform(np.eye(4), -field, field_grid, linear_first=True),
        images={
            Output.WARPED: scan(GRID, 1),
            Output.DIFFERENCE: scan(GRID, 2) - scan(GRID, 1),
            Output.SYNTHESIZED: scan(field_grid, 3),
            Output.FIXED_SEGMENTATION: labels(GRID),
            Output.MOVING_SEGMENTATION: labels(MOVING_GRID),
        },
        moving_phase=PhaseGuess(Phase.ARTERIAL, False, {"arterial": 0.9, "portal-venous": 0.1}),
        metrics=replace(
            make_metrics(),
            overlap_fraction=0.93,
            similarity_before=0.41,
            similarity_after=0.78,
            deformation=Deformation(3.1, 8.0, 12.5, 0.0, 0.09, (0.0, 0.01, -0.03)),
            organs=(
                OrganFigures("liver", 0.87, 0.968, 1510.0, 1495.0, 0.012, False),
                OrganFigures("spleen", None, None, 180.0, 40.0, None, True),
            ),
            lesions=(LesionFigures((12.0, -3.0, 140.0), 18.0, 3.1, -0.021),),
            intensities=(
                MeanIntensity("liver", 118.0, 14.0, 71.0, 13.0),
                MeanIntensity("gallbladder", 12.0, 9.0, None, None),
            ),
            synthesis_dice=0.95,
            seconds={"align": 4.0, "infer": 3.5, "refine": 21.0},
            peak_memory_mb=1830.0,
        ),
        verdict=Verdict(VerdictLevel.DOUBTFUL, ("the spleen is cut by the <moving> scan",)),
        model="default 0.1.0 (0123456789ab)",
        refine=Refine.FAST,
        seed=0,
    )


class _Checker(HTMLParser):
    void = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(html):
    checker = _Checker()
    checker.feed(html)
    assert not checker.open
    return checker


def test_whole_report_stands_alone(html):
    links = check(html).links
    assert len(links) == 5
    assert all(link.startswith("data:image/png;base64,") for link in links)
    words = re.sub(r"data:[^\"]*", "", html)
    assert "http" not in words and "/tmp" not in words and "/home" not in words


def test_verdict_stands_first_in_plain_words(html):
    assert html.index("Look at the pictures before") < html.index("Alignment")
    assert "the spleen is cut by the &lt;moving&gt; scan" in html


def test_it_says_what_before_means_and_what_organs_are_measured_on(result):
    other = replace(result, metrics=replace(result.metrics, grid_spacing_mm=2.5))
    html = quality_report(other, scan(GRID), scan(MOVING_GRID))
    assert html.count("before deformation") == 2  # overlap and similarity
    assert "Before: after the linear alignment, not yet deformed." in html
    assert "on the networks' grid of 2.5 mm" in html.replace("&#x27;", "'")


def test_only_a_phase_that_was_guessed_has_a_probability(html, result):
    (table,) = re.findall(
        r"<table>(?:(?!</table>).)*Probability of each phase.*?</table>", html, re.S
    )
    assert "Moving" in table and "0.90" in table and "Fixed" not in table
    given = replace(result, moving_phase=given_phase(Phase.ARTERIAL))
    html = quality_report(given, scan(GRID), scan(MOVING_GRID))
    assert "Probability of each phase" not in html


def test_the_deviation_of_intensities_is_said_to_be_that_of_large_voxels(result):
    other = replace(result, metrics=replace(result.metrics, grid_spacing_mm=2.5))
    html = quality_report(other, scan(GRID), scan(MOVING_GRID))
    assert "averaged to voxels of 2.5 mm: the noise of its own voxels is larger" in html


def test_figures_are_in_the_tables(html):
    for expected in ("0.968", "1510", "+1.2", "−2.1", "118", "47", "portal-venous", "cut by the"):
        assert expected in html
    assert "synthetic, not for diagnosis" in html


@pytest.mark.parametrize(
    "gone",
    [{Output.WARPED, Output.SYNTHESIZED, Output.FIXED_SEGMENTATION}, set(Output)],
    ids=["some", "all"],
)
def test_any_output_may_be_missing(result, gone):
    kept = {output: image for output, image in result.images.items() if output not in gone}
    check(quality_report(replace(result, images=kept), scan(GRID), scan(MOVING_GRID)))


def test_linear_result_without_organs(result):
    figures = replace(result.metrics, organs=(), lesions=(), intensities=(), synthesis_dice=None)
    linear = replace(
        result, images={}, metrics=figures, fixed_to_moving=SpatialTransform(np.eye(4))
    )
    html = quality_report(linear, scan(GRID), scan(MOVING_GRID))
    check(html)
    assert "Deformation" not in html


def test_labels_have_titles_in_the_legend(html, result):
    for label in LABELS[:3]:
        assert label.title in html
    assert sitk.GetArrayViewFromImage(result.images[Output.FIXED_SEGMENTATION]).max() == 3
