// Memory that is asked for before it is taken.
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "criterion/criterion.hpp"
#include "kernels/memory.hpp"
#include "structures.hpp"

namespace {

using mixedmodels::MemoryPart;

double most = 0, wanted = 0;
std::string what_for;

struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void refuse(const char* what, const MemoryPart* parts, std::size_t count, double) {
  wanted = 0;
  what_for = what;
  for (std::size_t i = 0; i < count; ++i) wanted += parts[i].bytes;
  if (wanted > most) throw Refused(what);
}

// Asks `refuse` while it lives.
struct Asking {
  explicit Asking(double bytes) {
    most = bytes;
    mm::memory_check() = refuse;
  }
  ~Asking() { mm::memory_check() = nullptr; }
};

TEST(small_needs_do_not_ask_the_system) {
  const Asking asking(0);
  mm::require_memory("a test", {{"numbers", 1e6}, {"others", 2e6}});
  CHECK(what_for.empty());
}

TEST(parts_are_added_and_refused) {
  const Asking asking(1e9);
  mm::require_memory("a test", {{"numbers", 4e8}, {"others", 5e8}});
  CHECK(wanted == 9e8);
  bool thrown = false;
  try {
    mm::require_memory("a test", {{"numbers", 4e8}, {"others", 7e8}});
  } catch (const Refused&) {
    thrown = true;
  }
  CHECK(thrown);
}

TEST(a_vector_grows_as_far_as_there_is_room) {
  const Asking asking(1e8);
  std::vector<double> v;
  bool thrown = false;
  try {
    for (;;) {
      mm::grow_within_memory(v, 1 << 20, "a test", "numbers");
      v.resize(v.size() + (1 << 20));
    }
  } catch (const Refused&) {
    thrown = true;
  }
  CHECK(thrown);
  CHECK(8.0 * static_cast<double>(v.capacity()) <= 1e8);
}

// What an evaluator is predicted to take holds the vectors that it does take.
TEST(factor_and_inverse_are_predicted) {
  for (const Structure& s : structures::large()) {
    const Stages stages(s);
    const mm::WorkspaceBytes need(stages.A, stages.symbolic, 1);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    f.pls().ensure_inverse();
    CHECK(need.factor >= 8.0 * static_cast<double>(f.pls().factor().panels().size()));
    CHECK(need.inverse >= 8.0 * static_cast<double>(f.pls().factor().inverse().size()));
  }
}

}  // namespace
