"""Inner loops of the moving front: flow in the filled cells, and the step to the next full cells."""

from __future__ import annotations

import numpy as np
from numba import njit

CLOSED, EMPTY, FRONT, FULL = 0, 1, 2, 3
FULLEST = 0.999
"""A front cell that takes what another one held too much is not filled by it altogether."""


@njit(cache=True, nogil=True)
def between(ki, kj, h):  # type: ignore[no-untyped-def]
    """Conductance of the face between two full cells, m3: area over the resistances of both halves."""
    return 2.0 * h * ki * kj / (ki + kj)


@njit(cache=True, nogil=True)
def to_front(ki, kj, h, marrow):  # type: ignore[no-untyped-def]
    """Conductance from a full cell's centre to the front and through the marrow ahead of it, m3.

    The front stands in the middle of its cell, which is right on average while the cell fills; with its true place the
    first drop into a tight cell would meet no resistance.
    """
    return h * h / (0.5 * h / ki + (0.5 * h + marrow) / kj)


@njit(cache=True, nogil=True)
def add_full(c, n, offsets, state, k, h, cells, place, near, g):  # type: ignore[no-untyped-def]
    """Cell ``c`` becomes the ``n``-th full one and is tied to those beside it; its empty neighbours become front."""
    cells[n] = c
    place[c] = n
    state[c] = FULL
    nowhere = near.shape[0] - 1
    for o in range(6):
        j = c + offsets[o]
        near[n, o] = nowhere
        g[n, o] = between(k[c], k[j], h) if state[j] != CLOSED else 0.0
        if place[j] >= 0:
            near[n, o] = place[j]
            near[place[j], (o + 3) % 6] = n
        elif state[j] == EMPTY:
            state[j] = FRONT


@njit(cache=True, nogil=True)
def assemble(cells, first, n, offsets, state, k, h, marrow, near, g, diagonal):  # type: ignore[no-untyped-def]
    """Diagonal of the flow matrix."""
    nowhere = near.shape[0] - 1
    for m in range(first, n):
        c = cells[m]
        total = 0.0
        for o in range(6):
            if near[m, o] != nowhere:
                total += g[m, o]
            elif state[c + offsets[o]] == FRONT:
                total += to_front(k[c], k[c + offsets[o]], h, marrow)
        diagonal[m] = total


@njit(cache=True, nogil=True, fastmath=True)
def product(first, n, near, g, diagonal, x, y):  # type: ignore[no-untyped-def]
    """y = A x over the full cells from place ``first`` on: those before hold a pressure. The last place holds 0."""
    for m in range(first, n):
        total = diagonal[m] * x[m]
        for o in range(6):
            total -= g[m, o] * x[near[m, o]]
        y[m] = total


@njit(cache=True, nogil=True)
def solve(first, n, near, g, diagonal, p, work, small, most):  # type: ignore[no-untyped-def]
    """Conjugate gradients with the diagonal as preconditioner, from the ``p`` that is there; returns iterations.

    The cells before ``first`` hold their pressure; nothing flows in elsewhere. ``small``: imbalance of flow, m3, at
    which it ends (root of the sum of squares).
    """
    r, z, d, q = work[0], work[1], work[2], work[3]
    product(first, n, near, g, diagonal, p, q)
    rz, imbalance = 0.0, 0.0
    for m in range(first, n):
        r[m] = -q[m]
        imbalance += r[m] * r[m]
        z[m] = r[m] / diagonal[m]
        d[m] = z[m]
        rz += r[m] * z[m]
    for iteration in range(most):
        if imbalance <= small * small:
            return iteration
        product(first, n, near, g, diagonal, d, q)
        dq, new, imbalance = 0.0, 0.0, 0.0
        for m in range(first, n):
            dq += d[m] * q[m]
        a = rz / dq
        for m in range(first, n):
            p[m] += a * d[m]
            r[m] -= a * q[m]
            imbalance += r[m] * r[m]
            z[m] = r[m] / diagonal[m]
            new += r[m] * z[m]
        b = new / rz
        rz = new
        for m in range(first, n):
            d[m] = z[m] + b * d[m]
    return most


@njit(cache=True, nogil=True)
def inflow(cells, n, offsets, state, k, h, marrow, p, flow, front):  # type: ignore[no-untyped-def]
    """Flow into every front cell; returns how many there are (listed in ``front``) and the total."""
    count, total = 0, 0.0
    for m in range(n):
        c = cells[m]
        for o in offsets:
            j = c + o
            if state[j] == FRONT:
                f = max(to_front(k[c], k[j], h, marrow) * p[m], 0.0)
                if flow[j] < 0.0:
                    flow[j] = 0.0
                    front[count] = j
                    count += 1
                flow[j] += f
                total += f
    return count, total


@njit(cache=True, nogil=True)
def has_front(cells, n, offsets, state):  # type: ignore[no-untyped-def]
    """False where every cell that cement can reach is full."""
    for m in range(n - 1, -1, -1):  # the latest cells lie at the front
        for o in offsets:
            if state[cells[m] + o] == FRONT:
                return True
    return False


@njit(cache=True, nogil=True)
def next_volume(front, count, pores, s, flow, total, excess, times):  # type: ignore[no-untyped-def]
    """Largest volume of which no more than a share ``excess`` finds its cell full.

    With the cells in the order in which they fill, the first m take the flow share F and hold the room R: what finds no
    room is v F - R, and v F - R = excess v at v = R / (F - excess).
    """
    for m in range(count):
        j = front[m]
        times[m] = pores[j] * (1.0 - s[j]) * total / flow[j] if flow[j] > 0.0 else np.inf
    order = np.argsort(times[:count])
    part, room = 0.0, 0.0
    for m in range(count):
        j = front[order[m]]
        part += flow[j] / total
        room += pores[j] * (1.0 - s[j])
        later = times[order[m + 1]] if m + 1 < count else np.inf
        if part > excess and room / (part - excess) < later:
            return max(room / (part - excess), times[order[m]])
    return room


@njit(cache=True, nogil=True)
def put_in(front, count, pores, s, flow, total, put, start, end, arrival, filled):  # type: ignore[no-untyped-def]
    """Share ``put`` out over the front; returns how many cells are full now or more, listed in ``filled``."""
    n = 0
    for m in range(count):
        j = front[m]
        before = s[j]
        s[j] = before + put * flow[j] / total / pores[j]
        if before < 0.5 <= s[j]:
            arrival[j] = start + (end - start) * (0.5 - before) / (s[j] - before)
        flow[j] = -1.0
        if s[j] >= 1.0 - 1e-9:
            filled[n] = j
            n += 1
    return n


@njit(cache=True, nogil=True)
def pass_on(c, offsets, state, k, pores, s, start, arrival):  # type: ignore[no-untyped-def]
    """What a cell holds too much goes into the front beyond it, by permeability; returns what found no room."""
    over = (s[c] - 1.0) * pores[c]
    s[c] = 1.0
    if over <= 0.0:
        return 0.0
    total = 0.0
    for o in offsets:
        if state[c + o] == FRONT and s[c + o] < FULLEST:
            total += k[c + o]
    if total <= 0.0:
        return over
    left = 0.0
    for o in offsets:
        j = c + o
        if state[j] == FRONT and s[j] < FULLEST:
            before = s[j]
            gain = over * k[j] / total
            s[j] = min(before + gain / pores[j], FULLEST)
            left += gain - (s[j] - before) * pores[j]
            if before < 0.5 <= s[j]:
                arrival[j] = start
    return left


@njit(cache=True, nogil=True)
def march(openings, offsets, state, k, pores, s, h, volume, resist_at, resist, arrival, log, settings):  # type: ignore[no-untyped-def]
    """Fill until ``volume`` m3 are in, or no cell is left to fill.

    The opening holds pressure 1; what then flows into the front gives the pressure for the rate that is wanted.

    Args:
        resist_at, resist: volumes in m3, and marrow's share of resistance there as a length of cement in m.
        log: (steps, 3) volume, pressure per viscosity and flow (1/m3), iterations; filled.
        settings: share of a step's volume that may find its cell full, tolerance, most iterations.

    Returns:
        Steps taken, volume put in, and number of full cells.
    """
    excess, tolerance, most = settings[0], settings[1], int(settings[2])
    size, first, room = state.size, openings.size, np.count_nonzero(state != CLOSED)
    cells, place = np.empty(room, np.int64), np.full(size, -1, np.int32)
    near, g = np.empty((room + 1, 6), np.int32), np.empty((room, 6))
    p, diagonal, work = np.zeros(room + 1), np.zeros(room + 1), np.zeros((4, room + 1))
    flow, times = np.full(size, -1.0), np.empty(room)
    front, filled = np.empty(room, np.int64), np.empty(room, np.int64)
    n, done, carry, steps, total = 0, 0.0, 0.0, 0, 0.0
    held = 0.0
    for c in openings:
        held += pores[c]
    for c in openings:
        add_full(c, n, offsets, state, k, h, cells, place, near, g)
        p[n], s[c], arrival[c] = 1.0, min(1.0, volume / held), 0.0
        n += 1
    done = min(held, volume)
    while done - carry < volume * (1.0 - 1e-9) and steps < log.shape[0]:
        if not has_front(cells, n, offsets, state):
            break
        marrow = np.interp(done, resist_at, resist)
        assemble(cells, first, n, offsets, state, k, h, marrow, near, g, diagonal)
        used = solve(first, n, near, g, diagonal, p, work, tolerance * total, most)
        count, total = inflow(cells, n, offsets, state, k, h, marrow, p, flow, front)
        if total <= 0.0:
            break
        log[steps, 0], log[steps, 1], log[steps, 2] = done, 1.0 / total, used
        steps += 1
        put = min(next_volume(front, count, pores, s, flow, total, excess, times), volume - done)
        # What found no room in the step before is put in with this one.
        fresh = put_in(front, count, pores, s, flow, total, put + carry, done, done + put, arrival, filled)
        done += put
        carry = 0.0
        for m in range(fresh):
            add_full(filled[m], n, offsets, state, k, h, cells, place, near, g)
            # A neighbour's pressure is a good first guess: it spares iterations.
            for o in range(6):
                p[n] = max(p[n], 0.8 * p[near[n, o]])
            n += 1
        for m in range(fresh):
            carry += pass_on(filled[m], offsets, state, k, pores, s, done, arrival)
    return steps, done - carry, n
