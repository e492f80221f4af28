#include "kernels/eigen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/blas.hpp"

namespace mixedmodels {

void symmetric_eigen(int n, std::vector<double> a, std::vector<double>& values, std::vector<double>& vectors) {
  values.resize(static_cast<std::size_t>(n));
  vectors = std::move(a);
  if (n == 0) return;
  if (n == 1) {
    values[0] = vectors[0];
    vectors[0] = 1;
    return;
  }
  check_interrupt(9.0 * n * n * n);
  char job = 'V', uplo = 'L';
  int numbers = 1 + 6 * n + 2 * n * n, integers = 3 + 5 * n, info = 1;
  std::vector<double> work(static_cast<std::size_t>(numbers));
  std::vector<int> more(static_cast<std::size_t>(integers));
  if (std::all_of(vectors.begin(), vectors.end(), [](double entry) { return std::isfinite(entry); }))
    LibraryCall()->dsyevd(&job, &uplo, &n, vectors.data(), &n, values.data(), work.data(), &numbers, more.data(),
                          &integers, &info);
  if (info == 0) return;
  std::fill(values.begin(), values.end(), std::numeric_limits<double>::quiet_NaN());
  std::fill(vectors.begin(), vectors.end(), std::numeric_limits<double>::quiet_NaN());
}

}  // namespace mixedmodels
