"""Write the data tables of ``vertherm.materials`` into docs/reference/constants.md: fill_constants.py."""

from __future__ import annotations

from pathlib import Path

from vertherm.materials.constants import all_constants
from vertherm.materials.damage import damage_models
from vertherm.materials.quantity import Quantity, read_quantities
from vertherm.materials.tissue import tissue, tissue_names, tissue_note

PAGE = Path(__file__).with_name("reference") / "constants.md"
INTRODUCTION = """# Constants

Written by `docs/fill_constants.py` from `src/vertherm/materials/data`; a test keeps it current. Certainty: **S** read
in the source named, **D** derived from such numbers, **R** recalled and unconfirmed, **guess** a proposal of ours.
Reports list every R and guess in use.

Thermal rows are from the IT'IS tissue database as another open project ships it; its licence and citation text was not
read. Ranges of tissue properties are proposals (`spread.csv`): the tables give none. What stands in for what:

- **Bone by CT number**: yellow marrow, cancellous and cortical bone mixed by volume between three uncalibrated CT
  numbers, in 32 classes.
- **Tumours**: nobody has measured a vertebral metastasis. Lytic is half infiltrated marrow, half muscle; blastic half
  cancellous, half cortical bone; mixed the mean of both.
- **Bowel** has muscle's thermal row (real bowel is better perfused, so this runs hot) and colon's dielectric one;
  **kidney** and **colon** dielectric parameters are recalled; **disc** is cartilage; **red marrow** electrically is
  marrow infiltrated with blood.
- **Blood** has no Pennes term in a vessel: its cooling is a held temperature, or nothing.
- **Metal** absorbs nothing here; fields near metal are not to be trusted.
- **Liver** damage constants stand in wherever no other exist; they count nothing below 43 °C.
- **Perfusion** rises by a guess; water fractions are recalled.
"""


CEMENT_TABLES = {
    "How cement flows in bone": "bone_flow",
    "Cements": "cement_curing",
    "Bone mechanics": "bone_mechanics",
    "Measures of the SINS": "sins",
}


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(quantities: dict[str, Quantity]) -> list[str]:
    lines = ["| name | value | unit | range | certainty | source |", "|---|---|---|---|---|---|"]
    for name, q in quantities.items():
        lines.append(_row([f"`{name}`", f"{q.value:g}", q.unit, q.range_text, q.certainty, q.source]))
    return lines


def page() -> str:
    """The whole page as Markdown."""
    lines = [INTRODUCTION, "## Scalars", "", *_table(dict(all_constants())), ""]
    lines += ["## Drying curve of liver", "", *_table(read_quantities("drying")), ""]
    lines += ["## Damage models", "", "| id | ln A | Ea J/mol | from °C | to °C | certainty | source, note |"]
    lines.append("|---|---|---|---|---|---|---|")
    for m in damage_models():
        valid = ["–" if v is None else f"{v:g}" for v in (m.valid_from_c, m.valid_to_c)]
        cells = [f"`{m.id}`", f"{m.ln_a:g}", f"{m.ea_j_mol:g}", *valid, m.certainty]
        lines.append(_row([*cells, f"{m.source}. {m.note}".strip()]))
    for title, table in CEMENT_TABLES.items():
        lines += ["", f"## {title}", "", *_table(read_quantities(table))]
    lines += ["", "## Tissues", ""]
    head = "tissue | density kg/m³ | c J/kgK | k W/mK | perfusion W/m³K | water kg/kg | ε, σ S/m at 2.45 GHz | 915 MHz"
    lines += [f"| {head} | damage | unverified |", "|" + "---|" * 10]
    for name in tissue_names():
        t = tissue(name)
        electric = [f"{eps:.2f}, {sigma:.3f}" for eps, sigma in (t.permittivity(2.45e9), t.permittivity(915e6))]
        thermal = [f"{v:.4g}" for v in (t.density, t.heat_capacity, t.conductivity, t.perfusion, t.water_fraction)]
        lines.append(_row([f"`{name}`", *thermal, *electric, t.damage, ", ".join(t.unverified) or "–"]))
    notes = [f"- `{name}`: {tissue_note(name)}." for name in tissue_names() if tissue_note(name)]
    return "\n".join([*lines, "", *notes, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
