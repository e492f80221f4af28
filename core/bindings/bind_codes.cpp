// Bindings of codes.hpp.
#include "core_call.hpp"
#include "products/codes.hpp"
#include "results.hpp"

namespace mm = mixedmodels;

namespace {

using CodeArray = Array<std::int32_t>;

struct EncodedIntegers {
  CodeArray codes;
  Array<std::int64_t> levels;
};

struct Interaction {
  CodeArray codes, level_a, level_b;
};

struct Compaction {
  nb::object codes;  // the caller's own array where all levels are used
  CodeArray kept;
};

EncodedIntegers encode_integers(Integers values) {
  mm::EncodedIntegers found =
      in_core([&] { return mm::encode_integers(values.data(), static_cast<std::int64_t>(values.size())); });
  return {to_numpy(std::move(found.codes)), to_numpy(std::move(found.levels))};
}

Interaction interact(nb::object codes_a, std::int32_t n_a, nb::object codes_b, std::int32_t n_b) {
  const Codes a = checked_codes(codes_a, n_a), b = checked_codes(codes_b, n_b);
  if (a.size() != b.size()) throw nb::value_error("codes of two factors differ in length");
  mm::Interaction found =
      in_core([&] { return mm::interact(a.data(), n_a, b.data(), n_b, static_cast<std::int64_t>(a.size())); });
  return {to_numpy(std::move(found.codes)), to_numpy(std::move(found.level_a)), to_numpy(std::move(found.level_b))};
}

Compaction compact(nb::object given, std::int32_t n_levels) {
  const Codes codes = checked_codes(given, n_levels);
  mm::Compaction found =
      in_core([&] { return mm::compact(codes.data(), n_levels, static_cast<std::int64_t>(codes.size())); });
  const bool unchanged = static_cast<std::int32_t>(found.kept.size()) == n_levels;
  return {unchanged ? given : nb::cast(to_numpy(std::move(found.codes))), to_numpy(std::move(found.kept))};
}

}  // namespace

void bind_codes(nb::module_& m) {
  Result<EncodedIntegers>(m, "EncodedIntegers", "Integers as codes.")
      .array("codes", &EncodedIntegers::codes, "(n,).")
      .array("levels", &EncodedIntegers::levels, "The distinct values, ascending.");
  Result<Interaction>(m, "Interaction", "The combinations of two coded factors that occur.")
      .array("codes", &Interaction::codes, "(n,).")
      .array("level_a", &Interaction::level_a, "Level of the first factor in every combination.")
      .array("level_b", &Interaction::level_b, "Level of the second.");
  Result<Compaction>(m, "Compaction", "Codes without unused levels.")
      .array("kept", &Compaction::kept, "The levels that are used, ascending.")
      .def_prop_ro(
          "codes", [](const Compaction& s) { return s.codes; },
          nb::sig("def codes(self) -> numpy.typing.NDArray[numpy.int32]"),
          "(n,); the same array as was given when all levels are used.");
  m.def("encode_integers", &encode_integers, nb::arg("values"), "Codes of integers (n,), and their distinct values.");
  m.def("interact", &interact, nb::arg("a"), nb::arg("n_a"), nb::arg("b"), nb::arg("n_b"),
        "Codes of the combinations of two coded factors that occur.");
  m.def("compact", &compact, nb::arg("codes"), nb::arg("n_levels"), "Codes (n,) without unused levels.");
}
