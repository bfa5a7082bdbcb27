"""``vertherm demo``: the pathway on a real CT, start to finish."""

from __future__ import annotations

import shutil
from importlib import metadata, resources
from pathlib import Path

import typer

from vertherm.cli.simulate import Fidelity, chosen, tell, write_outputs

FILES = (
    "sub-ct_label-22_ct.nii.gz",
    "sub-ct_seg-vert_label-22_msk.nii.gz",
    "sub-ct_seg-subreg_label-22_msk.nii.gz",
)
PACKAGE, PACKAGE_FOLDER = "tptbox", "TPTBox/tests/sample_ct"


def demo(
    output: Path = typer.Option(Path("out/demo"), "-o", "--output", help="Folder for the results."),
    data: Path | None = typer.Option(
        None, "--data", help="Folder with the three image files; default: package tptbox."
    ),
    json_out: bool = typer.Option(False, "--json", help="Print assessment.json on stdout, nothing else."),
    workers: int = typer.Option(0, "--workers", min=0, help="Processes; 0 takes one a core."),
    fidelity: Fidelity | None = typer.Option(None, "--fidelity", help="Power density; default: axisymmetric."),
    ensemble: int | None = typer.Option(None, "--ensemble", min=0, max=1000, help="Samples of what is uncertain."),
) -> int:
    """Predict an ablation on a real CT with a synthetic lesion. Exit status 0 when it ran, whatever the verdict."""
    from vertherm.cli.progress import shown
    from vertherm.planning.case import load_case
    from vertherm.planning.run import run_case

    with shown() as progress:
        case = _lay_out(data or sample_folder(), output)
        result = run_case(
            chosen(load_case(case), fidelity, ensemble), case_path=case, workers=workers, progress=progress
        )
        write_outputs(result, output, progress)
    tell(result.assessment, output, json_out)
    return 0


def sample_folder() -> Path:
    """Where the package ``tptbox`` keeps its sample CT; the package itself is never imported.

    Raises:
        InputError: the package or its sample is not there.
    """
    from vertherm.core.errors import InputError

    try:
        folder = Path(str(metadata.distribution(PACKAGE).locate_file(PACKAGE_FOLDER)))
    except metadata.PackageNotFoundError:
        folder = None
    if folder is None or not all((folder / name).is_file() for name in FILES):
        raise InputError(
            "The demo's CT is not installed.",
            where=f"package {PACKAGE}",
            got="not found" if folder is None else "package without its sample CT",
            expected=f"{PACKAGE} 1.1.0 with {PACKAGE_FOLDER}",
            advice="run `pip install --no-deps tptbox==1.1.0`, or name a folder that holds the three files with --data",
        )
    return folder


def _lay_out(source: Path, output: Path) -> Path:
    """Copy the images and the case file into the output folder, so that the case can be run and changed from there."""
    from vertherm.core.errors import InputError
    from vertherm.core.files import atomic_folder

    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise InputError("The demo's images are not there.", where=str(source), got=f"missing {', '.join(missing)}")
    with atomic_folder(output) as folder:
        (folder / "input").mkdir()
        for name in FILES:
            shutil.copyfile(source / name, folder / "input" / name)
        text = (resources.files("vertherm.cli") / "data" / "demo.toml").read_text("utf-8")
        (folder / "case.toml").write_text(text, "utf-8")
    return output / "case.toml"
