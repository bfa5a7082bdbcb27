"""Graded scales: Bilsky ESCC, CIRSE, SIR and CTCAE grades of complications, imaging response.

Wording is kept short and in our own words; ``verified`` says whether the source was read. Source notes: CIRSE 2017 and
its 2026 modification (10.1007/s00270-025-04200-w, split of grades 1 and 3; the exact wording is not in our hands, so
those terms are present and disabled), SIR (read in part), CTCAE v5.0 of 27 November 2017 (generic grades), MDA as in
PMC3863546 Table 1, RECIST 1.1, PERCIST (recalled).
"""

from __future__ import annotations

from vertherm.clinical.vocabulary import Term, Vocabulary, vocabulary

ESCC = Vocabulary(
    "escc",
    (
        Term("0", "0: bone only"),
        Term("1a", "1a: epidural, sac not deformed"),
        Term("1b", "1b: sac deformed, cord not touched"),
        Term("1c", "1c: cord touched, not compressed"),
        Term("2", "2: cord compressed, CSF visible"),
        Term("3", "3: cord compressed, no CSF visible"),
        Term("not_assessed", "not assessed"),
    ),
    "Bilsky epidural spinal cord compression scale, axial T2 MR",
)

CIRSE_VERSION = Vocabulary(
    "cirse_version",
    (Term("2017", "CIRSE 2017"), Term("2026", "CIRSE 2026 (wording not available)", verified=False, enabled=False)),
    "CIRSE classification of complications",
)
CIRSE_2017 = vocabulary(
    "cirse_2017",
    [
        ("1", "1: solved within the same procedure"),
        ("2", "2: prolonged observation under 48 h, no therapy"),
        ("3", "3: further therapy or stay over 48 h, no sequelae"),
        ("4", "4: mild permanent sequelae"),
        ("5", "5: severe sequelae that need assistance"),
        ("6", "6: death"),
    ],
    "CIRSE 2017",
)
CIRSE_2026 = Vocabulary(
    "cirse_2026",
    tuple(
        Term(code, f"{code}: wording not available", verified=False, enabled=False)
        for code in ("1a", "1b", "2", "3a", "3b", "4", "5", "6")
    ),
    "CVIR 2026;49:2-6, not read",
)
SIR = Vocabulary(
    "sir",
    (
        Term("A", "A (minor): no therapy, no consequence", verified=False),
        Term("B", "B (minor): nominal therapy, overnight observation at most", verified=False),
        Term("C", "C (major): therapy, stay under 48 h", verified=False),
        Term("D", "D (major): major therapy, more care, stay over 48 h", verified=False),
        Term("E", "E (major): permanent sequelae", verified=False),
        Term("F", "F (major): death", verified=False),
    ),
    "SIR classification, read in part",
)
CTCAE_VERSION = vocabulary("ctcae_version", [("5.0", "CTCAE v5.0")], "NCI, 27 November 2017")
CTCAE = vocabulary(
    "ctcae_grade",
    [
        ("1", "1: mild, no intervention"),
        ("2", "2: minimal, local or non-invasive intervention"),
        ("3", "3: severe, hospitalisation, limits self-care"),
        ("4", "4: life-threatening"),
        ("5", "5: death"),
    ],
    "CTCAE v5.0, generic grades",
)
CRITERION = Vocabulary(
    "criterion",
    (
        Term("mda", "MDA"),
        Term("recist_1_1", "RECIST 1.1"),
        Term("percist", "PERCIST", verified=False),
        Term("unstated", "criterion not stated"),
    ),
    "named with every response",
)
RESPONSE = vocabulary(
    "response",
    [
        ("cr", "complete response"),
        ("pr", "partial response"),
        ("sd", "stable disease"),
        ("pd", "progressive disease"),
        ("ne", "not evaluable"),
    ],
)

ALL = (ESCC, CIRSE_VERSION, CIRSE_2017, CIRSE_2026, SIR, CTCAE_VERSION, CTCAE, CRITERION, RESPONSE)
