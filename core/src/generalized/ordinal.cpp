// Ordered categories 0 ... J: P(y <= j) = F(kappa_j - eta). Parameters are the first threshold kappa and the logarithms
// of the gaps between one and the next.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "generalized/by_row.hpp"
#include "generalized/special.hpp"

namespace mixedmodels {

namespace {

// log F and log (1 - F); log f, f'/f and f''/f of the density f. F at a probability.
struct Density {
  double log, g, h;
};

struct Logistic {
  static constexpr bool kConcave = true;
  static double lower(double x) { return -special::softplus(-x); }
  static double upper(double x) { return -special::softplus(x); }
  static Density density(double x) {
    const double p = special::expit(x), q = special::expit(-x);
    return {lower(x) + upper(x), q - p, 1 - 6 * p * q};
  }
  static double quantile(double p) { return std::log(p / (1 - p)); }
};

struct Normal {
  static constexpr bool kConcave = true;
  static double lower(double x) { return special::log_normal_cdf(x).l; }
  static double upper(double x) { return special::log_normal_cdf(-x).l; }
  static Density density(double x) { return {-0.5 * (x * x + std::log(2 * std::numbers::pi)), -x, x * x - 1}; }
  static double quantile(double p) { return 0.6 * std::log(p / (1 - p)); }
};

struct Cloglog {
  static constexpr bool kConcave = true;
  static double lower(double x) { return special::log_cloglog(x).l; }
  static double upper(double x) { return -std::exp(std::min(x, 700.0)); }
  static Density density(double x) {
    const double v = std::exp(std::min(x, 700.0));
    return {x - v, 1 - v, 1 - 3 * v + v * v};
  }
  static double quantile(double p) { return std::log(-std::log1p(-p)); }
};

// Cloglog from the other side.
struct Loglog {
  static constexpr bool kConcave = true;
  static double lower(double x) { return Cloglog::upper(-x); }
  static double upper(double x) { return Cloglog::lower(-x); }
  static Density density(double x) {
    const Density d = Cloglog::density(-x);
    return {d.log, -d.g, d.h};
  }
  static double quantile(double p) { return -Cloglog::quantile(1 - p); }
};

struct Cauchy {
  static constexpr bool kConcave = false;
  static double lower(double x) { return std::log(std::atan2(1.0, -x) / std::numbers::pi); }
  static double upper(double x) { return lower(-x); }
  static Density density(double x) {
    const double far = std::hypot(1.0, x), unit = x / far;  // x^2 may be too large for a number
    return {-std::log(std::numbers::pi) - 2 * std::log(far), -2 * unit / far, (8 * unit * unit - 2) / far / far};
  }
  static double quantile(double p) { return -1 / std::tan(std::numbers::pi * p); }
};

// log (1 - e^-d), d > 0.
double log1m_exp(double d) { return d > std::numbers::ln2 ? std::log1p(-std::exp(-d)) : std::log(-std::expm1(-d)); }

// A category between two thresholds less the predictor, `up` and `lo`: log of its probability P; a = f(up) / P and
// b = f(lo) / P, zero where there is no threshold; f'/f and f''/f at both.
struct Category {
  double l, a = 0, b = 0, g_up = 0, g_lo = 0, h_up = 0, h_lo = 0;

  double c() const { return a - b; }
  double second() const { return a * g_up - b * g_lo - c() * c(); }  // of l as both move
};

template <typename F>
class Ordinal : public Family {
 public:
  explicit Ordinal(int thresholds) : count_(thresholds) {}

  int parameters() const override { return count_; }
  bool concave() const override { return F::kConcave; }
  double constant(double y, double) const override {
    if (!(y >= 0 && y <= count_ && y == std::floor(y)))
      throw std::invalid_argument("A response is not the number of a category.");
    return 0;
  }
  double start(double, double) const override { return 0; }

  double rows(const RowBlock& block, double* s, double* w, double* t) const override {
    double sum = 0;
    each(block, [&](int i, int, const Category& r) {
      const double m = block.m[i], c = r.c(), ag = r.a * r.g_up, bg = r.b * r.g_lo, second = r.second();
      sum += m * r.l;
      s[i] = -m * c;
      w[i] = -m * second;
      t[i] = m * (r.a * r.h_up - r.b * r.h_lo - c * (ag - bg) - 2 * c * second);
    });
    return sum;
  }

  // The mean over the categories of the squared slope.
  void expected(const RowBlock& block, double* w) const override {
    each_threshold(block, [&](int i, const std::vector<double>& threshold) {
      double sum = 0;
      for (int j = 0; j <= count_; ++j) {
        const Category r = category(j, threshold, block.eta[i]);
        const double part = std::exp(r.l) * r.c() * r.c();
        if (std::isfinite(part)) sum += part;
      }
      w[i] = block.m[i] * sum;
    });
  }

  void by_parameter(const RowBlock& block, int k, double* l, double* s, double* w) const override {
    const double step = k == 0 ? 1 : std::exp(block.psi[k * block.lead]);
    each(block, [&](int i, int j, const Category& r) {
      const double m = block.m[i], c = r.c(), ag = r.a * r.g_up, bg = r.b * r.g_lo;
      const double up = j >= k ? step * m * r.a : 0, lo = j - 1 >= k ? step * m * r.b : 0;
      l[i] = up - lo;
      s[i] = lo * (r.g_lo - c) - up * (r.g_up - c);
      w[i] = -up * (r.h_up - ag + bg - 2 * c * (r.g_up - c)) - lo * (ag - bg - r.h_lo + 2 * c * (r.g_lo - c));
    });
  }

  bool add_curvature(const RowBlock& block, double* out) const override {
    std::vector<double> up_up(count_ + 1), up_lo(up_up), lo_lo(up_up), up(up_up), lo(up_up), step(count_, 1.0);
    for (int k = 1; k < count_; ++k) step[k] = std::exp(block.psi[k * block.lead]);
    each(block, [&](int i, int j, const Category& r) {
      const double m = block.m[i];
      up_up[j] += m * r.a * (r.g_up - r.a), up_lo[j] += m * r.a * r.b, lo_lo[j] -= m * r.b * (r.g_lo + r.b);
      up[j] += m * r.a, lo[j] -= m * r.b;
    });
    for (int p = 0; p < count_; ++p)
      for (int q = 0; q < count_; ++q)
        for (int j = 0; j <= count_; ++j) {
          const double up_p = j >= p, lo_p = j - 1 >= p, up_q = j >= q, lo_q = j - 1 >= q;
          double sum = up_p * up_q * up_up[j] + (up_p * lo_q + lo_p * up_q) * up_lo[j] + lo_p * lo_q * lo_lo[j];
          sum *= step[p] * step[q];
          if (p == q && p > 0) sum += step[p] * (up_p * up[j] + lo_p * lo[j]);
          out[p + q * count_] += sum;
        }
    return true;
  }

  std::vector<double> start_parameters(std::int64_t n, const double* y, const double* m) const override {
    std::vector<double> share(count_ + 1, 0.0), out;
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) share[static_cast<int>(y[i])] += m[i], sum += m[i];
    double below = 0, before = 0;
    for (int j = 0; j < count_; ++j) {
      below += share[j] / sum;
      const double at = F::quantile(std::clamp(below, 1e-6, 1 - 1e-6));
      out.push_back(j == 0 ? at : std::log(std::max(at - before, 1e-3)));
      before = at;
    }
    return out;
  }

 private:
  // body(row, thresholds).
  template <typename Body>
  void each_threshold(const RowBlock& block, Body&& body) const {
    std::vector<double> threshold(count_);
    for (int k = 0; k < count_; ++k) {
      const double psi = block.psi[k * block.lead];
      threshold[k] = k == 0 ? psi : threshold[k - 1] + std::exp(psi);
    }
    for (int i = 0; i < block.count; ++i) body(i, threshold);
  }

  // body(row, category, what belongs to it).
  template <typename Body>
  void each(const RowBlock& block, Body&& body) const {
    each_threshold(block, [&](int i, const std::vector<double>& threshold) {
      const int j = static_cast<int>(block.y[i]);
      body(i, j, category(j, threshold, block.eta[i]));
    });
  }

  Category category(int j, const std::vector<double>& threshold, double eta) const {
    Category out{};
    const bool has_up = j < count_, has_lo = j > 0;
    const double up = has_up ? threshold[j] - eta : 0, lo = has_lo ? threshold[j - 1] - eta : 0;
    if (!has_up)
      out.l = F::upper(lo);
    else if (!has_lo)
      out.l = F::lower(up);
    else if (lo > 0)  // in the tail that is small
      out.l = F::upper(lo) + log1m_exp(F::upper(lo) - F::upper(up));
    else
      out.l = F::lower(up) + log1m_exp(F::lower(up) - F::lower(lo));
    if (has_up) {
      const Density f = F::density(up);
      out.a = std::exp(f.log - out.l), out.g_up = f.g, out.h_up = f.h;
    }
    if (has_lo) {
      const Density f = F::density(lo);
      out.b = std::exp(f.log - out.l), out.g_lo = f.g, out.h_lo = f.h;
    }
    return out;
  }

  int count_;
};

}  // namespace

MadeFamily make_ordinal(int thresholds, const std::string& link) {
  if (thresholds < 1) return nullptr;
  if (link == "logit") return std::make_unique<Ordinal<Logistic>>(thresholds);
  if (link == "probit") return std::make_unique<Ordinal<Normal>>(thresholds);
  if (link == "cloglog") return std::make_unique<Ordinal<Cloglog>>(thresholds);
  if (link == "loglog") return std::make_unique<Ordinal<Loglog>>(thresholds);
  if (link == "cauchit") return std::make_unique<Ordinal<Cauchy>>(thresholds);
  return nullptr;
}

}  // namespace mixedmodels
