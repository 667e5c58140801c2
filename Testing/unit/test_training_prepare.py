"""``prepare`` on a cohort of phantoms written as DICOM and NIfTI, with faults of every kind."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.errors import InputError
from jssr.io.images import read_scan
from jssr.labels import BACKGROUND, Phase, label_index
from jssr.phantom import PairOptions, make_pair, make_patient
from jssr.phantom.cohort import pair_geometry
from jssr.registration.working_grid import resample_to_grid, working_grid
from jssr.spatial.geometry import Geometry
from jssr.training.config import CohortConfig, DataConfig
from jssr.training.data import cache as cache_module
from jssr.training.data.cache import OUTSIDE, open_volume, read_index, write_index
from jssr.training.data.cohort import CohortStream
from jssr.training.prepare import run as run_module
from jssr.training.prepare.decathlon import read_decathlon
from jssr.training.prepare.run import prepare_cohort
from jssr.training.prepare.table import read_table
from sample_scans import write_dicom_series

SPACING_MM = 6.0
SHAPE = (40, 40, 48)


def _scans(seed):
    options = PairOptions(artefacts=0, contrast="physiological", breathing=0.5)
    pair = make_pair(make_patient(seed, SHAPE, SPACING_MM), seed, options=options)
    grid = pair_geometry(pair)
    images = [grid.image(hu.round().short().numpy()) for hu in (pair.fixed_hu, pair.moving_hu)]
    labels = [grid.image(values.numpy()) for values in (pair.fixed_labels, pair.moving_labels)]
    return images, labels


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two patients (one with DICOM), a validation patient, and one broken row of each kind."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = []
    for number, split in ((1, "train"), (2, "validation")):
        images, labels = _scans(number)
        sitk.WriteImage(images[0], str(folder / f"p{number}_pv.nii.gz"))
        sitk.WriteImage(labels[0], str(folder / f"p{number}_pv_labels.nii.gz"))
        rows.append(
            [
                f"p{number}",
                "portal-venous",
                f"p{number}_pv.nii.gz",
                f"p{number}_pv_labels.nii.gz",
                split,
            ]
        )
        if number == 1:
            write_dicom_series(images[1], folder / "p1_art", patient="Secret^Name")
            rows.append(["p1", "arterial", "p1_art", "", split])
        else:
            sitk.WriteImage(images[1], str(folder / "p2_nc.nrrd"))
            rows.append(["p2", "non-contrast", "p2_nc.nrrd", "", split])
    (folder / "text.nii.gz").write_text("no image")
    sitk.WriteImage(sitk.Image([8, 8], sitk.sitkInt16), str(folder / "flat.nrrd"))
    sitk.WriteImage(sitk.Image([8, 8, 8], sitk.sitkUInt8), str(folder / "small_labels.nrrd"))
    shifted = sitk.ReadImage(str(folder / "p1_pv_labels.nii.gz"))
    shifted.SetOrigin([value + 25.0 for value in shifted.GetOrigin()])
    sitk.WriteImage(shifted, str(folder / "shifted_labels.nrrd"))
    write_dicom_series(images[0], folder / "gap")
    sorted((folder / "gap").iterdir())[20].unlink()
    (folder / "empty").mkdir()
    rows += [
        ["", "arterial", "p1_pv.nii.gz", "", "train"],
        ["bad1", "late", "p1_pv.nii.gz", "", "train"],
        ["bad2", "arterial", "missing.nii.gz", "", "train"],
        ["bad3", "arterial", "p1_pv.nii.gz", "", "learning"],
        ["p1", "arterial", "p1_pv.nii.gz", "", "train"],
        ["p2", "delayed", "p1_pv.nii.gz", "", "train"],
        ["bad4", "arterial", "text.nii.gz", "", "train"],
        ["bad5", "arterial", "flat.nrrd", "", "train"],
        ["bad6", "arterial", "p1_pv.nii.gz", "small_labels.nrrd", "train"],
        ["bad7", "arterial", "p1_pv.nii.gz", "nothing.nrrd", "train"],
        ["bad8", "arterial", "p1_pv.nii.gz", "shifted_labels.nrrd", "train"],
        ["bad9", "arterial", "gap", "", "train"],
        ["bad10", "arterial", "empty", "", "train"],
    ]
    table = folder / "cohort.csv"
    with table.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["patient", "phase", "image", "segmentation", "split"])
        writer.writerows(rows)
    return table


@pytest.fixture(scope="module")
def prepared(cohort, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return cache, prepare_cohort(cohort, cache, spacing_mm=SPACING_MM)


def test_every_broken_row_is_reported_and_the_rest_prepared(prepared):
    _, summary = prepared
    told = {fault.line: fault.message for fault in summary.faults}
    assert sorted(told) == list(range(6, 19))
    for line, part in {
        6: "patient is empty",
        7: "phase 'late' is unknown",
        8: "no image 'missing.nii.gz'",
        9: "split 'learning' is unknown",
        10: "already in line",
        11: "must not be in two splits",
        14: "voxels",
        15: "no segmentation 'nothing.nrrd'",
        16: "lies elsewhere than its image",
        17: "slice",
        18: "no DICOM",
    }.items():
        assert part in told[line], told[line]
    assert [len(patient.scans) for patient in summary.patients] == [2, 2]
    assert {patient.split for patient in summary.patients} == {"train", "validation"}


def test_the_cache_names_no_patient(prepared):
    cache, _ = prepared
    texts = [path.read_text("utf-8") for path in cache.rglob("*.json")] + [
        (cache / "summary.html").read_text("utf-8")
    ]
    assert not any(
        name in text for text in texts for name in ("p1_", "Secret", str(cache.parent)) if text
    )


def test_the_index_reads_back(prepared):
    cache, summary = prepared
    index = read_index(cache)
    assert index.patients == summary.patients and index.spacing_mm == SPACING_MM


def test_phases_are_aligned_and_marked_outside(prepared):
    cache, summary = prepared
    for patient in summary.patients:
        volumes = [open_volume(cache, scan.image) for scan in patient.scans]
        assert all(v.dtype == np.int16 and v.shape == patient.shape_zyx for v in volumes)
        shared = (volumes[0] != OUTSIDE) & (volumes[1] != OUTSIDE)
        assert shared.mean() > 0.8
        clipped = [np.clip(v, -200, 300).astype(float)[shared] for v in volumes]
        assert np.corrcoef(*clipped)[0, 1] > 0.7


def test_training_and_registration_see_the_same_voxels(cohort, prepared):
    """The cache holds what registration's preprocessing gives, on the voxels that both cover."""
    cache, summary = prepared
    scan = read_scan(cohort.parent / "p1_pv.nii.gz")
    patient = next(p for p in summary.patients if p.split == "train")
    cached = open_volume(cache, patient.scans[0].image)
    for margin_mm in (0.0, 4 * SPACING_MM):
        grid = working_grid(Geometry.of(scan), SPACING_MM, margin_mm, 1)
        seen = resample_to_grid(scan, grid)
        hu = seen.hu[0, 0].numpy()
        pad = [(a - b) // 2 for a, b in zip(hu.shape, cached.shape, strict=True)]
        window = tuple(slice(p, p + n) for p, n in zip(pad, cached.shape, strict=True))
        both = (cached != OUTSIDE) & seen.valid[0, 0].numpy()[window]
        assert both.mean() > 0.8
        assert np.abs(hu[window] - cached)[both].max() <= 0.5


def test_a_second_call_makes_nothing_again(cohort, prepared, monkeypatch):
    cache, _ = prepared

    def refuse(*arguments):
        raise AssertionError("prepared again")

    monkeypatch.setattr(
        run_module,
        "prepare_patient",
        lambda rows, *rest: refuse() if rows[0].patient in ("p1", "p2") else (None, []),
    )
    summary = prepare_cohort(cohort, cache, spacing_mm=SPACING_MM)
    assert summary.reused == 2 and len(summary.patients) == 2


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 200)])
def test_a_cached_file_that_is_gone_or_cut_short_is_made_again(cohort, prepared, tmp_path, damage):
    cache = shutil.copytree(prepared[0], tmp_path / "cache")
    scan = read_index(cache).patients[0].scans[0]
    before = np.load(cache / scan.image)
    damage(cache / scan.image)
    summary = prepare_cohort(cohort, cache, spacing_mm=SPACING_MM)
    assert summary.reused == 1 and len(summary.patients) == 2
    assert np.array_equal(np.load(cache / scan.image), before)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_record_of_a_patient_is_made_again(cohort, prepared, tmp_path, text):
    cache = shutil.copytree(prepared[0], tmp_path / "cache")
    record = cache / read_index(cache).patients[0].patient / "patient.json"
    before = record.read_bytes()
    record.write_text(text)
    assert prepare_cohort(cohort, cache, spacing_mm=SPACING_MM).reused == 1
    assert record.read_bytes() == before


def test_a_patient_is_made_again_once_a_slice_was_written_anew(cohort, prepared, tmp_path):
    cache = shutil.copytree(prepared[0], tmp_path / "cache")
    changed = min((cohort.parent / "p1_art").iterdir())
    before = changed.stat()
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    try:
        assert prepare_cohort(cohort, cache, spacing_mm=SPACING_MM).reused == 1
    finally:
        os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))


def _segmented(cohort, folder, name, classes=""):
    """A table of one scan whose liver and spleen are segments, the spleen by another ``name``."""
    drawn = sitk.ReadImage(str(cohort.parent / "p1_pv_labels.nii.gz"))
    for number, (segment, value) in enumerate((("Liver", 1), (name, 3))):
        drawn.SetMetaData(f"Segment{number}_Name", segment)
        drawn.SetMetaData(f"Segment{number}_LabelValue", str(value))
    sitk.WriteImage(drawn, str(folder / "a.seg.nrrd"))
    table = folder / "table.csv"
    scan = cohort.parent / "p1_pv.nii.gz"
    table.write_text(
        f"patient,phase,image,segmentation,classes\np,pv,{scan},a.seg.nrrd,{classes}\n"
    )
    return table


def test_segments_of_unknown_names_are_a_fault_of_their_row(cohort, tmp_path):
    table = _segmented(cohort, tmp_path, "Milz")
    with pytest.raises(InputError, match=r"\(line 2: .* label table does not have \('Milz'\)"):
        prepare_cohort(table, tmp_path / "cache", spacing_mm=SPACING_MM)
    table = _segmented(cohort, tmp_path, "SPLEEN")
    (patient,) = prepare_cohort(table, tmp_path / "cache", spacing_mm=SPACING_MM).patients
    assert patient.scans[0].classes == ("liver", "spleen")
    table = _segmented(cohort, tmp_path, "Milz", "liver")
    (patient,) = prepare_cohort(table, tmp_path / "cache", spacing_mm=SPACING_MM).patients
    assert patient.scans[0].classes == ("liver",)


def test_the_stream_gives_crops_of_the_cohort(prepared):
    cache, summary = prepared
    config = DataConfig(
        source="cohort", shape_zyx=(32, 48, 48), cohort=CohortConfig(cache=str(cache))
    )
    stream = CohortStream(config, SPACING_MM, seed=1)
    pair, again = stream.pairs(3), stream.pairs(3)
    assert pair.fixed_hu.shape == (1, 1, 32, 48, 48) and pair.fixed_hu.dtype == torch.int16
    assert torch.equal(pair.fixed_hu, again.fixed_hu)
    assert bool((pair.fixed_hu[~pair.fixed_valid] == -1024).all())
    assert any(not torch.equal(pair.fixed_hu, stream.pairs(step).fixed_hu) for step in range(4, 8))
    annotated = stream.annotated(0)
    assert annotated.labels.max() > 0 and bool(annotated.classes[0, 1])
    assert len(stream.validation_pairs(5)) == 2
    assert len(summary.patients) == 2


def _moved_to(cache, folder, split, patients):
    """The cache again, with some of its patients in ``split``."""
    shutil.copytree(cache, folder)
    index = read_index(folder)
    moved = [replace(p, split=split) if p.patient in patients else p for p in index.patients]
    write_index(folder, replace(index, patients=tuple(moved)))
    return folder


def test_who_is_held_out_teaches_no_segmentor_from_another_cache(prepared, tmp_path):
    cache, _ = prepared
    patients = {p.patient: p.split for p in read_index(cache).patients}
    everybody = _moved_to(cache, tmp_path / "all", "train", patients)

    def taught(main):
        folders = CohortConfig(cache=str(main), annotated_cache=str(everybody))
        config = DataConfig(source="cohort", shape_zyx=(32, 48, 48), cohort=folders)
        stream = CohortStream(config, SPACING_MM, seed=1)
        return {patient.patient for _, patient, _ in stream._annotated}

    assert taught(everybody) == set(patients)
    assert taught(cache) == {name for name, split in patients.items() if split == "train"}


def test_segmentations_of_another_cache_teach_beside_those_of_the_cohort(prepared, tmp_path):
    cache = prepared[0]
    other = _moved_to(cache, tmp_path / "other", "train", ())
    index = read_index(other)
    renamed = [replace(p, patient=f"other-{p.patient}") for p in index.patients]
    write_index(other, replace(index, patients=tuple(renamed)))
    folders = CohortConfig(cache=str(cache), annotated_cache=str(other))
    config = DataConfig(source="cohort", shape_zyx=(32, 48, 48), cohort=folders)
    stream = CohortStream(config, SPACING_MM, seed=1)
    own = [p.patient for p in read_index(cache).patients if p.split == "train"]
    assert [(folder, patient.patient) for folder, patient, _ in stream._annotated] == [
        *((cache, name) for name in own),
        *((other, f"other-{name}") for name in own),
    ]
    assert all(int(stream.annotated(step).labels.max()) > 0 for step in range(4))


def test_another_spacing_is_refused(prepared):
    config = DataConfig(source="cohort", cohort=CohortConfig(cache=str(prepared[0])))
    with pytest.raises(InputError, match="has voxels of 6 mm"):
        CohortStream(config, 2.0, seed=0)


def test_a_pair_knows_the_classes_that_both_of_its_scans_have(prepared, tmp_path):
    folder = shutil.copytree(prepared[0], tmp_path / "cache")
    index = read_index(folder)
    drawn = iter([("liver", "spleen"), ("liver", "lesion")])
    first = next(patient for patient in index.patients if patient.split == "train")
    scans = tuple(replace(scan, classes=next(drawn)) for scan in first.scans)
    write_index(folder, replace(index, patients=(replace(first, scans=scans),)))
    cohort = CohortConfig(cache=str(folder))
    config = DataConfig(source="cohort", shape_zyx=(32, 48, 48), cohort=cohort)
    classes = CohortStream(config, SPACING_MM, seed=1).pairs(0).classes
    assert classes[0].nonzero().flatten().tolist() == [BACKGROUND, label_index("liver")]


def test_only_the_fixed_phases_are_fixed_scans(prepared):
    folder = str(prepared[0])

    def stream(*phases):
        cohort = CohortConfig(cache=folder, fixed_phases=list(phases))
        config = DataConfig(source="cohort", shape_zyx=(32, 48, 48), cohort=cohort)
        return CohortStream(config, SPACING_MM, seed=1)

    assert len(stream(Phase.PORTAL_VENOUS).validation_pairs(5)) == 1
    with pytest.raises(InputError, match=r"one is among data\.cohort\.fixed_phases \(delayed\)"):
        stream(Phase.DELAYED)


def test_a_folder_without_cache_is_refused(tmp_path):
    with pytest.raises(InputError, match="no prepared cohort"):
        read_index(tmp_path)
    (tmp_path / cache_module.INDEX_NAME).write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="another format"):
        read_index(tmp_path)


def test_the_decathlon_layout_is_recognized(tmp_path):
    images, labels = _scans(4)
    for name, image in (("imagesTr", images[0]), ("labelsTr", labels[0])):
        (tmp_path / name).mkdir()
        drawn = image if name == "imagesTr" else sitk.Mask(image, image <= 2)
        sitk.WriteImage(drawn, str(tmp_path / name / "liver_0.nii.gz"))
    description = {
        "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "training": [{"image": "./imagesTr/liver_0.nii.gz", "label": "./labelsTr/liver_0.nii.gz"}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    (row,) = read_decathlon(tmp_path)
    assert row.classes == ("liver", "lesion") and row.patient == "liver_0"
    summary = prepare_cohort(tmp_path, tmp_path / "cache", spacing_mm=SPACING_MM)
    assert not summary.faults
    assert summary.patients[0].scans[0].classes == ("liver", "lesion")


def test_phases_may_be_written_in_other_words(tmp_path):
    rows = ["patient,phase,image"]
    for word in ("PV 70s", "Art", "nativ", "5 min delay"):
        (tmp_path / f"{word}.nii").touch()
        rows.append(f"p1,{word},{word}.nii")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    read, faults = read_table(tmp_path / "t.csv")
    assert not faults
    assert [row.phase for row in read] == [
        Phase.PORTAL_VENOUS,
        Phase.ARTERIAL,
        Phase.NON_CONTRAST,
        Phase.DELAYED,
    ]


def test_a_table_may_have_semicolons_as_a_spreadsheet_writes_them(tmp_path):
    for name in ("a.nii", "a-labels.nii"):
        (tmp_path / name).touch()
    header = "Patient;Phase;Image;Segmentation;Split;Classes"
    written = 'p1;portal-venous;a.nii;a-labels.nii;validation;"liver;lesion"'
    unquoted = "p2;portal-venous;a.nii;a-labels.nii;validation;liver;lesion"
    lines = ("\ufeff" + header, written, unquoted, ";;;;;")
    (tmp_path / "t.csv").write_text("\r\n".join(lines), "utf-8", newline="")
    (row,), (fault,) = read_table(tmp_path / "t.csv")
    assert (row.patient, row.phase, row.split) == ("p1", Phase.PORTAL_VENOUS, "validation")
    assert row.image == tmp_path / "a.nii" and row.segmentation == tmp_path / "a-labels.nii"
    assert row.classes == ("liver", "lesion")
    assert fault.line == 3 and "more cells than columns" in fault.message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("patient,image\n", "phase"),
        ("patient,phase,image,sex\n", "sex"),
        ("", "patient, phase, image"),
    ],
)
def test_a_bad_header_is_named(tmp_path, text, named):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=named):
        read_table(tmp_path / "t.csv")


def test_a_spreadsheet_is_no_table(tmp_path):
    (tmp_path / "t.csv").write_bytes("patient,phase,image\nMüller,arterial,a\n".encode("cp1252"))
    with pytest.raises(InputError, match="save it as 'CSV UTF-8'"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("text", ["{", "[]", '{"labels": {"1": "liver"}}'])
def test_a_broken_decathlon_description_is_named(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match="no description of a Decathlon task"):
        read_decathlon(tmp_path)


@pytest.mark.slow
def test_two_workers_give_what_one_gives(cohort, prepared, tmp_path):
    summary = prepare_cohort(cohort, tmp_path, spacing_mm=SPACING_MM, workers=2)
    assert summary.patients == prepared[1].patients
    assert [f.line for f in summary.faults] == [f.line for f in prepared[1].faults]
