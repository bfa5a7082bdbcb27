/* Plain C OpenMP kernels of the formulas that vertherm.heat.kernels computes: the yardstick of `vertherm bench`.

   Fields are float, (nx+2)(ny+2)(nz+2), one ghost layer. Compiled by the user's own compiler with
   -O3 -march=native -ffast-math -fopenmp. */

#include <math.h>
#include <omp.h>
#include <stddef.h>

#define AT(i, j) (((size_t)(i) * (ny + 2) + (j)) * (nz + 2))

void set_threads(int n) { omp_set_num_threads(n); }

void triad(float *restrict a, const float *restrict b, const float *restrict c, float s, long n) {
#pragma omp parallel for simd schedule(static)
    for (long i = 0; i < n; i++) a[i] = b[i] + s * c[i];
}

/* rate = w div(k grad Y) - p Y + s, and the largest |rate| of each row (the solver's step control) */
void rate(const float *restrict Y, float *restrict out, const float *restrict kx, const float *restrict ky,
          const float *restrict kz, const float *restrict w, const float *restrict p, const float *restrict s,
          float *restrict row_rate, int nx, int ny, int nz) {
    const size_t X = AT(1, 0), R = nz + 2;
#pragma omp parallel for schedule(static)
    for (int i = 1; i <= nx; i++)
        for (int j = 1; j <= ny; j++) {
            const size_t o = AT(i, j);
            float largest = 0.0f;
#pragma omp simd reduction(max : largest)
            for (int k = 1; k <= nz; k++) {
                const size_t c = o + k;
                const float d = Y[c];
                const float flux = kx[c] * (Y[c - X] - d) + kx[c + X] * (Y[c + X] - d) + ky[c] * (Y[c - R] - d) +
                                   ky[c + R] * (Y[c + R] - d) + kz[c] * (Y[c - 1] - d) + kz[c + 1] * (Y[c + 1] - d);
                out[c] = w[c] * flux - p[c] * d + s[c];
                largest = fmaxf(largest, fabsf(out[c]));
            }
            row_rate[i * (ny + 2) + j] = largest;
        }
}

/* D2 <- a D1 + b D2 + c (w div(k grad D1) - p D1) + e rate */
void stage(const float *restrict D1, float *restrict D2, const float *restrict r, const float *restrict kx,
           const float *restrict ky, const float *restrict kz, const float *restrict w, const float *restrict p,
           float a, float b, float cc, float e, int nx, int ny, int nz) {
    const size_t X = AT(1, 0), R = nz + 2;
#pragma omp parallel for schedule(static)
    for (int i = 1; i <= nx; i++)
        for (int j = 1; j <= ny; j++) {
            const size_t o = AT(i, j);
#pragma omp simd
            for (int k = 1; k <= nz; k++) {
                const size_t c = o + k;
                const float d = D1[c];
                const float flux =
                    kx[c] * (D1[c - X] - d) + kx[c + X] * (D1[c + X] - d) + ky[c] * (D1[c - R] - d) +
                    ky[c + R] * (D1[c + R] - d) + kz[c] * (D1[c - 1] - d) + kz[c + 1] * (D1[c + 1] - d);
                D2[c] = a * d + b * D2[c] + cc * (w[c] * flux - p[c] * d) + e * r[c];
            }
        }
}

/* Integral of R^(43 - T) dT from 39 degC, R 0.25 below and 0.5 above 43; x = T - 43. */
static inline float cem_integral(float x) {
    const float low = fmaxf(fminf(x, 0.0f), -4.0f), high = fmaxf(x, 0.0f);
    return (exp2f(2.0f * low) - 0.00390625f) * 0.72134752f + (exp2f(high) - 1.0f) * 1.44269504f;
}

static inline float cem_rate(float x) {
    return x < -4.0f ? 0.0f : exp2f(x * (x < 0.0f ? 2.0f : 1.0f));
}

/* Y <- Y + D, peak, and in warm rows the mean over the step of CEM43 (minutes) and of the Arrhenius rate, for a
   temperature that runs evenly from Y - D to Y: closed forms, single precision, vectorised exponentials. */
void doses(float *restrict Y, const float *restrict D, float *restrict peak, float *restrict cem,
           float *restrict omega, float arterial, float dt, float ln_a, float ea_r, float from, int nx, int ny,
           int nz) {
#pragma omp parallel for schedule(static)
    for (int i = 1; i <= nx; i++)
        for (int j = 1; j <= ny; j++) {
            const size_t o = AT(i, j);
            float warmest = -1e30f;
#pragma omp simd reduction(max : warmest)
            for (int k = 1; k <= nz; k++) {
                const size_t c = o + k;
                const float y = Y[c] + D[c];
                warmest = fmaxf(warmest, fmaxf(y, Y[c]));
                Y[c] = y;
                peak[c] = fmaxf(peak[c], y);
            }
            if (warmest + arterial < 39.0f) continue;
#pragma omp simd
            for (int k = 1; k <= nz; k++) {
                const size_t c = o + k;
                const float t1 = Y[c] + arterial, t0 = t1 - D[c], middle = 0.5f * (t0 + t1), change = t1 - t0;
                const float x0 = t0 - 43.0f, x1 = t1 - 43.0f;
                const float exact = (cem_integral(x1) - cem_integral(x0)) / (fabsf(change) < 0.05f ? 1.0f : change);
                cem[c] += dt / 60.0f * (fabsf(change) < 0.05f ? cem_rate(middle - 43.0f) : exact);
                /* the part of the step above the model's lower limit, and the logarithmic mean of its end rates */
                const float a0 = fmaxf(t0, from), a1 = fmaxf(t1, from);
                const float share = fabsf(change) < 1e-4f ? (t1 >= from ? 1.0f : 0.0f) : (a1 - a0) / change;
                const float l0 = ln_a - ea_r / (a0 + 273.15f), l1 = ln_a - ea_r / (a1 + 273.15f), l = l1 - l0;
                const float log_mean = (expf(l1) - expf(l0)) / (fabsf(l) < 0.02f ? 1.0f : l);
                omega[c] += dt * share * (fabsf(l) < 0.02f ? expf(0.5f * (l0 + l1)) : log_mean);
            }
        }
}
