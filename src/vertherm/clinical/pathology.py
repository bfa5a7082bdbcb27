"""Pathologies of spinal tumours and the appearance of a lesion on CT."""

from __future__ import annotations

from enum import StrEnum


class Pathology(StrEnum):
    """Primary tumour, after the groups of Khan et al., AJNR 2018; ``other`` needs a free text beside it."""

    myeloma = "multiple myeloma"
    breast = "breast"
    lung = "lung"
    thyroid = "thyroid"
    prostate = "prostate"
    colon = "colon"
    renal = "renal cell"
    oral_squamous = "oral squamous cell"
    adenocarcinoma_unknown = "adenocarcinoma of unknown origin"
    melanoma = "melanoma"
    sarcoma = "sarcoma"
    bladder = "bladder"
    hepatocellular = "hepatocellular"
    other = "other"
    unknown = "unknown"


class LesionKind(StrEnum):
    """Appearance on CT: bone destroyed, bone formed, or both."""

    lytic = "lytic"
    blastic = "blastic"
    mixed = "mixed"

    @property
    def tissue(self) -> str:
        """Name of its tissue in the materials table."""
        return f"{self.value}_tumour"
