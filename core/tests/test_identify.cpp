// The suspicion that covariance parameters are confounded: none in crossed designs, always for a repeated factor.
#include "check.hpp"
#include "criterion/identify.hpp"
#include "structures.hpp"

namespace {

mm::Identifiability found(const Structure& s, mm::Likelihood likelihood) {
  const Stages stages(s);
  return mm::identifiability(stages.A, s.entries(), likelihood);
}

TEST(crossed_factors_are_identified) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Structure s = structures::crossed(seed, 200, {{12, {2, 1}}, {8, {1}}}, 3);
    for (auto likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) {
      const mm::Identifiability f = found(s, likelihood);
      CHECK(f.pivot > 1e-3 && f.pivot <= 1 + 1e-12);
      CHECK(f.share > 0.1 && f.share <= 1 + 1e-12);
    }
  }
}

TEST(a_factor_under_two_names_is_not_identified) {
  for (const std::vector<int>& widths : {std::vector<int>{1}, {2}, {2, 1}}) {
    Structure s = structures::crossed(3, 200, {{12, widths}, {8, {1}}}, 3);
    Structure::Factor again = s.factors[0];
    for (auto& code : again.codes) code = 11 - code;
    s.factors.push_back(again);
    for (auto likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) CHECK(found(s, likelihood).pivot < 1e-10);
  }
}

TEST(a_column_in_two_terms_is_not_identified) {
  Structure s = structures::crossed(4, 200, {{12, {2, 1}}}, 2);
  s.factors[0].z[2] = s.factors[0].z[1];
  for (auto likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) CHECK(found(s, likelihood).pivot < 1e-10);
}

// An indicator in X for every level: nothing of Z is left.
TEST(a_factor_in_the_fixed_part_has_no_share) {
  Structure s = structures::crossed(5, 120, {{6, {1}}}, 1);
  s.factors[0].z[0].clear();
  s.x.clear();
  for (int l = 0; l < 6; ++l) {
    s.x.emplace_back(s.n);
    for (int i = 0; i < s.n; ++i) s.x.back()[i] = s.factors[0].codes[i] == l;
  }
  CHECK(std::abs(found(s, mm::Likelihood::ml).share) < 1e-12);
  CHECK(found(s, mm::Likelihood::ml).pivot > 1e-3);
  CHECK(found(s, mm::Likelihood::reml).pivot < 1e-10);
}

}  // namespace
