// Bindings of codes.hpp.
#include "arrays.hpp"
#include "core_call.hpp"
#include "products/codes.hpp"

namespace mm = mixedmodels;

namespace {

nb::tuple encode_integers(Integers values) {
  mm::EncodedIntegers out;
  {
    const CoreCall call;
    out = mm::encode_integers(values.data(), static_cast<std::int64_t>(values.size()));
  }
  return nb::make_tuple(to_numpy(std::move(out.codes)), to_numpy(std::move(out.levels)));
}

nb::tuple interact(nb::object codes_a, std::int32_t n_a, nb::object codes_b, std::int32_t n_b) {
  const Codes a = checked_codes(codes_a, n_a), b = checked_codes(codes_b, n_b);
  if (a.size() != b.size()) throw nb::value_error("codes of two factors differ in length");
  mm::Interaction out;
  {
    const CoreCall call;
    out = mm::interact(a.data(), n_a, b.data(), n_b, static_cast<std::int64_t>(a.size()));
  }
  return nb::make_tuple(to_numpy(std::move(out.codes)), to_numpy(std::move(out.level_a)),
                        to_numpy(std::move(out.level_b)));
}

nb::tuple compact(nb::object given, std::int32_t n_levels) {
  const Codes codes = checked_codes(given, n_levels);
  mm::Compaction out;
  {
    const CoreCall call;
    out = mm::compact(codes.data(), n_levels, static_cast<std::int64_t>(codes.size()));
  }
  const bool unchanged = static_cast<std::int32_t>(out.kept.size()) == n_levels;
  return nb::make_tuple(unchanged ? given : nb::cast(to_numpy(std::move(out.codes))), to_numpy(std::move(out.kept)));
}

}  // namespace

void bind_codes(nb::module_& m) {
  m.def("encode_integers", &encode_integers, nb::arg("values"),
        "Codes (n,) of integers (n,), and their distinct values in ascending order.");
  m.def("interact", &interact, nb::arg("a"), nb::arg("n_a"), nb::arg("b"), nb::arg("n_b"),
        "Codes (n,) of the observed combinations of two coded factors, and the two levels of each combination.");
  m.def("compact", &compact, nb::arg("codes"), nb::arg("n_levels"),
        "Codes (n,) without unused levels, and the levels kept; the same array when all are used.");
}
