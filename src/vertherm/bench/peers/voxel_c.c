/* Plain C OpenMP peer: explicit Euler for Pennes' equation on voxels, damage and perfusion shut-down once a step.

   Fields are float, (nx+2)(ny+2)(nz+2), one ghost layer that stays 0 (temperatures relative to blood). Compiled by the
   user's own compiler with -O3 -march=native -ffast-math -fopenmp. */

#include <math.h>
#include <omp.h>
#include <stddef.h>

#define AT(i, j) (((size_t)(i) * (ny + 2) + (j)) * (nz + 2))

void set_threads(int n) { omp_set_num_threads(n); }

/* new = T + dt (w div(k grad T) - p T + on s); then omega of rows above `from`, and p = 0 where omega reaches 1. */
void step(const float *restrict T, float *restrict new, const float *restrict kx, const float *restrict ky,
          const float *restrict kz, const float *restrict w, float *restrict p, const float *restrict s,
          float *restrict omega, const float *restrict damaged, float dt, float on, float arterial, float ln_a,
          float slope, float from, int damage, int nx, int ny, int nz) {
    const size_t X = AT(1, 0), R = nz + 2;
#pragma omp parallel for schedule(static)
    for (int i = 1; i <= nx; i++)
        for (int j = 1; j <= ny; j++) {
            const size_t o = AT(i, j);
            float warmest = -1e30f;
#pragma omp simd reduction(max : warmest)
            for (int k = 1; k <= nz; k++) {
                const size_t c = o + k;
                const float d = T[c];
                const float flux = kx[c] * (T[c - X] - d) + kx[c + X] * (T[c + X] - d) + ky[c] * (T[c - R] - d) +
                                   ky[c + R] * (T[c + R] - d) + kz[c] * (T[c - 1] - d) + kz[c + 1] * (T[c + 1] - d);
                new[c] = d + dt * (w[c] * flux - p[c] * d + on * s[c]);
                warmest = fmaxf(warmest, d);
            }
            if (!damage || warmest + arterial < from) continue;
#pragma omp simd
            for (int k = 1; k <= nz; k++) {
                const size_t c = o + k;
                const float t = 0.5f * (T[c] + new[c]) + arterial;
                const float rate = t < from ? 0.0f : expf(fminf(ln_a - slope / (t + 273.15f), 70.0f));
                omega[c] = fminf(omega[c] + dt * rate * damaged[c], 1e9f);
                p[c] = omega[c] >= 1.0f ? 0.0f : p[c];
            }
        }
}
