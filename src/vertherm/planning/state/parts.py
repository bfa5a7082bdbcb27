"""Parts of a planned case's fast models that a re-plan needs: the standard members, and what a finer run put on them.

The whole fast model, with its samples, is several times as large; a re-plan never reads it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError, VerthermError

if TYPE_CHECKING:
    from vertherm.planning.surrogate.surrogate import Surrogate

Float = NDArray[np.float32]
ANCHORED = "Scaled to a finer run of the nominal patient."
"""What a fast model that was scaled to a finer run notes."""
CARRIED = "Carried over from the planned place: linear answer anew, ratios of the plan."
"""What a fast model that a re-plan made notes."""
REPLANNED = "re-plan"
"""Name of the fast model of a re-plan, and of the entry in its plan that says so."""


@dataclass(frozen=True, eq=False)
class Stored(Mapping[str, "Surrogate"]):
    """Fast models by name, each read from its file when it is first asked for."""

    files: Mapping[str, Path]
    read: Callable[[Path], Surrogate]
    _found: dict[str, Surrogate] = field(init=False, default_factory=dict)

    def __getitem__(self, name: str) -> Surrogate:
        if name not in self._found:
            path = self.files[name]
            try:
                self._found[name] = self.read(path)
            except (VerthermError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
                raise InputError(
                    "A fast model of a planned case cannot be read, although its file is unchanged.",
                    where=str(path),
                    got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
                    advice="run `vertherm plan` again and use its folder",
                ) from error
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def standard(surrogate: Surrogate) -> Surrogate | None:
    """The nominal variant and the standard members in place of the samples; None where there are only these."""
    if not surrogate.members:
        return None
    variants = (surrogate.variants[0], *surrogate.members)
    return replace(surrogate, variants=variants, samples=0, failed=0, members=())
