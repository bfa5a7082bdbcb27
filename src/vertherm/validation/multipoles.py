"""Closed forms for the full wave: plane wave, dipole, and a lossy sphere in either field (own multipole series).

Written for exp(-i w t) as in the text books (Stratton; Bohren and Huffman 1983, section 4.3; Tai's expansion of
the Green function), returned for exp(+j w t): the conjugate. Points are in metres from the sphere's centre, fields
have shape (..., 3), cartesian, peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0, LIGHT_M_S, MU_0

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
TERMS = 30


def wave_number(frequency_hz: float, eps_r: float, sigma_s_m: float) -> complex:
    """Wave number in 1/m for exp(+j w t): the imaginary part is negative."""
    omega = 2 * np.pi * frequency_hz
    return complex(omega / LIGHT_M_S * np.sqrt(eps_r - 1j * sigma_s_m / (omega * EPS_0)))


def plane_wave(points: Array, k: complex) -> Complex:
    """x-polarised wave of 1 V/m at the origin that runs along +z."""
    out = np.zeros(points.shape, dtype=complex)
    out[..., 0] = np.exp(-1j * k * points[..., 2])
    return out


def dipole(points: Array, k: complex, frequency_hz: float) -> tuple[Complex, Complex]:
    """E and H of a current element of 1 A m along z at the origin."""
    distance = np.linalg.norm(points, axis=-1)
    unit = points / distance[..., None]
    z = np.zeros(points.shape)
    z[..., 2] = 1.0
    kr = k * distance
    spread = np.exp(-1j * kr) / (4 * np.pi * distance)
    wmu = 2 * np.pi * frequency_hz * MU_0
    along = np.sum(unit * z, axis=-1)[..., None] * unit
    near = (1 / (1j * kr) - 1 / kr**2)[..., None]
    e = -1j * wmu * spread[..., None] * ((z - along) + near * (z - 3 * along))
    h = (spread * (1j * k + 1 / distance))[..., None] * np.cross(z, unit)
    return e, h


@dataclass(frozen=True)
class Sphere:
    """A sphere in another medium; wave numbers for exp(+j w t)."""

    radius_m: float
    k_inside: complex
    k_outside: complex

    def coefficients(self) -> tuple[Complex, Complex, Complex, Complex]:
        """a, b (outside, electric and magnetic) and c, d (inside) of n = 1 .. TERMS for exp(-i w t)."""
        k, k1 = np.conj(self.k_outside), np.conj(self.k_inside)
        m, x = k1 / k, k * self.radius_m
        psi, d_psi = _riccati(x, outgoing=False)
        xi, d_xi = _riccati(x, outgoing=True)
        psi1, d_psi1 = _riccati(m * x, outgoing=False)
        a_bottom, b_bottom = m * psi1 * d_xi - xi * d_psi1, psi1 * d_xi - m * xi * d_psi1
        a = (m * psi1 * d_psi - psi * d_psi1) / a_bottom
        b = (psi1 * d_psi - m * psi * d_psi1) / b_bottom
        wronskian = m * (psi * d_xi - xi * d_psi)
        return a, b, wronskian / b_bottom, wronskian / a_bottom

    def in_plane_wave(self, points: Array) -> Complex:
        """Total E in :func:`plane_wave`."""
        a, b, c, d = self.coefficients()
        n = np.arange(1, TERMS + 1)
        weight = 1j**n * (2 * n + 1) / (n * (n + 1))
        inside = np.linalg.norm(points, axis=-1) <= self.radius_m
        out = np.empty(points.shape, dtype=complex)
        k, k1 = np.conj(self.k_outside), np.conj(self.k_inside)
        m_in, n_in = _modes(points[inside], k1, outgoing=False, order=1)
        out[inside] = np.tensordot(weight * c, m_in, 1) + np.tensordot(-1j * weight * d, n_in, 1)
        m_out, n_out = _modes(points[~inside], k, outgoing=True, order=1)
        out[~inside] = np.tensordot(1j * weight * a, n_out, 1) + np.tensordot(-weight * b, m_out, 1)
        out = np.conj(out)
        out[~inside] += plane_wave(points[~inside], self.k_outside)
        return out

    def beside_dipole(self, points: Array, distance_m: float, frequency_hz: float) -> Complex:
        """Total E of a radial current element of 1 A m at (0, 0, distance), pointing away from the sphere."""
        a, _, _, d = self.coefficients()
        k, k1 = np.conj(self.k_outside), np.conj(self.k_inside)
        inside = np.linalg.norm(points, axis=-1) <= self.radius_m
        weight = radial_dipole_weights(k, distance_m, frequency_hz)
        out = np.empty(points.shape, dtype=complex)
        out[inside] = np.tensordot(weight * d, _modes(points[inside], k1, outgoing=False, order=0)[1], 1)
        out[~inside] = np.tensordot(-weight * a, _modes(points[~inside], k, outgoing=True, order=0)[1], 1)
        out = np.conj(out)
        shifted = points[~inside] - np.array([0.0, 0.0, distance_m])
        out[~inside] += dipole(shifted, self.k_outside, frequency_hz)[0]
        return out


def radial_dipole_weights(k: complex, distance_m: float, frequency_hz: float) -> Complex:
    """Weights of the regular electric modes of order 0 that make up the dipole's field nearer than itself."""
    n = np.arange(1, TERMS + 1)
    x = k * distance_m
    xi, _ = _riccati(x, outgoing=True)
    wmu = 2 * np.pi * frequency_hz * MU_0
    return -wmu * k / (4 * np.pi) * (2 * n + 1) * xi / x**2


def _riccati(x: complex, *, outgoing: bool) -> tuple[Complex, Complex]:
    """x z_n(x) and its derivative for n = 1 .. TERMS; z_n = j_n, or j_n + i y_n."""
    from scipy.special import spherical_jn, spherical_yn

    n = np.arange(0, TERMS + 1)
    z = spherical_jn(n, x) + (1j * spherical_yn(n, x) if outgoing else 0)
    return np.asarray(x * z[1:], np.complex128), np.asarray(x * z[:-1] - n[1:] * z[1:], np.complex128)


def _modes(points: Array, k: complex, *, outgoing: bool, order: int) -> tuple[Complex, Complex]:
    """Vector modes M (odd) and N (even) of order 1 or 0 at points, shape (TERMS, points, 3), cartesian."""
    from scipy.special import spherical_jn, spherical_yn

    r = np.maximum(np.linalg.norm(points, axis=-1), 1e-9)
    cosine, phi = np.clip(points[:, 2] / r, -1, 1), np.arctan2(points[:, 1], points[:, 0])
    sine = np.sqrt(np.maximum(1 - cosine**2, 1e-24))
    frame = _frame(cosine, sine, phi)
    x = k * r
    m_all, n_all = np.zeros((2, TERMS, points.shape[0], 3), dtype=complex)
    radial = [spherical_jn(n, x) + (1j * spherical_yn(n, x) if outgoing else 0) for n in range(TERMS + 1)]
    pi_old, pi_now = np.zeros_like(cosine), np.ones_like(cosine)
    legendre_old, legendre = np.ones_like(cosine), cosine.copy()
    for n in range(1, TERMS + 1):
        z, dz = radial[n], x * radial[n - 1] - n * radial[n]
        tau = n * cosine * pi_now - (n + 1) * pi_old
        if order == 1:
            c, s = np.cos(phi), np.sin(phi)
            m_all[n - 1] = _cartesian(frame, 0 * z, c * pi_now * z, -s * tau * z)
            n_all[n - 1] = _cartesian(
                frame, c * n * (n + 1) * sine * pi_now * z / x, c * tau * dz / x, -s * pi_now * dz / x
            )
        else:
            # dP_n/dtheta = -sin(theta) pi_n
            n_all[n - 1] = _cartesian(frame, n * (n + 1) * legendre * z / x, -sine * pi_now * dz / x, 0 * z)
        pi_old, pi_now = pi_now, ((2 * n + 1) * cosine * pi_now - (n + 1) * pi_old) / n
        legendre_old, legendre = legendre, ((2 * n + 1) * cosine * legendre - n * legendre_old) / (n + 1)
    return m_all, n_all


def _frame(cosine: Array, sine: Array, phi: Array) -> tuple[Array, Array, Array]:
    c, s = np.cos(phi), np.sin(phi)
    radial = np.stack([sine * c, sine * s, cosine], axis=-1)
    polar = np.stack([cosine * c, cosine * s, -sine], axis=-1)
    around = np.stack([-s, c, np.zeros_like(c)], axis=-1)
    return radial, polar, around


def _cartesian(frame: tuple[Array, Array, Array], r: Any, theta: Any, phi: Any) -> Complex:
    return np.asarray(r[:, None] * frame[0] + theta[:, None] * frame[1] + phi[:, None] * frame[2])
