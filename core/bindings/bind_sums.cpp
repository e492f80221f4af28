// Bindings of sums.hpp: sums over rows as a value that grows, its frame, and both as plain arrays.
#include <mutex>

#include "model.hpp"

namespace {

using Longs = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ints = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr std::int64_t kVersion = 1;

// Every array of a state, with its name.
template <typename State, typename Visit>
void each_array(State& s, bool frame_only, Visit&& visit) {
  visit("terms", s.terms), visit("widths", s.widths);
  visit("R", s.R), visit("c", s.c), visit("T", s.T);
  visit("numbers", s.numbers);
  if (frame_only) return;
  visit("levels", s.levels), visit("counts", s.counts);
  visit("XtX", s.XtX), visit("ZtX", s.ZtX), visit("diagonal", s.diagonal);
  visit("level_counts", s.level_counts), visit("pair_counts", s.pair_counts);
  visit("level_a", s.level_a), visit("level_b", s.level_b), visit("pair_values", s.pair_values);
}

nb::dict to_dict(mm::SumsState state, bool frame_only) {
  nb::dict out;
  out["version"] = to_numpy(std::vector<std::int64_t>{kVersion});
  each_array(state, frame_only, [&](const char* name, auto& values) { out[name] = to_numpy(std::move(values)); });
  return out;
}

template <typename T>
std::vector<T> taken(const nb::dict& given, const char* name) {
  using Given = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
  Given array;
  if (!given.contains(name) || !nb::try_cast<Given>(given[name], array, false))
    throw nb::value_error((std::string("the state of sums has no array '") + name + "' of the right kind").c_str());
  return {array.data(), array.data() + array.size()};
}

mm::SumsState to_state(const nb::dict& given, bool frame_only) {
  if (taken<std::int64_t>(given, "version") != std::vector<std::int64_t>{kVersion})
    throw nb::value_error("the state of sums is of another version");
  mm::SumsState out;
  each_array(out, frame_only,
             [&]<typename T>(const char* name, std::vector<T>& values) { values = taken<T>(given, name); });
  return out;
}

mm::SumsFrame frame_of(const nb::dict& state) { return mm::frame_from_state(to_state(state, true)); }

// One thread at a time works on a value.
struct SharedSums {
  mm::Sums core;
  std::mutex mutex;

  explicit SharedSums(mm::Sums sums) : core(std::move(sums)) {}

  template <typename Work>
  auto locked(const Work& work) {
    return in_core([&] {
      const std::lock_guard lock(mutex);
      return work(core);
    });
  }
};

void add(SharedSums& s, std::vector<nb::object> codes, std::vector<std::vector<Matrix>> z, Matrix X, Vector y,
         std::optional<Vector> w, std::optional<Vector> offset, double within, std::optional<std::int64_t> n,
         std::optional<double> sum_log_weights) {
  if (n.has_value() != sum_log_weights.has_value())
    throw nb::value_error("n and sum_log_weights are given together, for rows that stand for several each");
  const GivenRows given(std::move(codes), s.core.levels(), std::move(z), X, y, w, offset);
  if (given.widths != s.core.frame().widths || given.rows.p() != s.core.frame().fixed.p())
    throw nb::value_error("X and z do not have the columns of the frame");
  const mm::Cells cells{n.value_or(0), sum_log_weights.value_or(0)};
  s.locked([&](mm::Sums& sums) { sums.add(given.rows, within, n ? &cells : nullptr); });
}

SharedSums* merge(SharedSums& one, SharedSums& other) {
  return in_core([&] {
    std::unique_lock first(one.mutex, std::defer_lock), second(other.mutex, std::defer_lock);
    if (&one == &other)
      first.lock();
    else
      std::lock(first, second);
    return new SharedSums(one.core.merged(other.core));
  });
}

mm::Sums sums_of(const nb::dict& given) {
  mm::SumsState state = to_state(given, false);
  return in_core([&] { return mm::Sums::from_state(std::move(state)); });
}

nb::dict state(SharedSums& s) {
  return to_dict(s.locked([](mm::Sums& sums) { return sums.state(); }), false);
}

void bind_frame(nb::module_& m) {
  nb::class_<mm::SumsFrame>(
      m, "Frame",
      "Coordinates of X, y and the columns of Z, fixed before rows are summed. Any are right; they\n"
      "decide how many digits the sums keep.")
      .def_static(
          "pilot",
          [](std::vector<std::vector<Matrix>> z, Matrix X, Vector y, std::optional<Vector> w,
             std::optional<Vector> offset) {
            const GivenRows given(std::move(z), X, y, w, offset);
            if (given.rows.n == 0) throw nb::value_error("a frame needs a row");
            return in_core([&] { return mm::pilot_sums_frame(given.rows, given.widths); });
          },
          nb::arg("z"), nb::arg("X"), nb::arg("y"), nb::arg("weights").none() = nb::none(),
          nb::arg("offset").none() = nb::none(),
          "The frame of some rows, for many. z: per factor the list of its terms' (n, s) matrices.")
      .def("state", [](const mm::SumsFrame& f) { return to_dict(mm::state_of(f), true); })
      .def_static("from_state", &frame_of, nb::arg("state"))
      .def("__getstate__", [](const mm::SumsFrame& f) { return to_dict(mm::state_of(f), true); })
      .def("__setstate__", [](mm::SumsFrame& f, const nb::dict& given) { new (&f) mm::SumsFrame(frame_of(given)); })
      .def("__eq__", [](const mm::SumsFrame& f, const mm::SumsFrame& g) { return f == g; })
      .def("__eq__", [](const mm::SumsFrame&, nb::object) { return false; })
      .def("__hash__", [](const mm::SumsFrame& f) { return f.fixed.c.size(); })
      .def_prop_ro("p", [](const mm::SumsFrame& f) { return f.fixed.p(); })
      .def_prop_ro("widths", [](const mm::SumsFrame& f) { return f.widths; }, "Columns of the terms of every factor.");
}

}  // namespace

void bind_sums(nb::module_& m) {
  bind_frame(m);
  nb::class_<SharedSums>(m, "Sums",
                         "Sums over rows in a frame: cross-products that grow by batches and are merged. `levels` are\n"
                         "the numbers of levels of every grouping factor.")
      .def(
          "__init__",
          [](SharedSums* s, std::vector<std::int32_t> levels, const mm::SumsFrame& frame) {
            for (std::int32_t count : levels)
              if (count < 0) throw nb::value_error("a factor has a number of levels");
            new (s) SharedSums(mm::Sums(std::move(levels), frame));
          },
          nb::arg("levels"), nb::arg("frame"))
      .def("add", &add, nb::arg("codes"), nb::arg("z"), nb::arg("X"), nb::arg("y"),
           nb::arg("weights").none() = nb::none(), nb::arg("offset").none() = nb::none(), nb::arg("within") = 0.0,
           nb::arg("n").none() = nb::none(), nb::arg("sum_log_weights").none() = nb::none(),
           "Adds rows, arguments as of Products. `within`: squares of the response about the means that rows stand "
           "for;\n"
           "n, sum_log_weights: of the rows that these rows stand for. ValueError for numbers that are not finite,\n"
           "nothing is added then; after an interrupt the sums are not usable.")
      .def("merge", &merge, nb::arg("other"), nb::rv_policy::take_ownership, "A new value.")
      .def(
          "pack", [](SharedSums& s) { s.locked([](mm::Sums& sums) { sums.pack(); }); }, "Merges what is to be merged.")
      .def("state", &state, "All numbers, as arrays.")
      .def_static(
          "from_state", [](const nb::dict& given) { return new SharedSums(sums_of(given)); }, nb::arg("state"),
          nb::rv_policy::take_ownership, "ValueError where the arrays are not those of sums.")
      .def("__getstate__", &state)
      .def("__setstate__", [](SharedSums& s, const nb::dict& given) { new (&s) SharedSums(sums_of(given)); })
      .def_prop_ro(
          "n", [](SharedSums& s) { return s.locked([](mm::Sums& sums) { return sums.n(); }); },
          "Rows with a weight above zero.")
      .def_prop_ro("rows", [](SharedSums& s) { return s.locked([](mm::Sums& sums) { return sums.rows(); }); })
      .def_prop_ro("nbytes", [](SharedSums& s) { return s.locked([](mm::Sums& sums) { return sums.bytes(); }); })
      .def_prop_ro(
          "pairs", [](SharedSums& s) { return s.locked([](mm::Sums& sums) { return sums.pack(), sums.pairs(); }); },
          "Pairs of levels that occur.")
      .def_prop_ro("levels", [](const SharedSums& s) { return s.core.levels(); })
      .def_prop_ro("frame", [](const SharedSums& s) { return s.core.frame(); })
      .def(
          "level_counts",
          [](SharedSums& s, std::size_t factor) {
            if (factor >= s.core.levels().size()) throw nb::index_error("there is not such a factor");
            return to_numpy(s.locked([&](mm::Sums& sums) { return sums.level_counts(factor); }));
          },
          nb::arg("factor"), "Rows of every level with a weight above zero.")
      .def(
          "condition",
          [](SharedSums& s) {
            const auto found = s.locked([](mm::Sums& sums) { return sums.condition(); });
            return nb::make_tuple(found.frame, found.response);
          },
          "Condition of the frame in the rows, and squares of the response in it over those left by least squares.")
      .def(
          "better_frame", [](SharedSums& s) { return s.locked([](mm::Sums& sums) { return sums.better_frame(); }); },
          "The frame of these rows, for another pass over them.")
      .def(
          "finish", [](SharedSums& s) { return new Products(s.locked([](mm::Sums& sums) { return Products(sums); })); },
          nb::rv_policy::take_ownership, "Products without rows.");
}
