"""What each method is, in a sentence, and whom to cite: the methods paragraph is made from what really ran.

Every result carries the ids of its methods in ``methods``; ``describe`` turns ids into entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Method:
    """One method.

    Args:
        id: short name that results carry.
        name: the method's usual name.
        sentence: what was done, one sentence for a methods paragraph.
        citations: publications, in the order of the sentence.
        call: function that does it, and the library calls below it.
        packages: distributions whose version belongs to the statement.
    """

    id: str
    name: str
    sentence: str
    citations: tuple[str, ...]
    call: str
    packages: tuple[str, ...] = ("vertherm", "numpy", "scipy")


_ALL = (
    Method(
        "summary", "Summary",
        "Continuous variables are given as median with quartiles (linear interpolation, type 7) and as mean with "
        "standard deviation (divisor n - 1), each labelled.",
        ("Hyndman RJ, Fan Y. Am Stat 1996;50:361-365",),
        "summary.summarise; numpy.quantile(method='linear')", ("vertherm", "numpy"),
    ),
    Method(
        "clopper_pearson", "Clopper-Pearson interval",
        "Proportions are given with exact (Clopper-Pearson) confidence intervals.",
        ("Clopper CJ, Pearson ES. Biometrika 1934;26:404-413",),
        "proportion.proportion; scipy.special.betaincinv",
    ),
    Method(
        "wilson", "Wilson interval",
        "Wilson's score interval is given beside the exact one.",
        ("Wilson EB. J Am Stat Assoc 1927;22:209-212",),
        "proportion.proportion; scipy.special.ndtri",
    ),
    Method(
        "signed_rank_exact", "Wilcoxon signed-rank test, exact",
        "Changes were tested by Wilcoxon's signed-rank test with Pratt's treatment of zeros; up to 50 pairs the "
        "p-value is exact, given ties and zeros.",
        (
            "Wilcoxon F. Biometrics Bull 1945;1:80-83", "Pratt JW. J Am Stat Assoc 1959;54:655-667",
            "Streitberg B, Röhmel J. Stat Softw Newsl 1986;12:10-17",
        ),
        "signed_rank.signed_rank_test", ("vertherm", "numpy"),
    ),
    Method(
        "signed_rank_normal", "Wilcoxon signed-rank test, normal approximation",
        "Changes were tested by Wilcoxon's signed-rank test with Pratt's treatment of zeros; beyond 50 pairs by the "
        "normal approximation corrected for ties, without continuity correction.",
        ("Wilcoxon F. Biometrics Bull 1945;1:80-83", "Pratt JW. J Am Stat Assoc 1959;54:655-667"),
        "signed_rank.signed_rank_test; scipy.special.ndtr",
    ),
    Method(
        "hodges_lehmann", "Hodges-Lehmann estimate",
        "The size of the change is the Hodges-Lehmann pseudo-median with the interval that belongs to the signed-rank "
        "test.",
        (
            "Hodges JL, Lehmann EL. Ann Math Stat 1963;34:598-611",
            "Hollander M, Wolfe DA, Chicken E. Nonparametric Statistical Methods, 3rd ed. Wiley 2014",
            "Johnson DB, Mizoguchi T. SIAM J Comput 1978;7:147-153",
        ),
        "paired.hodges_lehmann; walsh.WalshAverages",
    ),
    Method(
        "mean_change", "Mean change",
        "The mean change is given with Student's t interval.",
        (),
        "paired.paired_change; scipy.special.stdtrit",
    ),
    Method(
        "holm", "Holm's adjustment",
        "P-values of the time points of one measure were adjusted by Holm's step-down method.",
        ("Holm S. Scand J Stat 1979;6:65-70",),
        "multiplicity.holm", ("vertherm", "numpy"),
    ),
    Method(
        "clustered_proportion", "Cluster-robust proportion",
        "Intervals of proportions of lesions and procedures allow for several of one patient (linearised ratio "
        "estimator over patients, logit scale, t distribution).",
        ("Cochran WG. Sampling Techniques, 3rd ed. Wiley 1977", "Liang KY, Zeger SL. Biometrika 1986;73:13-22"),
        "clustered.clustered_proportion; scipy.special.stdtrit",
    ),
    Method(
        "patient_bootstrap", "Bootstrap of patients",
        "A percentile bootstrap that draws whole patients (4000 resamples, fixed seed) stands beside it.",
        ("Davison AC, Hinkley DV. Bootstrap Methods and their Application. Cambridge 1997",),
        "clustered.clustered_proportion; numpy.random.Generator.multinomial", ("vertherm", "numpy"),
    ),
    Method(
        "mixed_model", "Linear mixed model",
        "As a sensitivity analysis that uses every patient with a value at any time point, a linear mixed model with "
        "the time point as a factor and a random intercept for each patient was fitted by restricted maximum "
        "likelihood.",
        (
            "Laird NM, Ware JH. Biometrics 1982;38:963-974", "Patterson HD, Thompson R. Biometrika 1971;58:545-554",
            "Pinheiro JC, Bates DM. Mixed-Effects Models in S and S-PLUS. Springer 2000",
        ),
        "longitudinal.mixed_model; scipy.optimize.brentq",
    ),
    Method(
        "gee", "Generalised estimating equations",
        "Generalised estimating equations with exchangeable working correlation and a bias-reduced robust variance "
        "were solved for the same means.",
        ("Liang KY, Zeger SL. Biometrika 1986;73:13-22", "Mancl LA, DeRouen TA. Biometrics 2001;57:126-134"),
        "longitudinal.gee",
    ),
    Method(
        "aalen_johansen", "Aalen-Johansen cumulative incidence",
        "Cumulative incidence was estimated by Aalen and Johansen's method with death as a competing event; variance "
        "by the delta method, intervals on the log(-log) scale; on one day events come before censoring.",
        (
            "Aalen OO, Johansen S. Scand J Stat 1978;5:141-150",
            "Marubini E, Valsecchi MG. Analysing Survival Data from Clinical Trials and Observational Studies. "
            "Wiley 1995",
        ),
        "competing.aalen_johansen; scipy.special.ndtri",
    ),
    Method(
        "gray", "Gray's test",
        "Cumulative incidences of groups were compared by Gray's test (rho = 0).",
        ("Gray RJ. Ann Stat 1988;16:1141-1154",),
        "gray.gray_test; scipy.special.chdtrc",
    ),
    Method(
        "fine_gray", "Fine-Gray regression",
        "Subdistribution hazards were modelled by Fine and Gray's regression with weights from the Kaplan-Meier "
        "estimate of censoring and a robust variance, only with at least 10 events per covariate.",
        (
            "Fine JP, Gray RJ. J Am Stat Assoc 1999;94:496-509",
            "Zhou B, et al. Biostatistics 2012;13:371-383, doi:10.1093/biostatistics/kxr032",
            "Peduzzi P, et al. J Clin Epidemiol 1995;48:1503-1510",
        ),
        "fine_gray.fine_gray; numpy.linalg.solve",
    ),
    Method(
        "worst_rank", "Worst-rank analysis",
        "In a sensitivity analysis patients who died before the end of the window without a value in it share the "
        "worst rank of change.",
        ("Lachin JM. Control Clin Trials 1999;20:408-422",),
        "worst_rank.worst_rank",
    ),
    Method(
        "responders_with_deaths", "Responders with deaths",
        "In a sensitivity analysis patients who died before the end of the window without a value in it count as "
        "non-responders.",
        (),
        "worst_rank.responder_sensitivity",
    ),
)  # fmt: skip

METHODS: dict[str, Method] = {method.id: method for method in _ALL}


def describe(ids: Iterable[str]) -> tuple[Method, ...]:
    """The methods with these ids, each once, in the fixed order of this module.

    Raises:
        KeyError: an id is unknown.
    """
    wanted = set(ids)
    unknown = sorted(wanted - METHODS.keys())
    if unknown:
        raise KeyError(unknown[0])
    return tuple(method for method in _ALL if method.id in wanted)


def references(ids: Iterable[str]) -> tuple[str, ...]:
    """Citations of these methods, each once, in the order of the methods.

    Raises:
        KeyError: an id is unknown.
    """
    return tuple(dict.fromkeys(citation for method in describe(ids) for citation in method.citations))


def versions(ids: Iterable[str]) -> dict[str, str]:
    """Installed version of every package that these methods used.

    Raises:
        KeyError: an id is unknown.
    """
    names = dict.fromkeys(name for method in describe(ids) for name in method.packages)
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
