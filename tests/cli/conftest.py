"""A phantom on disk as a user would have it: CT, labels, lesion mask, case file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from vertherm.cli.main import run
from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import write_nifti
from vertherm.imaging.phantom import torso_phantom
from vertherm.imaging.vocabulary import vocabulary

CASE = """
title = "phantom on disk"
[images]
ct = "ct.nii.gz"
[[images.labels]]
path = "labels.nii.gz"
vocabulary = "vertherm"
[[targets]]
level = "L3"
level_confirmed = true
kind = "lytic"
mask = "lesion.nii.gz"
[[applicators]]
model = "tosoratti_mini_choke"
entry = [25, -60, 0]
tip = [5, 8, 0]
frame = "RAS"
[schedule]
power_kind = "forward"
[[schedule.activations]]
power_w = 15.0
time_s = 20
[numerics]
spacing_mm = 3.0
"""


@dataclass(frozen=True)
class OnDisk:
    """A folder with ct.nii.gz, labels.nii.gz, lesion.nii.gz and case.toml."""

    folder: Path

    def case(self, old: str = "", new: str = "") -> Path:
        """The case file with one text replaced."""
        assert old in CASE
        path = self.folder / "case.toml"
        path.write_text(CASE.replace(old, new, 1) if old else CASE)
        return path


@pytest.fixture
def phantom_on_disk(tmp_path: Path) -> OnDisk:
    """The torso phantom at 3 mm as files."""
    anatomy = torso_phantom("L3", 3.0)
    folder = tmp_path / "patient"
    folder.mkdir()
    write_nifti(anatomy.ct, folder / "ct.nii.gz")
    labels = np.zeros(anatomy.ct.grid.shape, np.uint16)
    code_of = {entry.name: code for code, entry in vocabulary("vertherm").entries.items()}
    for level, mask in anatomy.vertebrae.items():
        labels[_on(mask, anatomy.ct)] = code_of[f"vertebra {level}"]
    for structure in anatomy.structures:
        code = code_of.get(structure.name)
        if code is not None:
            labels[structure.on(anatomy.ct.grid)] = code
    write_nifti(Volume(labels, anatomy.ct.grid), folder / "labels.nii.gz")
    lesion = _on(anatomy.lesions["target"], anatomy.ct).astype(np.uint8)
    write_nifti(Volume(lesion, anatomy.ct.grid), folder / "lesion.nii.gz")
    return OnDisk(folder)


def _on(mask: Volume, ct: Volume) -> np.ndarray:
    from vertherm.imaging.anatomy import on_grid

    return on_grid(mask, ct.grid)


@pytest.fixture
def vertherm():
    """Run the command line in this process and return its exit status."""
    return lambda *arguments: run([str(a) for a in arguments])
