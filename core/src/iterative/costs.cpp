#include "iterative/costs.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "iterative/estimator.hpp"
#include "kernels/interrupt.hpp"

namespace mixedmodels {

namespace {

constexpr double kEvaluation = 3;  // cost of factor and inverse together, in factorizations
constexpr int kSamples = 64;       // levels whose neighbours are counted
// Flops an estimate takes for a pair, an entry of its block: about twelve passes over all pairs for nine columns, with
// the time that memory takes.
constexpr double kPerPair = 6000;
// Entries of lists that a search for a better order may look at: some seconds.
constexpr double kMostWork = 1e9;

// Weights of the neighbours of some levels of the other factors once the first is eliminated: mean of the degree and of
// its square, times the number of coefficients.
struct Density {
  double degree = 0, square = 0;
};

class Sample {
 public:
  explicit Sample(const CrossProducts& A) : A_(A) {
    const Pattern& pattern = *A.pattern;
    nodes_ = pattern.nodes - pattern.factors[0].levels;
    for (int i = 0; i < kSamples; ++i) chosen_.push_back((2 * i + 1) * nodes_ / (2 * kSamples));
    chosen_.erase(std::unique(chosen_.begin(), chosen_.end()), chosen_.end());
    number_.assign(static_cast<std::size_t>(nodes_), -1);
    for (std::size_t i = 0; i < chosen_.size(); ++i) number_[chosen_[i]] = static_cast<int>(i);
  }

  Density run() {
    collect();
    Density out;
    std::vector<std::int32_t> seen(static_cast<std::size_t>(nodes_), -1);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      double degree = 0;
      for (const std::int32_t l : levels_[i])
        each_other(l, [&](std::int64_t node, int width) {
          if (std::exchange(seen[node], static_cast<std::int32_t>(i)) != static_cast<std::int32_t>(i)) degree += width;
        });
      out.degree += width_of(chosen_[i]) * degree;
      out.square += width_of(chosen_[i]) * degree * degree;
    }
    const double scale = static_cast<double>(nodes_) / static_cast<double>(chosen_.size());
    return {out.degree * scale, out.square * scale};
  }

 private:
  template <typename Visit>
  void each_other(std::int32_t level, Visit&& visit) const {
    const Pattern& pattern = *A_.pattern;
    for (const PairPattern& pair : pattern.pairs) {
      if (pair.a != 0 || pair.b == 0) continue;
      const FactorShape& other = pattern.factors[pair.b];
      check_interrupt(2.0 * static_cast<double>(pair.start[level + 1] - pair.start[level]));
      for (std::int64_t e = pair.start[level]; e < pair.start[level + 1]; ++e)
        visit(other.first_node - pattern.factors[0].levels + pair.level_b[e], other.width);
    }
  }

  // Levels of the first factor that meet each of the chosen ones.
  void collect() {
    levels_.resize(chosen_.size());
    for (std::int32_t l = 0; l < A_.factors[0].levels; ++l)
      each_other(l, [&](std::int64_t node, int) {
        if (number_[node] >= 0) levels_[number_[node]].push_back(l);
      });
  }

  int width_of(std::int64_t node) const {
    const Pattern& pattern = *A_.pattern;
    for (const FactorShape& f : pattern.factors)
      if (node + pattern.factors[0].levels < f.first_node + f.levels) return f.width;
    return 1;
  }

  const CrossProducts& A_;
  std::int64_t nodes_;
  std::vector<std::int64_t> chosen_;
  std::vector<int> number_;
  std::vector<std::vector<std::int32_t>> levels_;
};

double bytes_of_factor(double numbers) { return 2.1 * 8 * numbers; }  // factor, inverse and their lists

// Rows below the first factor's columns when all that its levels meet is eliminated after it; flops and numbers.
void count_first(const CrossProducts& A, double& flops, double& numbers) {
  const Pattern& pattern = *A.pattern;
  const double w = A.factors[0].width;
  InterruptMeter meter;
  for (std::int32_t l = 0; l < A.factors[0].levels; ++l) {
    double below = 0;
    for (const PairPattern& pair : pattern.pairs)
      if (pair.a == 0) below += static_cast<double>(pair.start[l + 1] - pair.start[l]) * pattern.factors[pair.b].width;
    meter.count(4);
    numbers += w * (below + w);
    flops += w * below * (below + w) + w * w * w;
  }
}

}  // namespace

Outlook predict_costs(const CrossProducts& A, double most_flops, double most_bytes, GraphOf graph, void* owner) {
  Outlook out;
  const double own = 1.0 * A.factors[0].levels * A.factors[0].width;
  out.root = static_cast<double>(A.q) - own;
  out.products_bytes = A.bytes();
  out.iterative_bytes = Estimator::bytes(A);
  double blocks = 0;
  for (const PairBlock& pair : A.pairs)
    blocks += static_cast<double>(pair.level_b.size()) * A.factors[pair.a].width * A.factors[pair.b].width;
  out.iterative_flops = kPerPair * (blocks + static_cast<double>(A.q));
  const double r = out.root;
  double flops = 0, numbers = 0;
  count_first(A, flops, numbers);
  out.exact_flops = kEvaluation * (flops + r * (r + 1) * (r + 2) / 3);
  out.exact_bytes = bytes_of_factor(numbers + r * r / 2);
  if (out.exact_flops <= most_flops && out.exact_bytes <= most_bytes) return out;
  if (A.factors.size() > 1 && !A.pattern->has_own_pairs()) {
    const Density density = Sample(A).run();
    const double least_flops = kEvaluation * (flops + density.square / 3),
                 least_bytes = bytes_of_factor(numbers + density.degree / 2);
    if (least_flops > most_flops || least_bytes > most_bytes) return out;
  }
  out.elimination = std::make_shared<Elimination>(cheapest_elimination(*A.pattern, graph(owner), kMostWork));
  out.counted = true;
  out.exact_flops = kEvaluation * out.elimination->fill.flops;
  out.exact_bytes = bytes_of_factor(static_cast<double>(out.elimination->fill.nnz));
  return out;
}

}  // namespace mixedmodels
