"""Inner loops of the fast model, single precision; cells run innermost, so that the processor takes several at once."""

from __future__ import annotations

import numpy as np
from numba import njit

LOG2_E = np.float32(1.4426950408889634)
HALF, ONE = np.float32(0.5), np.float32(1.0)
FLAT = np.float32(1e-3)


@njit(cache=True, nogil=True, fastmath=True)
def add(out, weight, row):  # type: ignore[no-untyped-def]
    """out += weight row, both (cells,)."""
    if weight != 0.0:
        for c in range(out.size):
            out[c] += weight * row[c]


@njit(cache=True, nogil=True)
def power_shares(powers_w, power_w, shares):  # type: ignore[no-untyped-def]
    """Fills ``shares`` (k,) as :func:`.correction.power_weights` has them; returns the weight of the linear answer."""
    held = np.log(min(max(power_w, powers_w[0]), powers_w[-1]))
    known = min(max(power_w / powers_w[0], 0.0), 1.0)
    for i in range(powers_w.size):
        share = known
        for j in range(powers_w.size):
            if j != i:
                share *= (held - np.log(powers_w[j])) / np.log(powers_w[i] / powers_w[j])
        shares[i] = share
    return np.float32(1.0 - known)


@njit(cache=True, nogil=True, fastmath=True)
def add_rise(out, per_w, heating, tail, powers_w, mean_w, line, counts, small):  # type: ignore[no-untyped-def]
    """Adds one place's rise to ``out`` (instants, cells).

    Args:
        out: temperature.
        per_w: (nodes, cells).
        heating, tail: (k * nu, cells), (k * no * ntau, cells) ratios.
        powers_w, mean_w: (k,) nodes, (instants,) where they are read.
        line: the other arrays of :class:`.timeline.Timeline`.
        counts: nu, no, ntau.
        small: regularisation in K.
    """
    steps, watts, time, time_share, heated, heated_share, rest, rest_share = line
    nu, no, ntau = counts
    shares = np.empty(powers_w.size, np.float32)
    scratch = np.empty((4, out.shape[1]), np.float32)
    ratio, linear, fading, total = scratch[0], scratch[1], scratch[2], scratch[3]
    for t in range(out.shape[0]):
        plain = power_shares(powers_w, mean_w[t], shares)
        same = t > 0 and mean_w[t] == mean_w[t - 1] and time[t] == time[t - 1] and time_share[t] == time_share[t - 1]
        if not same:
            ratio[:] = plain
            for k in range(shares.size):
                add(ratio, shares[k] * (ONE - time_share[t]), heating[k * nu + time[t]])
                if time_share[t] > 0:
                    add(ratio, shares[k] * time_share[t], heating[k * nu + time[t] + 1])
        total[:] = 0
        for p in range(rest.shape[0]):
            linear[:] = 0
            for j in range(4):
                if watts[p, t, j] != 0.0:
                    add(linear, watts[p, t, j], per_w[steps[p, t, j]])
            if rest[p, t] < 0:
                fading[:] = ONE
            else:
                fading[:] = plain
                for k in range(shares.size):
                    for b in range(2):
                        by = heated_share[t] if b else ONE - heated_share[t]
                        if by == 0.0:
                            continue
                        first = (k * no + heated[t] + b) * ntau + rest[p, t]
                        add(fading, shares[k] * by * (ONE - rest_share[p, t]), tail[first])
                        if rest_share[p, t] > 0:
                            add(fading, shares[k] * by * rest_share[p, t], tail[first + 1])
            for c in range(total.size):
                total[c] += linear[c] * fading[c]
        row = out[t]
        for c in range(total.size):
            row[c] += (total[c] + small * fading[c]) * ratio[c] - small


@njit(cache=True, nogil=True, fastmath=True)
def two_to(exponent, whole, out):  # type: ignore[no-untyped-def]
    """Fills ``out`` with 2^exponent, relative error 2e-7 within -126 to 127; ``whole``: int32 view of ``out``."""
    for c in range(exponent.size):
        low = np.floor(exponent[c])
        x = exponent[c] - low
        series = np.float32(0.0018775767)
        series = series * x + np.float32(0.0089893397)
        series = series * x + np.float32(0.055826318)
        series = series * x + np.float32(0.24015361)
        series = series * x + np.float32(0.69315308)
        series = series * x + np.float32(0.99999994)
        whole[c] = (np.int32(low) + np.int32(127)) << np.int32(23)
        out[c] *= series


@njit(cache=True, nogil=True, fastmath=True)
def peak_and_dose(course_c, at_s, slopes, cutoff_c, hottest_c, peak_c, seconds):  # type: ignore[no-untyped-def]
    """Highest temperature, and seconds at 43 degC, of ``course_c`` (instants, cells); see :func:`.zone.cem43_min`.

    Args:
        course_c, at_s: (instants, cells), (instants,).
        slopes: log2 of the rate per degree above and below 43 degC.
        cutoff_c, hottest_c: nothing counts below the first, nothing grows above the second.
        peak_c, seconds: (cells,) filled.
    """
    n = peak_c.size
    before, now = np.zeros(n, np.float32), np.zeros(n, np.float32)
    last, rate = np.zeros(n, np.float32), np.zeros(n, np.float32)
    whole = rate.view(np.int32)
    peak_c[:] = course_c[0]
    seconds[:] = 0
    for t in range(course_c.shape[0]):
        step = np.float32(at_s[t] - at_s[t - 1]) if t else np.float32(0)
        row = course_c[t]
        for c in range(n):
            peak_c[c] = max(peak_c[c], row[c])
            over = min(row[c], hottest_c) - np.float32(43.0)
            now[c] = over * (slopes[0] if over >= 0 else slopes[1])
            now[c] = max(now[c], np.float32(-120.0))
        two_to(now, whole, rate)
        for c in range(n):
            rate[c] = rate[c] if row[c] >= cutoff_c else np.float32(0)
            change = (now[c] - before[c]) / LOG2_E
            plain = abs(change) < FLAT or rate[c] == 0 or last[c] == 0
            mean = HALF * (rate[c] + last[c]) if plain else (rate[c] - last[c]) / change
            seconds[c] += mean * step
            last[c], before[c] = rate[c], now[c]


@njit(cache=True, nogil=True, fastmath=True)
def blend(out, rows, low, weights, body_c):  # type: ignore[no-untyped-def]
    """Fills ``out`` (instants, cells) with body_c + two neighbouring ``rows`` in their ``weights`` (2, instants)."""
    for t in range(out.shape[0]):
        out[t] = body_c
        add(out[t], weights[0, t], rows[low[t]])
        add(out[t], weights[1, t], rows[low[t] + 1])
