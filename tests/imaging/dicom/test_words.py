"""What labels and coded terms of segments mean, labels of a case from SEG and RTSTRUCT, and one mask out of several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.sr.codedict import codes

from tests.imaging.dicom.test_rtstruct import circle
from tests.imaging.dicom_maker import phantom_hu, rtstruct_file, seg_file, series
from tests.shared_data import need
from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.build import build_anatomy
from vertherm.imaging.dicom.segment import SegmentedVolume
from vertherm.imaging.labels import decode
from vertherm.imaging.nifti import write_nifti
from vertherm.imaging.read import read_ct, read_labels, read_mask, read_segments
from vertherm.imaging.vocabulary import normalised, segment_code, segment_words, vocabulary


def name_of(label: str, *terms: tuple[str, str], side: str = "") -> str | None:
    code, _ = segment_code(label, terms, side)  # type: ignore[arg-type]
    return None if code is None else vocabulary("dicom").entries[code].name


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("L1 vertebra", "vertebra L1"),
        ("vertebrae_L1", "vertebra L1"),
        ("C7 vertebra", "vertebra C7"),
        ("T12", "vertebra T12"),
        ("Th12", "vertebra T12"),
        ("VB_L3", "body L3"),
        ("L3 vertebral body", "body L3"),
        ("spinal cord", "spinal cord"),
        ("SpinalCord", "spinal cord"),
        ("spinal_cord", "spinal cord"),
        ("SpinalCanal", "canal"),
        ("Thecal Sac", "dural sac"),
        ("aorta", "aorta"),
        ("A_Aorta", "aorta"),
        ("inferior_vena_cava", "inferior vena cava"),
        ("Kidney_L", "kidney left"),
        ("kidney_right", "kidney right"),
        ("Left Kidney", "kidney left"),
        ("iliac_artery_left", "iliac artery left"),
        ("Esophagus", "oesophagus"),
        ("lung_upper_lobe_left", "lung upper lobe left"),
        ("rib_left_4", "rib 4 left"),
        ("autochthon_right", "autochthonous back muscle right"),
        ("left L5 nerve root", "root L5 left"),
        ("Root_S1_R", "root S1 right"),
        ("GTV", "lesion"),
        ("kidney", None),
        ("left and right kidney", None),
        ("Liver 2", None),
        ("PTV_20Gy", None),
        ("Müller", None),
        ("", None),
    ],
)
def test_labels_as_programs_write_them(label: str, wanted: str | None) -> None:
    assert name_of(label) == wanted


@given(label=st.text(max_size=40), value=st.text(max_size=12), side=st.sampled_from(["", "left", "right"]))
@settings(max_examples=200, deadline=None)
def test_any_label_is_known_or_has_a_reason(label: str, value: str, side: str) -> None:
    for scheme in ("SCT", "SRT", "99X"):
        code, reason = segment_code(label, ((scheme, value),), side)  # type: ignore[arg-type]
        assert (code is None) == bool(reason)


def test_every_totalsegmentator_structure_is_known_by_its_name() -> None:
    for entry in vocabulary("totalsegmentator").entries.values():
        if entry.role != "sac":
            assert name_of(entry.name) == entry.name


def test_coded_terms_are_the_dictionarys() -> None:
    """Codes from pydicom's dictionary, not from this table; SRT is the older form of the same terms."""
    for number in range(1, 6):
        assert name_of("x", ("SCT", getattr(codes.SCT, f"L{number}Vertebra").value)) == f"vertebra L{number}"
    for number in range(1, 13):
        assert name_of("x", ("SCT", getattr(codes.SCT, f"T{number}Vertebra").value)) == f"vertebra T{number}"
    assert name_of("x", ("SCT", codes.SCT.SpinalCord.value)) == "spinal cord"
    assert name_of("x", ("SCT", codes.SCT.Kidney.value), side="left") == "kidney left"
    assert name_of("x", ("SCT", codes.SCT.Kidney.value)) is None
    assert name_of("x", ("SRT", "T-62000")) == "liver"
    assert name_of("x", ("99LOCAL", codes.SCT.Liver.value)) is None
    assert name_of("L2 vertebra", ("SCT", codes.SCT.Vertebra.value)) == "vertebra L2"


def test_a_label_and_a_term_that_disagree_are_not_believed() -> None:
    code, reason = segment_code("L1 vertebra", (("SCT", codes.SCT.L2Vertebra.value),), "")
    assert code is None
    assert reason == "its label says vertebra L1, its coded term vertebra L2"
    code, reason = segment_code("kidney left", (), "right")
    assert (code, reason) == (None, "its label says left, its coded modifier right")
    assert segment_code("kidney", (), "")[1] == "its side is not stated"


def test_no_word_means_two_things() -> None:
    entries = vocabulary("dicom").entries
    rows = sum(len(row) for row in (segment_words().labels,))
    assert rows == len(set(segment_words().labels))
    for (text, side), code in segment_words().labels.items():
        assert normalised(f"{text} {side}") == (text, side)
        assert entries[code].side == side


def a_ct(tmp_path: Path) -> tuple[Volume, list[Path], np.ndarray]:
    hu = phantom_hu(12, 40, 40)
    series(tmp_path / "ct", hu, spacing=(2.0, 2.0), step=(0, 0, 3.0))
    files = sorted((tmp_path / "ct").iterdir(), key=lambda f: pydicom.dcmread(f).InstanceNumber)
    masks = np.zeros((12, 40, 40, 4), np.uint8)
    masks[1:5, 5:30, 10:30, 0] = 1  # L2 below
    masks[6:11, 5:30, 10:30, 1] = 1  # L1 above
    masks[7:9, 8:14, 12:20, 2] = 1  # a lesion within L1
    masks[:, 30:35, 17:23, 3] = 1  # the cord
    return read_ct(tmp_path / "ct"), files, masks


NAMES = ["L2 vertebra", "L1 vertebra", "lesion", "spinal cord"]


def test_labels_of_a_case_from_a_segmentation(tmp_path: Path) -> None:
    """Vertebra and lesion overlap: the vertebra keeps all its voxels, the lesion is pointed out, not painted."""
    ct, files, masks = a_ct(tmp_path)
    seg_file(tmp_path / "seg.dcm", files, masks, NAMES)
    labels = read_labels(tmp_path / "seg.dcm", ct)
    assert isinstance(labels, SegmentedVolume)
    assert set(np.unique(labels.data)) == {0, 1, 2, 3, 4}
    decoded = decode(ct.canonical(), [(labels, "dicom")])
    assert set(decoded.vertebrae) == {Level.L1, Level.L2}
    assert decoded.vertebrae[Level.L1].sum() == masks[..., 1].sum()
    assert any("'lesion'" in note and "name it as a target's mask" in note for note in decoded.notes)
    assert decoded.structures["spinal cord"][1].sum() == masks[..., 3].sum()
    anatomy = build_anatomy(ct, [(labels, "dicom")])
    np.testing.assert_array_equal(on_grid(anatomy.vertebrae[Level.L2], ct.grid), labels.data == 1)
    assert "segment 'spinal cord' (dicom 4)" in {s.source for s in anatomy.structures}


def test_labels_of_a_case_from_a_structure_set(tmp_path: Path) -> None:
    ct, _, _ = a_ct(tmp_path)
    contours = {"L1 vertebra": [circle(20, 0, z, 15) for z in (118, 121, 124)], "odd": [circle(20, 0, 118, 5)]}
    rtstruct_file(tmp_path / "rt.dcm", contours)
    decoded = decode(ct.canonical(), [(read_labels(tmp_path / "rt.dcm", ct), "dicom")])
    assert decoded.vertebrae[Level.L1].sum() == pytest.approx(3 * np.pi * 225 / 4, rel=0.05)
    assert any("segment 2 'odd'" in note and "ignored" in note for note in decoded.notes)


def test_segments_by_number_and_the_wrong_vocabulary(tmp_path: Path) -> None:
    ct, files, masks = a_ct(tmp_path)
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "b", "c", "d"])
    labels = read_labels(tmp_path / "seg.dcm", ct)
    by_number = decode(ct.canonical(), [(labels, "verse")])
    assert set(by_number.vertebrae) == {Level.C1, Level.C2, Level.C3, Level.C4}
    assert len([n for n in decode(ct.canonical(), [(labels, "dicom")]).notes if "ignored" in n]) == 4
    plain = Volume(labels.data, ct.grid, "map")
    with pytest.raises(InputError, match="for segments that carry words"):
        decode(ct.canonical(), [(plain, "dicom")])


def test_one_mask_by_number_by_text_or_alone(tmp_path: Path) -> None:
    ct, files, masks = a_ct(tmp_path)
    seg_file(tmp_path / "seg.dcm", files, masks, NAMES)
    wanted = masks[..., 1].transpose(2, 1, 0) > 0
    for label in (2, "L1 vertebra", "l1  VERTEBRA"):
        mask = read_mask(tmp_path / "seg.dcm", ct, label)
        assert mask.data.dtype == np.bool_
        np.testing.assert_array_equal(mask.data, wanted)  # all of it, although the lesion overlaps it
    for label, message in ((None, "several such segments"), (9, "no such segment"), ("L9", "no such segment")):
        with pytest.raises(InputError, match=message) as caught:
            read_mask(tmp_path / "seg.dcm", ct, label)
        assert "3: lesion" in str(caught.value)
    seg_file(tmp_path / "one.dcm", files, masks[..., 2:3], ["lesion"])
    np.testing.assert_array_equal(read_mask(tmp_path / "one.dcm", ct).data, masks[..., 2].transpose(2, 1, 0) > 0)
    write_nifti(Volume(wanted * np.uint8(7), ct.grid), tmp_path / "m.nii.gz")
    for label in (None, 7):
        np.testing.assert_array_equal(read_mask(tmp_path / "m.nii.gz", ct, label).data, wanted)
    assert not read_mask(tmp_path / "m.nii.gz", ct, 3).data.any()
    with pytest.raises(InputError, match="no label texts"):
        read_mask(tmp_path / "m.nii.gz", ct, "lesion")


def test_a_folder_with_several_or_no_segmentations_is_refused(tmp_path: Path) -> None:
    ct, files, masks = a_ct(tmp_path)
    with pytest.raises(InputError, match="no DICOM segmentation here"):
        read_segments(tmp_path / "ct", ct)
    folder = tmp_path / "segs"
    folder.mkdir()
    seg_file(folder / "1.dcm", files, masks, NAMES)
    assert len(read_segments(folder, ct)) == 4
    seg_file(folder / "2.dcm", files, masks, NAMES)
    with pytest.raises(InputError, match="several segmentations here"):
        read_segments(folder, ct)


@pytest.mark.data
def test_the_real_segmentation_is_a_label_by_its_coded_term() -> None:
    folder = need("dcmqi_ct3slice_seg")
    ct = read_ct(folder)
    decoded = decode(ct.canonical(), [(read_labels(folder / "dcmqi_liver.dcm", ct), "dicom")])
    assert decoded.structures["liver"][1].sum() == read_mask(folder / "dcmqi_liver.dcm", ct, "Liver").data.sum() > 1e5
