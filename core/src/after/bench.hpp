// Purpose: many fits of one model with other numbers (another response, fewer rows), over threads.
// Every fit is one of its own, so the results do not depend on the number of threads. What the numbers do not change
// (factors, order, pattern) is shared; each thread has cross-products and a workspace of its own.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "criterion/criterion.hpp"
#include "kernels/memory.hpp"
#include "kernels/workers.hpp"

namespace mixedmodels {

// Row-major, a fit a row; NaN where nothing can be computed.
struct Fits {
  std::vector<double> theta;  // fits x m
  std::vector<double> beta;   // fits x p, coefficients of the columns that the model keeps; NaN where aliased
  std::vector<double> sigma, objective;

  Fits(const Model& model, int count);
  // The fit number `at` is that of f at theta, which has a criterion.
  void put(int at, Criterion& f, const std::vector<double>& theta, const std::vector<int>& kept);
};

// What one thread needs for such fits, one after the other.
struct Bench {
  std::shared_ptr<CrossProducts> A;
  Model model;  // with these
  Criterion criterion;

  Bench(const Model& shared, Likelihood likelihood)
      : A(std::make_shared<CrossProducts>(*shared.A)), model(with_products(shared, A)), criterion(model, likelihood) {}
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
};

// Throws if the benches of as many threads have no room; `more` are bytes of a thread besides.
void require_benches(const char* what, const Model& model, int threads, double results, double more);

// Calls fit(bench, i) for i in 0 .. count - 1, `make` making a thread's bench.
template <typename Make, typename Fit>
void on_benches(Workers& workers, int count, const Make& make, const Fit& fit) {
  std::vector<decltype(make())> benches(static_cast<std::size_t>(workers.threads()));
  workers.run(count, [&](int i, int thread) {
    if (!benches[thread]) benches[thread] = make();
    fit(*benches[thread], i);
  });
}

}  // namespace mixedmodels
