// Residual variances that differ between strata of the rows: products that are sums of those of the strata, each times
// its weight. The values are those of nlme's varIdent for the data of Potthoff and Roy (1964).
#include <array>
#include <memory>

#include "check.hpp"
#include "search/quasi_newton.hpp"
#include "structures.hpp"

namespace {

constexpr int kBoys = 16, kChildren = 27, kTimes = 4;
constexpr double kDistance[kChildren][kTimes] = {
    {26, 25, 29, 31},       {21.5, 22.5, 23, 26.5}, {23, 22.5, 24, 27.5}, {25.5, 27.5, 26.5, 27},
    {20, 23.5, 22.5, 26},   {24.5, 25.5, 27, 28.5}, {22, 22, 24.5, 26.5}, {24, 21.5, 24.5, 25.5},
    {23, 20.5, 31, 26},     {27.5, 28, 31, 31.5},   {23, 23, 23.5, 25},   {21.5, 23.5, 24, 28},
    {17, 24.5, 26, 29.5},   {22.5, 25.5, 25.5, 26}, {23, 24.5, 26, 30},   {22, 21.5, 23.5, 25},
    {21, 20, 21.5, 23},     {21, 21.5, 24, 25.5},   {20.5, 24, 24.5, 26}, {23.5, 24.5, 25, 26.5},
    {21.5, 23, 22.5, 23.5}, {20, 21, 21, 22.5},     {21.5, 22.5, 23, 25}, {23, 23, 23.5, 24},
    {20, 21, 22, 21.5},     {16.5, 19, 19, 19.5},   {24.5, 25, 28, 28}};

// distance ~ age * Sex + (age | Subject)
Structure orthodont() {
  Structure s;
  s.n = kChildren * kTimes;
  Structure::Factor subject;
  subject.levels = kChildren;
  subject.term_widths = {2};
  subject.z = {{}, {}};
  s.x.resize(4);
  for (int child = 0; child < kChildren; ++child)
    for (int t = 0; t < kTimes; ++t) {
      const double age = 8 + 2 * t, girl = child >= kBoys;
      subject.codes.push_back(child);
      subject.z[1].push_back(age);
      const std::array row{1.0, age, girl, age * girl};
      for (int j = 0; j < 4; ++j) s.x[j].push_back(row[j]);
      s.y.push_back(kDistance[child][t]);
    }
  s.factors.push_back(std::move(subject));
  return s;
}

class Strata {
 public:
  explicit Strata(const Structure& s) : stages_(s), A_(stages_.A), of_boys_(A_), of_girls_(A_), theta_{0.5, 0.0, 0.1} {
    mm::set_zero(of_boys_);
    mm::set_zero(of_girls_);
    mm::add_rows(stages_.rows, stages_.basis, std::int64_t{0}, kBoys * kTimes, 1, of_boys_);
    mm::add_rows(stages_.rows, stages_.basis, kBoys * kTimes, s.n, 1, of_girls_);
  }

  // The log-likelihood where the girls' residuals have exp(log_ratio) times the standard deviation of the boys'.
  double best(double log_ratio, mm::Likelihood likelihood) {
    const double weight = std::exp(-2 * log_ratio);
    mm::set_zero(A_);
    mm::axpy(1, of_boys_, A_);
    mm::axpy(weight, of_girls_, A_);
    A_.n = of_boys_.n + of_girls_.n;
    A_.sum_log_weights = static_cast<double>(of_girls_.n) * std::log(weight);
    // The analysis is that of the pattern.
    const mm::Model model = mm::with_products(stages_.model, std::make_shared<mm::CrossProducts>(A_));
    mm::Criterion f(model, likelihood);
    const mm::SearchResult found = mm::quasi_newton(f, theta_, {}, {});
    theta_ = found.theta;
    return -found.value / 2;
  }

 private:
  Stages stages_;
  mm::CrossProducts A_, of_boys_, of_girls_;
  std::vector<double> theta_;
};

double maximum(Strata& strata, mm::Likelihood likelihood) {
  constexpr double kGolden = 0.6180339887498949;
  double low = -2, high = 1;
  double one = high - kGolden * (high - low), two = low + kGolden * (high - low);
  double at_one = strata.best(one, likelihood), at_two = strata.best(two, likelihood);
  while (high - low > 1e-6) {
    if (at_one > at_two) {
      high = two, two = one, at_two = at_one;
      at_one = strata.best(one = high - kGolden * (high - low), likelihood);
    } else {
      low = one, one = two, at_one = at_two;
      at_two = strata.best(two = low + kGolden * (high - low), likelihood);
    }
  }
  return std::max(at_one, at_two);
}

TEST(a_standard_deviation_for_each_sex) {
  const Structure s = orthodont();
  Strata strata(s);
  CHECK_ERROR("ML", std::abs(maximum(strata, mm::Likelihood::ml) + 203.0211943721), 1e-8);
  CHECK_ERROR("REML", std::abs(maximum(strata, mm::Likelihood::reml) + 205.7612399256), 1e-8);
}

TEST(equal_standard_deviations_are_the_model_without_strata) {
  const Structure s = orthodont();
  const Stages stages(s);
  Strata strata(s);
  for (mm::Likelihood likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) {
    mm::Criterion f(stages.model, likelihood);
    const double expected = -mm::quasi_newton(f, {0.5, 0.0, 0.1}, {}, {}).value / 2;
    CHECK_ERROR("no strata", std::abs(strata.best(0, likelihood) - expected), 1e-8);
  }
}

}  // namespace
