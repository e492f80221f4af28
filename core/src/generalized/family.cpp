#include "generalized/family.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "generalized/by_row.hpp"

namespace mixedmodels {

void Family::expected(const RowBlock& block, double* w) const {
  std::vector<double> unused(2 * static_cast<std::size_t>(block.count));
  rows(block, unused.data(), w, unused.data() + block.count);
}

void Family::by_parameter(const RowBlock& block, int, double* l, double* s, double* w) const {
  for (double* out : {l, s, w}) std::fill_n(out, block.count, 0.0);
}

bool Family::add_curvature(const RowBlock&, double*) const { return false; }

std::vector<double> Family::start_parameters(std::int64_t, const double*, const double*) const { return {}; }

std::unique_ptr<const Family> make_family(const std::string& family, const std::string& link) {
  MadeFamily made;
  if (family == "binomial") made = make_binomial(link);
  if (!made) made = make_counts(family, link);
  if (!made) made = make_positive(family, link);
  if (!made) made = make_linked(family, link);
  const std::string ordinal = "ordinal:";
  if (!made && family.starts_with(ordinal)) made = make_ordinal(std::stoi(family.substr(ordinal.size())) - 1, link);
  if (!made) throw std::invalid_argument("There is no family " + family + " with link " + link + ".");
  return made;
}

}  // namespace mixedmodels
