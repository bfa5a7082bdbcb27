/* Plain C OpenMP form of the Yee update in vertherm.applicator.fullwave.kernels: the yardstick of its benchmark.

   Fields are float, n^3 nodes. Absorbing layers and currents are not part of it. */

#include <omp.h>
#include <stddef.h>

#define AT(i, j, k) (((size_t)(i) * n + (j)) * n + (k))

void set_threads(int t) { omp_set_num_threads(t); }

void triad(float *restrict a, const float *restrict b, const float *restrict c, float s, long size) {
#pragma omp parallel for simd schedule(static)
    for (long i = 0; i < size; i++) a[i] = b[i] + s * c[i];
}

void step(float *restrict Ex, float *restrict Ey, float *restrict Ez, float *restrict Hx, float *restrict Hy,
          float *restrict Hz, const float *restrict ax, const float *restrict ay, const float *restrict az,
          const float *restrict bx, const float *restrict by, const float *restrict bz, float courant, int n) {
    const size_t X = (size_t)n * n, Y = n;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int i = 1; i < n - 1; i++)
            for (int j = 1; j < n - 1; j++) {
#pragma omp simd
                for (int k = 1; k < n - 1; k++) {
                    const size_t c = AT(i, j, k);
                    Ex[c] = ax[c] * Ex[c] + bx[c] * ((Hz[c] - Hz[c - Y]) - (Hy[c] - Hy[c - 1]));
                    Ey[c] = ay[c] * Ey[c] + by[c] * ((Hx[c] - Hx[c - 1]) - (Hz[c] - Hz[c - X]));
                    Ez[c] = az[c] * Ez[c] + bz[c] * ((Hy[c] - Hy[c - X]) - (Hx[c] - Hx[c - Y]));
                }
            }
#pragma omp for schedule(static)
        for (int i = 0; i < n - 1; i++)
            for (int j = 0; j < n - 1; j++) {
#pragma omp simd
                for (int k = 0; k < n - 1; k++) {
                    const size_t c = AT(i, j, k);
                    Hx[c] -= courant * ((Ez[c + Y] - Ez[c]) - (Ey[c + 1] - Ey[c]));
                    Hy[c] -= courant * ((Ex[c + 1] - Ex[c]) - (Ez[c + X] - Ez[c]));
                    Hz[c] -= courant * ((Ey[c + X] - Ey[c]) - (Ex[c + Y] - Ex[c]));
                }
            }
    }
}
