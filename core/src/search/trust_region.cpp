#include "search/trust_region.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/eigen.hpp"
#include "kernels/small_dense.hpp"
#include "search/line_search.hpp"

namespace mixedmodels {

namespace {

constexpr int kMostIterations = 60;
constexpr double kFirstRadius = 10, kLeastRadius = 1e-7;
// Parts of the predicted decrease beyond which the radius grows, below which it shrinks, and below which a step is
// refused.
constexpr double kGood = 0.7, kPoor = 0.3, kRefused = 0.1;
// Change of the gradient that updates have not foreseen, relative to the gradient before, above which they are given
// up.
constexpr double kMissed = 0.5;
// Predicted decrease that is rounding, and change of the value that is, relative to it.
constexpr double kTiny = 1e-9, kRounding = 1e-11;
// Number of tiny steps in a row, and predicted decrease, after which the search ends: the criterion hardly falls any
// more.
constexpr int kMostTiny = 2;
constexpr double kEnough = 1e-8;
constexpr double kFlat = 1e-8, kConcave = 1e-6;  // eigenvalues of the scaled Hessian that are zero, or negative

class TrustRegion {
 public:
  TrustRegion(Objective& f, std::vector<double> at, const SearchSettings& settings)
      : f_(f), settings_(settings), n_(at.size()), at_(std::move(at)), gradient_(n_), step_(n_), next_(n_) {}

  SearchResult run(const Progress& progress) {
    SearchResult r;
    r.value = f_.value(at_.data());
    r.status = SearchStatus::stalled;
    if (!std::isfinite(r.value)) {
      r.status = SearchStatus::not_finite;
      r.theta = at_;
      return r;
    }
    f_.gradient(gradient_.data());
    for (; r.iterations < kMostIterations; ++r.iterations) {
      if (H_.empty() && !renew()) break;
      r.decrement = decompose();
      const double enough = tiny_ >= kMostTiny ? std::max(kEnough, last_digits(r.value)) : settings_.decrement;
      if (r.decrement <= std::max(enough, f_.attainable()) && values_[0] > -kConcave) {
        r.status = SearchStatus::converged;
        break;
      }
      if (f_.n_value() >= settings_.max_values) {
        r.status = SearchStatus::max_values;
        break;
      }
      if (!advance(r)) {
        if (fresh_) break;
        H_.clear();
        radius_ = std::max(radius_, 1.0);
        continue;
      }
      if (progress && !progress(r.iterations, r.value, at_)) {
        r.status = SearchStatus::interrupted;
        break;
      }
    }
    if (H_.empty()) renew();  // what judges the end needs second derivatives
    r.value = f_.value(at_.data());
    f_.gradient(gradient_.data());
    r.theta = at_;
    r.gradient = gradient_;
    r.model = H_;
    r.confirmed = fresh_ && r.status == SearchStatus::converged;
    return r;
  }

 private:
  // The exact Hessian; afterwards the criterion stands here again.
  bool renew() {
    H_ = f_.hessian(at_);
    fresh_ = true;
    f_.value(at_.data());
    f_.gradient(gradient_.data());
    return H_.size() == n_ * n_ && std::all_of(H_.begin(), H_.end(), [](double h) { return std::isfinite(h); });
  }

  // Eigenvalues of the scaled Hessian, and the decrease that it predicts.
  double decompose() {
    double largest = 0, decrement = 0;
    for (std::size_t i = 0; i < n_; ++i) largest = std::max(largest, std::abs(H_[i * (n_ + 1)]));
    scale_.clear();
    for (std::size_t i = 0; i < n_; ++i)
      scale_.push_back(1 / std::sqrt(std::max(std::abs(H_[i * (n_ + 1)]), kFlat * largest + 1e-300)));
    std::vector<double> scaled(H_);
    for (std::size_t j = 0; j < n_; ++j)
      for (std::size_t i = 0; i < n_; ++i) scaled[i + j * n_] *= scale_[i] * scale_[j];
    symmetric_eigen(static_cast<int>(n_), std::move(scaled), values_, vectors_);
    along_.assign(n_, 0.0);
    for (std::size_t k = 0; k < n_; ++k) {
      for (std::size_t i = 0; i < n_; ++i) along_[k] += vectors_[i + k * n_] * scale_[i] * gradient_[i];
      decrement += 0.5 * along_[k] * along_[k] / std::max(std::abs(values_[k]), kFlat);
    }
    return decrement;
  }

  // The step within the radius, whose length in the scale of the Hessian is handed back.
  double find_step() {
    const double low = std::min(values_[0], 0.0), base = low < 0 ? 1e-4 : 1e-12;
    std::vector<double> part(n_);
    const auto length = [&](double shift) {
      double sum = 0;
      for (std::size_t k = 0; k < n_; ++k) {
        part[k] = -along_[k] / (values_[k] - low + base + shift);
        sum += part[k] * part[k];
      }
      return std::sqrt(sum);
    };
    double found = length(0);
    if (found > radius_) {
      double below = 1e-9, above = 1e9;
      for (int round = 0; round < 60; ++round) {
        const double middle = std::sqrt(below * above);
        found = length(middle);
        (found > radius_ ? below : above) = middle;
      }
    }
    for (std::size_t i = 0; i < n_; ++i) {
      step_[i] = 0;
      for (std::size_t k = 0; k < n_; ++k) step_[i] += vectors_[i + k * n_] * part[k];
      step_[i] *= scale_[i];
    }
    return found;
  }

  double predicted() const {
    double sum = 0;
    for (std::size_t i = 0; i < n_; ++i)
      sum += step_[i] * (gradient_[i] + 0.5 * small::dot(static_cast<int>(n_), H_.data() + i * n_, step_.data()));
    return -sum;
  }

  // Columns of templates with a negative diagonal entry are turned in `next_`; the sign of every parameter.
  std::vector<double> turn() {
    const std::vector<ThetaEntry>& entries = f_.entries();
    std::vector<double> sign(n_, 1.0);
    for (std::size_t e = 0; e < entries.size(); ++e) {
      if (!on_diagonal(entries[e]) || next_[e] >= 0) continue;
      for (std::size_t i = 0; i < entries.size(); ++i)
        if (entries[i].factor == entries[e].factor && entries[i].column == entries[e].column) sign[i] = -1;
    }
    for (std::size_t i = 0; i < n_; ++i) next_[i] *= sign[i];
    return sign;
  }

  // To a lower point within the radius; false where the model does not lead to one.
  bool advance(SearchResult& r) {
    announce();
    for (bool first = true;; first = false) {
      const double length = find_step(), fall = predicted();
      for (std::size_t i = 0; i < n_; ++i) next_[i] = at_[i] + step_[i];
      const std::vector<double> sign = turn();
      const double value = first ? f_.follow(next_.data()) : f_.value(next_.data());
      double ratio = std::isfinite(value) && fall > 0 ? (r.value - value) / fall : -1;
      if (fall < kTiny && std::abs(r.value - value) < kRounding * (1 + std::abs(r.value))) ratio = 1;
      if (ratio > kRefused) {
        if (ratio > kGood) radius_ = std::max(radius_, 2.5 * length);
        if (ratio < kPoor) radius_ = 0.5 * length;
        accept(sign);
        tiny_ = r.value - value < std::max(kTiny, last_digits(value)) ? tiny_ + 1 : 0;
        r.value = value;
        return true;
      }
      radius_ = 0.3 * std::min(radius_, length);
      if (!fresh_ || radius_ < kLeastRadius || f_.n_value() >= settings_.max_values) return false;
    }
  }

  // Announces the first step tried, so that the criterion foresees how its modes move.
  void announce() {
    find_step();
    Templates change(f_.pls().lam());
    for (auto& square : change) std::fill(square.begin(), square.end(), 0.0);
    const std::vector<ThetaEntry>& entries = f_.entries();
    if (f_.structures()) {
      StructuredTheta theta(*f_.structures());
      theta.move(at_.data());
      theta.add_step(step_.data(), f_.products(), change);
    }
    for (std::size_t e = 0; e < entries.size(); ++e)
      if (entries[e].row >= 0)
        change[entries[e].factor][entries[e].row + entries[e].column * f_.products().factors[entries[e].factor].width] =
            step_[e];
    const std::vector<double> missed(n_, 0.0);
    f_.foresee({change, step_.data() + entries.size(), missed.data(), predicted()});
  }

  void accept(const std::vector<double>& sign) {
    std::vector<double> slope(n_), missed(n_);
    f_.gradient(slope.data());
    double miss = 0, before = 0, along = 0, size = 0, length = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      missed[i] =
          sign[i] * slope[i] - gradient_[i] - small::dot(static_cast<int>(n_), H_.data() + i * n_, step_.data());
      miss += missed[i] * missed[i] * scale_[i] * scale_[i];
      before += gradient_[i] * gradient_[i] * scale_[i] * scale_[i];
      along += missed[i] * step_[i];
      size += missed[i] * missed[i];
      length += step_[i] * step_[i];
    }
    if (std::abs(along) > 1e-8 * std::sqrt(size * length))
      for (std::size_t j = 0; j < n_; ++j)
        for (std::size_t i = 0; i < n_; ++i) H_[i + j * n_] += missed[i] * missed[j] / along;
    for (std::size_t j = 0; j < n_; ++j)
      for (std::size_t i = 0; i < n_; ++i) H_[i + j * n_] *= sign[i] * sign[j];
    fresh_ = false;
    at_ = next_;
    gradient_ = slope;
    if (f_.hessian_is_exact() || settings_.without.updates || miss > kMissed * kMissed * before) H_.clear();
  }

  Objective& f_;
  const SearchSettings& settings_;
  std::size_t n_;
  std::vector<double> at_, gradient_, step_, next_;
  std::vector<double> H_, scale_, values_, vectors_, along_;  // the last three: of the scaled Hessian
  double radius_ = kFirstRadius;
  bool fresh_ = false;  // no update since the Hessian was made
  int tiny_ = 0;        // steps in a row along which the criterion has hardly fallen
};

}  // namespace

SearchResult trust_region(Objective& f, std::vector<double> at, const SearchSettings& settings,
                          const Progress& progress) {
  return TrustRegion(f, std::move(at), settings).run(progress);
}

}  // namespace mixedmodels
