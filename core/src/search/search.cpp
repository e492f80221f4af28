#include "search/search.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "search/line_search.hpp"
#include "search/trust_region.hpp"

namespace mixedmodels {

namespace {

constexpr int kMostRestarts = 4;
// How often theta is made smaller, and by which factor, where no start has a criterion.
constexpr int kMostShrinks = 4;
constexpr double kShrink = 0.1;
// By how much a point must be lower to be a way down from a saddle.
constexpr double kLower = 1e-8;
// Rows per random effect below which the criterion often has a second basin, and random effects above which it has none
// even then (docs/adr/0002).
constexpr double kFewRows = 1.5;
constexpr std::int64_t kFewEffects = 64;
// Largest ratio of a standard deviation at the opposite start to that at the start.
constexpr double kOpposite = 10;

// A lower point along the direction of negative curvature; empty when there is none.
std::vector<double> lower_point(Objective& f, const std::vector<double>& theta, const Optimality& at) {
  for (double length : {1.0, -1.0, 0.3, -0.3, 0.1, -0.1, 0.03, -0.03, 0.01, -0.01}) {
    std::vector<double> trial(theta);
    for (std::size_t e = 0; e < trial.size(); ++e) trial[e] += length * at.downhill[e];
    if (f.value(trial.data()) < at.value - kLower) return trial;
  }
  return {};
}

// Standard deviations that are small where a search has raised them, and large where it has lowered them; without
// correlations.
std::vector<double> opposite(const std::vector<ThetaEntry>& entries, std::vector<double> start,
                             const std::vector<double>& end) {
  for (std::size_t e = 0; e < entries.size(); ++e) {
    if (entries[e].row < 0) continue;  // a parameter of a structure
    const double from = std::abs(start[e]), to = std::max(std::abs(end[e]), from / kOpposite);
    start[e] = on_diagonal(entries[e]) && to > 0 ? from * from / to : 0.0;
  }
  return start;
}

class Driver {
 public:
  Driver(Objective& f, const FitSettings& settings, const Idle* idle, const Progress& progress)
      : f_(f), settings_(settings), idle_(idle), progress_(progress) {}

  SearchResult search(std::vector<double> start) {
    SearchSettings own = settings_.search;
    own.max_values += f_.n_value();
    const int done = counted_;
    const Progress traced = [&](int iteration, double value, const std::vector<double>& theta) {
      values_.push_back(value);
      thetas_.insert(thetas_.end(), theta.begin(), theta.end());
      ++counted_;
      return !progress_ || progress_(done + iteration, value, theta);
    };
    SearchResult found = quasi_newton(f_, std::move(start), own, traced);
    if (found.status == SearchStatus::unforeseen) found = second_phase(found, own, traced);
    return without_idle(std::move(found));
  }

  // In all parameters at once, from where the first phase was given up.
  SearchResult second_phase(const SearchResult& first, const SearchSettings& settings, const Progress& traced) {
    const int done = first.iterations + 1;
    SearchResult found =
        trust_region(f_, first.theta, settings, [&](int iteration, double value, const std::vector<double>& theta) {
          return traced(done + iteration, value, theta);
        });
    if (found.status == SearchStatus::not_finite || !settings_.search.model) return found;
    SearchResult standing = stand_at(f_, found.theta, settings);  // small diagonal entries are tried at zero
    // The modes may be found from one side only: where they are not found again the first answer stays.
    if (standing.status == SearchStatus::not_finite) return found;
    const bool zeroed = std::count(standing.theta.begin(), standing.theta.end(), 0.0) >
                        std::count(found.theta.begin(), found.theta.end(), 0.0);
    if (!zeroed && found.model.size() == standing.model.size()) return found;
    standing.status = found.status;
    standing.decrement = found.decrement;
    return standing;
  }

  SearchResult stand(const std::vector<double>& theta) { return without_idle(stand_at(f_, theta, settings_.search)); }

  Optimality check(const SearchResult& found) {
    return check_optimum(f_, found.theta, found.model, found.confirmed, idle_);
  }

  // Leaves saddles, and points that are not an optimum yet.
  void go_on(SearchResult& found, Optimality& at) {
    for (int round = 0; round < kMostRestarts; ++round) {
      const bool small = at.decrement <= std::max(settings_.gtol, last_digits(at.value));
      if (found.status == SearchStatus::max_values && !small) return;  // a point on the way
      std::vector<double> from;
      if (!at.downhill.empty()) {
        if (settings_.search.without.saddles) return;
        from = lower_point(f_, found.theta, at);
        if (from.empty()) return at.downhill.clear();  // the curvature has been tried and is rounding
      } else if (settings_.restart && !small) {
        from = found.theta;
      } else {
        return;
      }
      SearchResult again = search(std::move(from));
      if (again.status == SearchStatus::not_finite) return;
      Optimality other = check(again);
      if (!(other.value < at.value)) return;
      found = std::move(again);
      at = std::move(other);
    }
  }

  // To a point of the trace, of the last ones if possible, at which the criterion is found again.
  void step_back(SearchResult& found, Optimality& at) {
    const auto m = static_cast<std::size_t>(f_.size());
    found.status = SearchStatus::not_finite;
    found.confirmed = false;
    found.model.clear();
    for (std::size_t back = 1; !values_.empty(); back *= 2) {
      const std::size_t i = values_.size() - std::min(back, values_.size());
      found.theta.assign(thetas_.begin() + i * m, thetas_.begin() + (i + 1) * m);
      at = check(found);
      if (std::isfinite(at.value) && std::isfinite(f_.value(found.theta.data()))) {
        found.status = SearchStatus::lost;
        return;
      }
      if (i == 0) return;
    }
  }

  Fit finish(SearchResult found, std::vector<double> start) {
    Fit out;
    out.start = std::move(start);
    if (found.status != SearchStatus::not_finite) {
      out.optimality = check(found);
      if (std::isfinite(out.optimality.value)) go_on(found, out.optimality);
      const double value = f_.value(found.theta.data());  // leaves the evaluator at the optimum
      if (!std::isfinite(value) || !std::isfinite(out.optimality.value)) step_back(found, out.optimality);
      if (found.status != SearchStatus::not_finite) f_.carry(found.theta.data());
    }
    out.theta = std::move(found.theta);
    out.ended = found.status;
    out.predicted = found.decrement;
    out.values = std::move(values_);
    out.thetas = std::move(thetas_);
    return out;
  }

  // Zero for what has no influence: the criterion is the same there.
  std::vector<double> without_idle(std::vector<double> theta) const {
    if (!idle_) return theta;
    const ThetaAxes axes(f_.products(), f_.entries());
    axes.from_axes(theta.data());
    theta = idle_->settled(std::move(theta));
    axes.to_axes(theta.data());
    return theta;
  }

  // Iterations are counted from each start; those after a saddle are counted on.
  int counted() const { return counted_; }
  void count_from(int counted) { counted_ = counted; }

  // What the trace has from here on comes before what it has already.
  std::size_t traced() const { return values_.size(); }
  void put_first(std::size_t from) {
    const auto m = static_cast<std::size_t>(f_.size());
    std::rotate(values_.begin(), values_.begin() + from, values_.end());
    std::rotate(thetas_.begin(), thetas_.begin() + from * m, thetas_.end());
  }

 private:
  SearchResult without_idle(SearchResult found) {
    if (!idle_ || found.status == SearchStatus::not_finite) return found;
    const std::vector<double> theta = without_idle(found.theta);
    SearchResult standing = stand_at(f_, theta, settings_.search);
    if (standing.status == SearchStatus::not_finite) return found;
    standing.theta = theta;
    standing.status = found.status;
    standing.decrement = found.decrement;
    standing.confirmed = false;
    return standing;
  }

  Objective& f_;
  const FitSettings& settings_;
  const Idle* idle_;
  const Progress& progress_;
  std::vector<double> values_, thetas_;
  int counted_ = 0;
};

}  // namespace

bool few_rows(const CrossProducts& A) {
  return A.q <= kFewEffects && static_cast<double>(A.n) < kFewRows * static_cast<double>(A.q);
}

Fit fit(Objective& f, std::vector<std::vector<double>> starts, const FitSettings& settings, const Idle* idle,
        const Progress& progress) {
  Driver driver(f, settings, idle, progress);
  if (settings.search.without.second_start) starts.resize(1);
  for (std::vector<double>& start : starts) start = driver.without_idle(std::move(start));
  std::size_t lowest = 0;
  SearchResult found = driver.search(starts[0]);
  int counted = driver.counted();
  auto search_from_another = [&](std::size_t i) {
    const std::size_t before = driver.traced();
    driver.count_from(0);
    SearchResult other = driver.search(starts[i]);
    const bool finite = other.status != SearchStatus::not_finite;
    if (finite && (found.status == SearchStatus::not_finite || other.value < found.value)) {
      found = std::move(other);
      lowest = i;
      counted = driver.counted();
    } else {
      driver.put_first(before);
    }
  };
  for (std::size_t i = 1; i < starts.size(); ++i) search_from_another(i);
  if (settings.opposite && !settings.search.without.second_start && found.status != SearchStatus::not_finite &&
      few_rows(f.products())) {
    starts.push_back(driver.without_idle(opposite(f.entries(), starts[lowest], found.theta)));
    search_from_another(starts.size() - 1);
  }
  // Criteria of more parameters than theta may be defined for small random effects only, with those as they start.
  const bool more = f.size() > static_cast<int>(f.entries().size()) && !settings.search.without.smaller_starts;
  const std::vector<double> first = starts[lowest];
  for (int round = 0; more && round < kMostShrinks && found.status == SearchStatus::not_finite; ++round) {
    for (std::size_t e = 0; e < f.entries().size(); ++e) starts[lowest][e] *= kShrink;
    found = driver.search(starts[lowest]);
    counted = driver.counted();
  }
  if (more && found.status == SearchStatus::not_finite) {
    const std::vector<double> possible = f.possible_start(first);
    if (!possible.empty()) {
      starts[lowest] = possible;
      found = driver.search(possible);
      counted = driver.counted();
    }
  }
  driver.count_from(counted);
  return driver.finish(std::move(found), std::move(starts[lowest]));
}

Fit settle(Objective& f, const std::vector<double>& theta, bool spent, const FitSettings& settings, const Idle* idle,
           const Progress& progress) {
  Driver driver(f, settings, idle, progress);
  SearchResult found = driver.stand(theta);
  if (spent && found.status == SearchStatus::converged) found.status = SearchStatus::max_values;
  return driver.finish(std::move(found), theta);
}

SearchResult refit_from(Objective& f, std::vector<double> start, const std::function<std::vector<double>()>& moments,
                        SearchSettings settings) {
  const std::size_t m = f.entries().size();
  std::vector<double> other;
  for (std::size_t e = 0; e < m; ++e) {
    if (start[e] != f.turning_point(e, start[e])) continue;
    if (other.empty()) other = moments();
    start[e] = other[e];
  }
  settings.model = false;
  SearchSettings own = settings;
  own.max_values += f.n_value();
  SearchResult found = quasi_newton(f, std::move(start), own, {});
  if (found.status == SearchStatus::not_finite) return found;
  bool zero = false;
  for (std::size_t e = 0; e < m; ++e) zero = zero || found.theta[e] == f.turning_point(e, found.theta[e]);
  if (!zero) return found;
  settings.model = true;
  const FitSettings as_fit{settings, 0.0, false};
  const Progress silent;
  Driver driver(f, as_fit, nullptr, silent);
  found.model = stand_at(f, found.theta, settings).model;
  Optimality at = driver.check(found);
  driver.go_on(found, at);
  return found;
}

}  // namespace mixedmodels
