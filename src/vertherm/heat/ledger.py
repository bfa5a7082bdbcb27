"""Where the energy went: an independent account in float64, so that a lost joule shows."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass
class EnergyLedger:
    """Joules since the start; positive source and shaft bring heat in, the losses take it out.

    Args:
        source_j: deposited in the tissue, held cells included.
        shaft_source_j: set free in the needle's shaft.
        coolant_j: taken from the shaft by its coolant and by the room.
        shaft_j: passed from the shaft into the tissue (negative: the cooled shaft took heat out), a part of the two
            columns above and no further item of the balance.
        perfusion_j: carried away by blood.
        boundary_j: through the outer faces of the grid.
        held_j: into cells of fixed temperature (vessels, CSF, air), deposition in them included.
        irrigation_j: carried away by passing fluid (positive: it cooled).
        stored_j: still in the tissue, latent heat included.
    """

    source_j: float = 0.0
    shaft_source_j: float = 0.0
    coolant_j: float = 0.0
    shaft_j: float = 0.0
    perfusion_j: float = 0.0
    boundary_j: float = 0.0
    held_j: float = 0.0
    irrigation_j: float = 0.0
    stored_j: float = 0.0

    @property
    def missing_j(self) -> float:
        """What came in and is found nowhere; the losses are integrated apart from the scheme, so this measures both."""
        lost = self.perfusion_j + self.boundary_j + self.held_j + self.irrigation_j + self.coolant_j
        return self.source_j + self.shaft_source_j - lost - self.stored_j

    @property
    def turnover_j(self) -> float:
        """Heat that moved: the yardstick of the balance error."""
        carried = (self.perfusion_j, self.boundary_j, self.held_j, self.irrigation_j, self.coolant_j)
        outflow = (*carried, self.stored_j)
        return max(abs(self.source_j) + abs(self.shaft_source_j), sum(map(abs, outflow)))

    @property
    def error(self) -> float:
        """Missing heat as a share of the heat that moved."""
        return abs(self.missing_j) / self.turnover_j if self.turnover_j > 0 else 0.0

    def as_dict(self) -> dict[str, float]:
        """All columns, the missing heat and the relative error."""
        columns = {f.name: float(getattr(self, f.name)) for f in fields(self)}
        return {**columns, "missing_j": self.missing_j, "error": self.error}
