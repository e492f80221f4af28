// Fits of one model to many responses against fits of as many models.
#include "after/refit.hpp"
#include "check.hpp"
#include "structures.hpp"

namespace {

TEST(each_replicate_is_the_fit_of_its_response) {
  constexpr int kReplicates = 7;
  const Structure s = structures::crossed(1, 120, {{12, {2}}, {8, {1}}}, 3);
  const Stages stages(s);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  std::vector<double> responses;
  for (int i = 0; i < kReplicates; ++i) {
    const Structure other = structures::crossed(100 + i, 120, {{12, {2}}, {8, {1}}}, 3);
    responses.insert(responses.end(), other.y.begin(), other.y.end());
  }
  const std::vector<double> start(entries.size(), 0.0);  // left, for every replicate by its own moments
  for (mm::Likelihood likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) {
    const mm::Refits found = mm::refit(stages.model, responses.data(), kReplicates, start, likelihood, {}, 1);
    for (int threads : {2, 3}) {
      const mm::Refits again = mm::refit(stages.model, responses.data(), kReplicates, start, likelihood, {}, threads);
      CHECK(again.theta == found.theta && again.beta == found.beta && again.objective == found.objective);
    }
    for (int i = 0; i < kReplicates; ++i) {
      check::at("replicate " + std::to_string(i));
      Structure alone = s;
      alone.y.assign(responses.begin() + i * s.n, responses.begin() + (i + 1) * s.n);
      const Stages own(alone);
      mm::Criterion f(own.model, mm::Likelihood::ml);
      std::vector<double> from = f.start();
      const mm::SearchResult r = mm::quasi_newton(f.use(likelihood), from, {}, {});
      CHECK(found.status[i] == r.status);
      CHECK_ERROR("objective", check::relative(found.objective[i], r.value), 1e-10);
      // At zeros of theta and where several entries trade, the criterion is flat.
      for (std::size_t k = 0; k < entries.size(); ++k)
        CHECK_ERROR("theta", std::abs(found.theta[i * entries.size() + k] - r.theta[k]), 1e-4);
      f.use(likelihood).value(r.theta.data());
      std::vector<double> beta(own.basis.p());
      own.basis.to_original(f.pls().beta().data(), beta.data());
      for (int j = 0; j < 3; ++j) CHECK_ERROR("beta", std::abs(found.beta[i * 3 + j] - beta[j]), 1e-5);
      const double df = likelihood == mm::Likelihood::reml ? s.n - 3 : s.n;
      CHECK_ERROR("sigma", std::abs(found.sigma[i] - std::sqrt(f.pls().pwrss() / df)), 1e-5);
    }
  }
}

TEST(a_response_far_from_zero) {
  const Structure s = structures::crossed(2, 100, {{10, {1}}}, 2);
  const Stages stages(s);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  std::vector<double> responses(s.y);
  for (double y : s.y) responses.push_back(y + 1e8);
  const mm::Refits r = mm::refit(stages.model, responses.data(), 2, {1.0}, mm::Likelihood::reml, {}, 1);
  CHECK_ERROR("theta far from zero", std::abs(r.theta[1] - r.theta[0]), 1e-6);
  CHECK_ERROR("sigma far from zero", std::abs(r.sigma[1] - r.sigma[0]), 1e-6);
  CHECK_ERROR("intercept far from zero", std::abs(r.beta[2] - 1e8 - r.beta[0]), 1e-6);
}

}  // namespace
