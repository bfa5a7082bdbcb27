# mypy: disable-error-code="no-untyped-def"
"""A time step as compiled functions that several threads run together (``team.Team``), each on planes of its own.

Every cell, every sum over a plane and every node of a shaft is computed by one thread with the same operations whatever
the number of threads, so results do not depend on it. Arguments come in groups:

    medium   kx, ky, kz, w, p                          the linear operator
    curve    lam, rv, tl, tu                           from heat content to temperature
    faces    cells, weights, by plane offsets; twice   faces to held cells, faces to the outside
    fluid    cells, weights, load, plane offsets       cells that passing fluid cools or warms
    fin      cells, weights, starts, operator, blocks  the shafts' nodes, one after another; then their cells in order:
             (cells, weights, nodes, plane offsets)    see ``exchange.Fin.spread``
    tables   rates, offset, per K, survival, per omega  as in ``kernels_cells.perfusion_rows``
    marks    wake, dose_from, dead                     temperatures and omega at which something begins or ends
    rows     largest now, rate, before, active         by row (nx+2, ny+2)
    cuts     (threads + 1)                             planes of the threads
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vertherm.heat import kernels, kernels_cells
from vertherm.heat.team import meet

OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}
u8, f4 = np.uint64, np.float32
CACHE_BYTES = 16_000_000
"""What the planes of stages in one pass may take of the last cache: half of 32 MB; too much only costs time."""
rate_rows, add_rows, stage_cells = kernels.rate_rows, kernels.add_rows, kernels.stage_cells
largest_magnitude, perfusion_heat = kernels.largest_magnitude, kernels.perfusion_heat
hot_excess, hot_state, hot_apply, hot_finish = (
    kernels_cells.hot_excess, kernels_cells.hot_state, kernels_cells.hot_apply, kernels_cells.hot_finish,
)  # fmt: skip
perfusion_rows, dose_rows, face_heat = kernels_cells.perfusion_rows, kernels_cells.dose_rows, kernels_cells.face_heat
fluid_heat = kernels_cells.fluid_heat
shaft_tissue, shaft_heat, shaft_spread = (
    kernels_cells.shaft_tissue, kernels_cells.shaft_heat, kernels_cells.shaft_spread,
)  # fmt: skip


@njit(**OPTIONS)
def share(count, thread, threads):
    """Begin and end of a thread's part of ``count`` things."""
    return count * thread // threads, count * (thread + 1) // threads


@njit(**OPTIONS)
def plane_heats(x, scale, g, boiling, faces, heats, i):
    """Heat into held cells and through the outer faces of plane i, W/m, into rows 0, 1 of ``heats`` (3, planes)."""
    inner_cells, inner_weights, inner_at, outer_cells, outer_weights, outer_at = faces
    heats[0, i] = face_heat(x, scale, g, boiling, inner_cells, inner_weights, inner_at[i], inner_at[i + 1])
    heats[1, i] = face_heat(x, scale, g, boiling, outer_cells, outer_weights, outer_at[i], outer_at[i + 1])


@njit(**OPTIONS)
def carry(x, scale, g, boiling, out, w, gain, share, fluid, heats, i):
    """What fluid takes up in plane i, from ``out`` (``share`` 0: of an increment), W/m into row 2 of ``heats``."""
    cells, weights, load, at = fluid
    heats[2, i] = fluid_heat(x, scale, g, boiling, out, w, gain, share, cells, weights, load, at[i], at[i + 1])


@njit(**OPTIONS)
def shaft_heats(x, g, scale, fin, constant, tissue, heat, barrier, thread, threads):
    """The heat of every shaft's node in W/m; ``heat`` (nodes) is filled by thread 0."""
    cells, weights, starts, operator, blocks, _ = fin
    lo, hi = share(starts.size - 1, thread, threads)
    shaft_tissue(x, g, scale, cells, weights, starts, tissue, lo, hi)
    meet(barrier, threads)
    # The small dense product is cheaper to repeat in every thread than to wait for.
    own = tissue.copy()
    shaft_heat(tissue, operator, blocks, constant, own)
    if thread == 0:
        heat[:] = own
    return own


@njit(**OPTIONS)
def spread(own, gain, out, w, fin, lo, hi):
    """The shafts' heat added to ``out`` in the planes ``lo <= i < hi``."""
    cells, weights, nodes, at = fin[5]
    shaft_spread(own, gain, out, w, cells, weights, nodes, at[lo], at[hi])


@njit(**OPTIONS)
def rates(
    Y, rate, s, G, scale, medium, faces, fluid, fin, constant, gain, row_rate, listed, box, spans, cuts, heats, tissue,
    heat, barrier, thread, threads,
):  # fmt: skip
    """Time derivative of the state, its largest magnitude by row, and the heat through faces and from shafts.

    ``listed`` (rows, 2): planes and rows of shafts and fluid, whose largest magnitude is taken again at the end.
    """
    kx, ky, kz, w, p = medium
    X, R, rows = Y.shape[1] * Y.shape[2], Y.shape[2], Y.shape[1]
    y, out, g = Y.reshape(-1), rate.reshape(-1), G.reshape(-1)
    bits, row_bits = rate.reshape(-1).view(np.int32), row_rate.reshape(-1).view(np.int32)
    boiling = box[1] >= box[0]
    lo, hi = cuts[thread], cuts[thread + 1]
    for i in range(lo, hi):
        rate_rows(
            y, out, bits, kx.reshape(-1), ky.reshape(-1), kz.reshape(-1), w.reshape(-1), p.reshape(-1), s.reshape(-1),
            scale, row_bits, X, R, i, spans[i, 0], spans[i, 1],
        )  # fmt: skip
        plane_heats(y, 1.0, g, boiling, faces, heats, i)
        carry(y, 1.0, g, boiling, out, w.reshape(-1), 1.0, 1.0, fluid, heats, i)
    hot_apply(G, rate, kx, ky, kz, w, p, f4(1.0), box, lo, hi)
    if fin[2].size > 1:
        own = shaft_heats(y, g, 1.0, fin, constant, tissue, heat, barrier, thread, threads)
        spread(own, gain, out, w.reshape(-1), fin, lo, hi)
    for n in range(listed.shape[0]):
        i, j = listed[n, 0], listed[n, 1]
        if lo <= i < hi:
            at = i * X + j * R
            row_bits[i * rows + j] = largest_magnitude(bits, at + 1, at + R - 1)


@njit(**OPTIONS)
def perfuse(Y, rate, p, p0, omega, model, curve, dt, tables, marks, rows, spans, lo, hi):
    """Perfusion of the step in the planes ``lo <= i < hi``."""
    lam, rv, tl, tu = curve
    table, offset, per_k, stop, stop_per = tables
    wake, dose_from, dead = marks
    # The step's own row maxima are those before it.
    _, row_rate, row_max, active = rows
    for i in range(lo, hi):
        perfusion_rows(
            Y, rate, p, p0, omega, model, lam, rv, tl, tu, dt, table, offset, per_k, stop, stop_per, row_max, row_rate,
            active, wake, dose_from, dead, i, spans[i, 0], spans[i, 1],
        )  # fmt: skip


@njit(**OPTIONS)
def sweep(n, i, first, last, rate, Da, Db, plan, medium, X, R):
    """Stage ``n`` in rows ``first`` to ``last`` of plane i."""
    kx, ky, kz, w, p = medium
    if last < first:
        return
    source = rate if n == 0 else (Da if n % 2 == 1 else Db)
    target = Da if n % 2 == 0 else Db
    a, b, c, e = plan[n, 0], plan[n, 1], plan[n, 2], plan[n, 3]
    begin, end = i * X + first * R + 1, i * X + last * R + R - 1
    stage_cells(
        source.reshape(-1), target.reshape(-1), rate.reshape(-1), kx.reshape(-1), ky.reshape(-1), kz.reshape(-1),
        w.reshape(-1), p.reshape(-1), a, b, c, e, u8(X), u8(R), begin, end,
    )  # fmt: skip


@njit(**OPTIONS)
def group_of(plan, at, cuts, plane_bytes):
    """How many stages to run in one pass: the planes they work on stay in the cache, and a slab holds their slopes."""
    fit = max(1, CACHE_BYTES // max(plane_bytes * (cuts.size - 1), 1) - 2)
    depth = min(fit, plan.shape[0] - at)
    if cuts.size > 2:
        for t in range(cuts.size - 1):
            depth = min(depth, max(1, (cuts[t + 1] - cuts[t]) // 2))
    return depth


@njit(**OPTIONS)
def stages_together(
    rate, Da, Db, G, plan, first, medium, faces, spans, cuts, heats, barrier, thread, threads,
):  # fmt: skip
    """All stages where nothing acts but the linear operator (no shaft, no fluid, nothing boils): several in one pass.

    Stage n + m follows m planes behind stage n, so that it finds in the cache what stage n has just read and written.
    At a border between two threads' slabs each keeps away by a plane a stage; the wedge between is filled afterwards.
    """
    X, R = rate.shape[1] * rate.shape[2], rate.shape[2]
    g, boils = G.reshape(-1), False
    lo, hi = cuts[thread], cuts[thread + 1]
    slope_lo, slope_hi = int(thread > 0), int(thread < threads - 1)
    at = 0
    while at < plan.shape[0]:
        depth = group_of(plan, at, cuts, 32 * X)
        for front in range(lo, hi + depth - 1):
            for m in range(depth):
                i, n = front - m, at + m
                if lo + m * slope_lo <= i < hi - m * slope_hi:
                    x, scale = (rate, first) if n == 0 else ((Da, 1.0) if n % 2 == 1 else (Db, 1.0))
                    sweep(n, i, spans[i, 0], spans[i, 1], rate, Da, Db, plan, medium, X, R)
                    plane_heats(x.reshape(-1), scale, g, boils, faces, heats[n], i)
        meet(barrier, threads)
        for m in range(1, depth if threads > 1 else 1):
            n = at + m
            x = Da if n % 2 == 1 else Db
            for border in range(1, threads):
                for i in range(cuts[border] - m, cuts[border] + m):
                    begin, end = share(spans[i, 1] - spans[i, 0] + 1, thread, threads)
                    sweep(n, i, spans[i, 0] + begin, spans[i, 0] + end - 1, rate, Da, Db, plan, medium, X, R)
                    if thread == border:
                        plane_heats(x.reshape(-1), 1.0, g, boils, faces, heats[n], i)
            meet(barrier, threads)
        at += depth


@njit(**OPTIONS)
def source_of(n):
    """Which of (rate, Da, Db) stage ``n`` starts from; it writes ``1 + n % 2``."""
    return 0 if n == 0 else 2 - n % 2


@njit(**OPTIONS)
def excess(n, Y, increments, first, G, curve, box, lo, hi, barrier, threads):
    """G of stage ``n`` where something boils."""
    if box[1] >= box[0]:
        lam, rv, tl, tu = curve
        scale = first if n == 0 else 1.0
        hot_excess(Y, increments[source_of(n)], f4(scale), G, lam, rv, tl, tu, box, lo, hi)
        meet(barrier, threads)


@njit(**OPTIONS)
def others(n, i, increments, first, G, operator, medium, faces, fluid, fin, own, gain, box, heats):
    """What acts in plane i in stage ``n`` beside the sweep: boiling, fluid, shafts; and the heat through faces."""
    kx, ky, kz, w, p = medium
    target, scale = increments[1 + n % 2], first if n == 0 else 1.0
    x, out, g, boiling = increments[source_of(n)].reshape(-1), target.reshape(-1), G.reshape(-1), box[1] >= box[0]
    # G is zero outside the box.
    plane_heats(x, scale, g, box[0] <= i <= box[1], faces, heats[n], i)
    carry(x, scale, g, boiling, out, w.reshape(-1), operator, 0.0, fluid, heats[n], i)
    hot_apply(G, target, kx, ky, kz, w, p, f4(operator), box, i, i + 1)
    spread(own, operator * gain, out, w.reshape(-1), fin, i, i + 1)


@njit(**OPTIONS)
def stages(
    Y, rate, Da, Db, G, plan, operators, first, medium, curve, faces, fluid, fin, gain, box, spans, cuts, heats, tissue,
    heat, paired, barrier, thread, threads,
):  # fmt: skip
    """All stages of a step; returns the increment (``Db`` after an even number of plan rows, else ``Da``).

    ``paired``: two stages share a pass, the sweep of the second one a plane behind the first. What else acts on the
    second one needs the first one's result everywhere, and comes after the pass.

    Args:
        plan: float32 (stages - 1, 4): factors a, b, c, e of ``kernels.stage_cells``.
        operators: float64 (stages - 1): what multiplies the operator on heat from boiling cells, fluid and shafts.
        first: the increment of the first stage is this times ``rate``; it is never written out.
    """
    X, R, lo, hi = rate.shape[1] * rate.shape[2], rate.shape[2], cuts[thread], cuts[thread + 1]
    if box[1] < box[0] and fin[2].size == 1 and fluid[0].size == 0:
        stages_together(rate, Da, Db, G, plan, first, medium, faces, spans, cuts, heats, barrier, thread, threads)
        return Da if plan.shape[0] % 2 == 1 else Db
    # numba keeps three arrays of one type in a tuple: picking one by a number costs nothing.
    increments, nothing = (rate, Da, Db), tissue * 0.0
    # At a border between two threads' slabs the second sweep keeps away by a plane, which is done after the pass.
    begin, end = lo + int(thread > 0), hi - int(thread < threads - 1)
    ahead = False
    for n in range(plan.shape[0]):
        follow = paired and not ahead and n + 1 < plan.shape[0]
        excess(n, Y, increments, first, G, curve, box, lo, hi, barrier, threads)
        x, scale = increments[source_of(n)].reshape(-1), first if n == 0 else 1.0
        own = shaft_heats(x, G.reshape(-1), scale, fin, nothing, tissue, heat[n], barrier, thread, threads)
        for i in range(lo, hi + 1):
            if i < hi:
                if not ahead or i < begin or i >= end:
                    sweep(n, i, spans[i, 0], spans[i, 1], rate, Da, Db, plan, medium, X, R)
                others(n, i, increments, first, G, operators[n], medium, faces, fluid, fin, own, gain, box, heats)
            if follow and begin <= i - 1 < end:
                sweep(n + 1, i - 1, spans[i - 1, 0], spans[i - 1, 1], rate, Da, Db, plan, medium, X, R)
        meet(barrier, threads)
        ahead = follow
    return increments[1 + (plan.shape[0] - 1) % 2]


@njit(**OPTIONS)
def finish(
    Y, D, G, peak, cem, omega, latent, model, p, capacity, curve, dt, tables, marks, rows, box, spans, sums, extra,
    lo, hi,
):  # fmt: skip
    """Add the increment; row maxima, peaks, doses, and perfusion's heat by row (``sums``) and by plane (``extra``)."""
    lam, rv, tl, tu = curve
    table, offset, per_k, _, _ = tables
    row_max, _, row_before, _ = rows
    X, R = Y.shape[1] * Y.shape[2], Y.shape[2]
    y, d, pf, cf = Y.reshape(-1), D.reshape(-1), p.reshape(-1), capacity.reshape(-1)
    bits, row_bits = y.view(np.int32), row_max.reshape(-1).view(np.int32)
    for i in range(lo, hi):
        first, last = spans[i, 0], spans[i, 1]
        add_rows(y, bits, d, peak.reshape(-1), row_bits, tl, X, R, i, first, last)
        hot_state(Y, G, lam, rv, tl, tu, box, i, i + 1)
        dose_rows(
            Y, D, peak, cem, omega, model, lam, rv, tl, tu, dt, table, offset, per_k, row_max, row_before, marks[1],
            i, first, last,
        )  # fmt: skip
        for j in range(first, last + 1):
            begin = i * X + j * R + 1
            sums[i, j] = perfusion_heat(y, d, pf, cf, begin, begin + R - 2)
        extra[i] = hot_finish(Y, G, p, capacity, latent, lam, tl, tu, box, i, i + 1)


@njit(**OPTIONS)
def step(
    state, increments, constants, plan, operators, first, dt, medium, curve, faces, fluid, fin, gain, tables, marks,
    rows, box, spans, cuts, heats, tissue, heat, sums, extra, varies, paired, barrier, thread, threads,
):  # fmt: skip
    """One step from its rate on: perfusion, stages, the new state with its doses."""
    Y, G, peak, cem, omega, latent, model = state
    rate, Da, Db = increments
    p0, capacity = constants
    lo, hi = cuts[thread], cuts[thread + 1]
    if varies:
        perfuse(Y, rate, medium[4], p0, omega, model, curve, dt, tables, marks, rows, spans, lo, hi)
        meet(barrier, threads)
    D = stages(
        Y, rate, Da, Db, G, plan, operators, first, medium, curve, faces, fluid, fin, gain, box, spans, cuts, heats,
        tissue, heat, paired, barrier, thread, threads,
    )  # fmt: skip
    finish(
        Y, D, G, peak, cem, omega, latent, model, medium[4], capacity, curve, dt, tables, marks, rows, box, spans, sums,
        extra, lo, hi,
    )  # fmt: skip
