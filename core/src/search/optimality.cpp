#include "search/optimality.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "criterion/differences.hpp"
#include "kernels/eigen.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Error of differences of the gradient, relative to the diagonal.
constexpr double kRounding = 1e-3;

// A term with columns of its template at zero: for each of them the entries from the diagonal on, the longest first.
// There Lambda Lambda' does not change to first order, so second derivatives are zero but between two entries of one
// column, where they are twice the derivative by the covariance of their effects, whatever the column. A parameter of a
// structure at a turning point counts as a term with one such entry: the criterion is even in it.
using ZeroColumns = std::vector<std::vector<int>>;

std::vector<ZeroColumns> zero_columns(const Objective& f, const std::vector<double>& theta) {
  const std::vector<ThetaEntry>& entries = f.entries();
  const auto at_zero = [&](int e) { return theta[e] == (entries[e].row < 0 ? f.turning_point(e, theta[e]) : 0); };
  std::vector<ZeroColumns> out;
  int factor = -1, bottom = -1;  // of the last term
  for (int e = 0, last = 0; e < static_cast<int>(entries.size()); e = last) {
    const auto in_column = [&](const ThetaEntry& other) {
      return other.factor == entries[e].factor && other.column == entries[e].column;
    };
    while (last < static_cast<int>(entries.size()) && in_column(entries[last])) ++last;
    bool all = true;
    for (int i = e; i < last; ++i) all = all && at_zero(i);
    if (!all) continue;
    const ThetaEntry& end = entries[last - 1];
    if (end.factor != factor || end.row != bottom) out.emplace_back();
    factor = end.factor, bottom = end.row;
    out.back().emplace_back(last - e);
    std::iota(out.back().back().begin(), out.back().back().end(), e);
  }
  return out;
}

// The quadratic model scaled to a unit diagonal. Its eigenvalues are computed only if one is not above kRounding.
class ScaledModel {
 public:
  ScaledModel(const std::vector<double>& hessian, const std::vector<double>& unit) : m_(static_cast<int>(unit.size())) {
    auto curvature = [&](int i) { return std::abs(hessian[i * (m_ + 1)]) * unit[i] * unit[i]; };
    double largest = 1e-300;
    for (int i = 0; i < m_; ++i) largest = std::max(largest, curvature(i));
    for (int i = 0; i < m_; ++i) scale_.push_back(unit[i] / std::sqrt(std::max(curvature(i), 1e-8 * largest)));
    std::vector<double> scaled(hessian);
    for (int j = 0; j < m_; ++j)
      for (int i = 0; i < m_; ++i) scaled[i + j * m_] *= scale_[i] * scale_[j];
    std::vector<double> less(scaled);
    for (int i = 0; i < m_; ++i) less[i * (m_ + 1)] -= kRounding;
    definite_ = small::eliminate(m_, m_, less.data());
    if (definite_) {
      factor_ = std::move(scaled);
      small::eliminate(m_, m_, factor_.data());
    } else {
      symmetric_eigen(m_, std::move(scaled), values_, vectors_);
    }
  }

  bool curves_down() const { return !definite_ && values_[0] < -kRounding; }

  // Along which the model falls fastest, of length sqrt(2) in its scale.
  std::vector<double> downhill() const {
    std::vector<double> out;
    for (int i = 0; i < m_; ++i) out.push_back(scale_[i] * vectors_[i] * std::sqrt(2.0));
    return out;
  }

  // |H|^-1 r, with eigenvalues that are rounding taken for as large as that.
  std::vector<double> solve(const std::vector<double>& r) const {
    std::vector<double> out(m_, 0.0);
    if (definite_) {
      for (int i = 0; i < m_; ++i) out[i] = scale_[i] * r[i];
      small::solve_lower(m_, m_, factor_.data(), out.data(), 1);
      small::solve_upper(m_, m_, factor_.data(), out.data(), 1);
      for (int i = 0; i < m_; ++i) out[i] *= scale_[i];
      return out;
    }
    for (int k = 0; k < m_; ++k) {
      const double* v = vectors_.data() + k * m_;
      double along = 0;
      for (int i = 0; i < m_; ++i) along += v[i] * scale_[i] * r[i];
      along /= std::max(std::abs(values_[k]), kRounding);
      for (int i = 0; i < m_; ++i) out[i] += scale_[i] * v[i] * along;
    }
    return out;
  }

  // The curvature along d, d'Hd, that would be rounding.
  double rounding(const std::vector<double>& d) const {
    double out = 0;
    for (int i = 0; i < m_; ++i) out += d[i] * d[i] / (scale_[i] * scale_[i]);
    return kRounding * out;
  }

 private:
  int m_;
  bool definite_ = false;
  std::vector<double> scale_, factor_, values_, vectors_;
};

bool finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// One step of conjugate gradients with the exact Hessian, the model as the preconditioner: the decrease that is left
// along d, given H d, and whether the criterion curves down there.
void confirm(const Objective& f, const ScaledModel& model, const std::vector<double>& gradient, std::vector<double> d,
             const std::vector<double>& Hd, Optimality& found) {
  const double predicted = dot(gradient, d), curvature = dot(d, Hd);
  found.decrement = 0.5 * predicted;
  if (curvature > model.rounding(d)) {
    const double step = predicted / curvature;
    std::vector<double> rest(gradient);
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= step * Hd[i];
    found.decrement = 0.5 * (step * predicted + dot(rest, model.solve(rest)));
  } else if (curvature < -model.rounding(d)) {
    double length = 0;
    for (std::size_t i = 0; i < d.size(); ++i) length = std::max(length, std::abs(d[i]) / f.unit()[i]);
    for (double& entry : d) entry /= -length;  // d goes with the gradient
    found.downhill = std::move(d);
  }
}

// What is exact of the Hessian at one point: its blocks at columns that are zero, and its product with a direction in
// the other entries. By differences of the gradient one point serves all of them, for to first order these do not meet,
// nor do different terms. Where no gradient is made anyway the blocks may cost less from solves with the factor.
class ExactPart {
 public:
  ExactPart(Objective& f, const std::vector<double>& theta, const std::vector<double>& gradient)
      : f_(f),
        theta_(theta),
        gradient_(gradient),
        steps_(difference_steps(theta, f.unit())),
        terms_(zero_columns(f, theta)) {
    for (const ZeroColumns& columns : terms_) blocks_.emplace_back(columns.front().size() * columns.front().size());
  }

  // Zero in the rows and columns of a model at zeros, but for the diagonal.
  void clear(std::vector<double>& hessian) const {
    const std::size_t m = theta_.size();
    for_each_zero([&](std::size_t e) {
      for (std::size_t i = 0; i < m; ++i)
        if (i != e) hessian[i + e * m] = hessian[e + i * m] = 0;
    });
  }

  void clear_vector(std::vector<double>& d) const {
    for_each_zero([&](std::size_t e) { d[e] = 0; });
  }

  // Puts the blocks at zeros into `hessian`, and returns its product with d; nothing where d is empty.
  std::vector<double> run(const std::vector<double>& d, std::vector<double>& hessian) {
    std::size_t rounds = 0;
    for (const ZeroColumns& columns : terms_) rounds = std::max(rounds, columns.front().size());
    if (solve_blocks(rounds, !d.empty())) rounds = 0;
    const std::vector<double> product = d.empty() ? d : difference(rounds > 0, 0, d);
    for (std::size_t round = d.empty() ? 0 : 1; round < rounds; ++round) difference(true, round, {});
    for (std::size_t t = 0; t < terms_.size(); ++t) write(terms_[t], blocks_[t], hessian);
    return product;
  }

 private:
  template <typename Call>
  void for_each_zero(Call&& call) const {
    for (const ZeroColumns& columns : terms_)
      for (const std::vector<int>& rows : columns)
        for (int e : rows) call(static_cast<std::size_t>(e));
  }

  // Without gradients the criterion stays where it is, and is not evaluated there again: a third of a gradient.
  bool solve_blocks(std::size_t rounds, bool moves) {
    const double saved = moves ? static_cast<double>(rounds) - 1 : static_cast<double>(rounds) + 1.0 / 3;
    if (rounds == 0 || saved <= 0) return false;
    std::vector<EffectsBlock> wanted;
    for (const ZeroColumns& columns : terms_) {
      const ThetaEntry& entry = f_.entries()[columns.front()[0]];
      if (entry.row < 0) return false;
      wanted.push_back({entry.factor, entry.row, static_cast<int>(columns.front().size())});
    }
    const auto found = f_.covariance_derivatives(wanted, saved);
    for (std::size_t t = 0; t < found.size(); ++t) {
      blocks_[t] = found[t];
      for (double& value : blocks_[t]) value *= 2;
    }
    return !found.empty();
  }

  // A gradient beside the point: one column of every block, and the product with d unless it is empty.
  std::vector<double> difference(bool blocks, std::size_t round, const std::vector<double>& d) {
    std::vector<double> moved(theta_), change(theta_.size());
    const double length = d.empty() ? 0 : difference_length(theta_, f_.unit(), d);
    for (std::size_t i = 0; i < d.size(); ++i) moved[i] += length * d[i];
    const auto for_each_block = [&](auto&& call) {
      for (std::size_t t = 0; blocks && t < terms_.size(); ++t)
        if (round < terms_[t].front().size()) call(terms_[t].front(), blocks_[t]);
    };
    for_each_block(
        [&](const std::vector<int>& rows, std::vector<double>&) { moved[rows[round]] += steps_[rows[round]]; });
    f_.value(moved.data());
    f_.gradient(change.data());
    for (std::size_t i = 0; i < change.size(); ++i) change[i] -= gradient_[i];
    for_each_block([&](const std::vector<int>& rows, std::vector<double>& block) {
      for (std::size_t i = 0; i < rows.size(); ++i)
        block[i + round * rows.size()] = change[rows[i]] / steps_[rows[round]];
    });
    clear_vector(change);
    if (length > 0)
      for (double& entry : change) entry /= length;
    return change;
  }

  void write(const ZeroColumns& columns, const std::vector<double>& block, std::vector<double>& hessian) const {
    const std::size_t size = columns.front().size();
    for (const std::vector<int>& rows : columns) {
      const std::size_t first = size - rows.size();
      for (std::size_t j = 0; j < rows.size(); ++j)
        for (std::size_t i = 0; i < rows.size(); ++i)
          hessian[rows[i] + rows[j] * theta_.size()] =
              0.5 * (block[first + i + (first + j) * size] + block[first + j + (first + i) * size]);
    }
  }

  Objective& f_;
  const std::vector<double>&theta_, &gradient_;
  std::vector<double> steps_;
  std::vector<ZeroColumns> terms_;
  std::vector<std::vector<double>> blocks_;  // of the first zero column of every term
};

// The entries that the criterion depends on, alone: gradient and curvature of the others are rounding.
void check_rest(const Objective& f, const std::vector<double>& theta, const std::vector<char>& dead,
                Optimality& found) {
  const auto m = theta.size();
  const ThetaAxes axes(f.products(), f.entries());
  std::vector<double> at(theta), slope(found.gradient), hessian(found.hessian);
  axes.from_axes(at.data());
  axes.slope_from_axes(slope.data());
  axes.hessian_from_axes(hessian.data());
  std::vector<std::size_t> alive;
  for (std::size_t e = 0; e < m; ++e)
    if (!dead[e]) alive.push_back(e);
  found.decrement = found.max_gradient = 0;
  if (alive.empty()) return;
  std::vector<double> gradient, part(alive.size() * alive.size()), moving(m, 0.0);
  for (std::size_t e : alive) {
    const bool held = on_diagonal(f.entries()[e]) && at[e] == 0 && slope[e] >= 0;
    gradient.push_back(held ? 0.0 : slope[e]);
    moving[e] = gradient.back();
  }
  for (std::size_t j = 0; j < alive.size(); ++j)
    for (std::size_t i = 0; i < alive.size(); ++i) part[i + j * alive.size()] = hessian[alive[i] + alive[j] * m];
  const ScaledModel model(part, std::vector<double>(alive.size(), 1.0));
  found.decrement = 0.5 * dot(gradient, model.solve(gradient));
  axes.slope_to_axes(moving.data());
  for (double entry : moving) found.max_gradient = std::max(found.max_gradient, std::abs(entry));
  if (!model.curves_down()) return;
  const std::vector<double> down = model.downhill();
  found.downhill.assign(m, 0.0);
  for (std::size_t i = 0; i < alive.size(); ++i) found.downhill[alive[i]] = down[i];
  axes.to_axes(found.downhill.data());
}

// The model whose diagonal is 1 where parameters are measured in their natural units.
std::vector<double> by_units(const std::vector<double>& unit) {
  const std::size_t m = unit.size();
  std::vector<double> out(m * m);
  for (std::size_t e = 0; e < m; ++e) out[e * (m + 1)] = 1 / (unit[e] * unit[e]);
  return out;
}

}  // namespace

Optimality check_optimum(Objective& f, const std::vector<double>& theta, const std::vector<double>& model,
                         bool confirmed, const Idle* idle) {
  const int m = f.size(), m_theta = static_cast<int>(f.entries().size());
  Optimality found;
  found.value = f.value(theta.data());
  found.gradient.resize(m);
  f.gradient(found.gradient.data());
  std::vector<double> moving(found.gradient), d;
  for (int e = 0; e < m; ++e) {
    const bool held = e < m_theta && on_diagonal(f.entries()[e]) && theta[e] == 0 && moving[e] >= 0;
    if (held) moving[e] = 0;
    found.max_gradient = std::max(found.max_gradient, std::abs(moving[e]));
  }
  if (!std::isfinite(found.value) || !finite(found.gradient)) {  // nothing is known of the point
    found.decrement = std::numeric_limits<double>::quiet_NaN();
    found.hessian.assign(static_cast<std::size_t>(m) * m, found.decrement);
    return found;
  }
  const bool known = model.size() == static_cast<std::size_t>(m) * m && finite(model);
  found.hessian = known ? model : by_units(f.unit());
  confirmed = confirmed && known;
  ExactPart exact(f, theta, found.gradient);
  exact.clear(found.hessian);
  if (!idle && !confirmed && found.max_gradient > 0) {
    d = ScaledModel(found.hessian, f.unit()).solve(moving);
    exact.clear_vector(d);
  }
  const std::vector<double> Hd = exact.run(d, found.hessian);
  if (idle) {
    check_rest(f, theta, idle->dead, found);
    return found;
  }
  const ScaledModel quadratic(found.hessian, f.unit());
  found.decrement = 0.5 * dot(moving, quadratic.solve(moving));
  if (quadratic.curves_down())
    found.downhill = quadratic.downhill();
  else if (!Hd.empty())
    confirm(f, quadratic, moving, std::move(d), Hd, found);
  return found;
}

}  // namespace mixedmodels
