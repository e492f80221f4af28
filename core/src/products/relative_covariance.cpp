#include "products/relative_covariance.hpp"

#include "kernels/small_dense.hpp"

namespace mixedmodels {

std::vector<ThetaTerm> theta_terms(const std::vector<ThetaEntry>& entries) {
  std::vector<ThetaTerm> out;
  for (std::size_t e = 0; e < entries.size(); e += static_cast<std::size_t>(entries_of_term(out.back().width))) {
    const ThetaEntry& corner = entries[e];
    std::size_t last = e;  // of the first column
    while (last < entries.size() && entries[last].factor == corner.factor && entries[last].column == corner.column)
      ++last;
    out.push_back({corner.factor, corner.row, static_cast<int>(last - e), e});
  }
  return out;
}

Templates zero_templates(const CrossProducts& A) {
  Templates out;
  for (const FactorBlock& f : A.factors) out.emplace_back(static_cast<std::size_t>(f.width) * f.width, 0.0);
  return out;
}

void set_templates(const CrossProducts& A, const std::vector<ThetaEntry>& entries, const double* theta,
                   Templates& lam) {
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const auto [factor, row, column] = entries[e];
    lam[factor][row + column * A.factors[factor].width] = theta[e];
  }
}

void apply_templates(const CrossProducts& A, const Templates& lam, const double* in, double* out, int k) {
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    const FactorBlock& block = A.factors[f];
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t at = (block.offset + std::int64_t{l} * block.width) * k;
      small::apply_template(block.width, lam[f].data(), in + at, out + at, k);
    }
  }
}

}  // namespace mixedmodels
