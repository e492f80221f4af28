// Interrupts: who is asked, how often, and that a workspace is as good as new afterwards.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "check.hpp"
#include "criterion/criterion.hpp"
#include "criterion/identify.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/workers.hpp"
#include "structures.hpp"

namespace {

using mixedmodels::check_interrupt;
using mixedmodels::Interrupted;
using mixedmodels::InterruptScope;
using mixedmodels::Workers;

std::atomic<bool> wanted{false};
std::atomic<int> asked{0};

bool stop() {
  ++asked;
  return wanted;
}

void reset(bool value) {
  wanted = value;
  asked = 0;
}

// Works until it is interrupted, or a second has passed.
bool works_until_interrupted() {
  const auto start = std::chrono::steady_clock::now();
  try {
    while (std::chrono::steady_clock::now() - start < std::chrono::seconds(1)) check_interrupt(1e6);
  } catch (const Interrupted&) {
    return true;
  }
  return false;
}

TEST(without_a_scope_there_is_no_check) {
  reset(true);
  for (int i = 0; i < 1000; ++i) check_interrupt(1e9);
  CHECK(asked == 0);
}

TEST(little_work_makes_no_check) {
  reset(true);
  const InterruptScope scope(stop);
  for (int i = 0; i < 1000; ++i) check_interrupt(100);
  CHECK(asked == 0);
}

TEST(long_work_is_interrupted) {
  reset(true);
  const InterruptScope scope(stop);
  CHECK(works_until_interrupted());
  CHECK(asked == 1);
}

TEST(work_goes_on_without_an_interrupt) {
  reset(false);
  const InterruptScope scope(stop);
  CHECK(!works_until_interrupted());
  CHECK(asked > 1 && asked < 25);  // every twentieth of a second
}

TEST(an_inner_scope_belongs_to_the_outer_one) {
  reset(true);
  const InterruptScope outer(stop);
  {
    const InterruptScope inner([] { return false; });
    CHECK(works_until_interrupted());
  }
  bool thrown = false;
  try {
    for (int i = 0; i < 10; ++i) check_interrupt(1e9);
  } catch (const Interrupted&) {
    thrown = true;
  }
  CHECK(thrown);
}

TEST(workers_stop_with_their_caller) {
  for (int threads : {1, 3}) {
    reset(true);
    Workers workers(threads);
    const InterruptScope scope(stop);
    bool thrown = false;
    std::atomic<int> begun{0};
    try {
      workers.run(100, [&](int, int) {
        ++begun;
        while (true) check_interrupt(1e6);
      });
    } catch (const Interrupted&) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(begun <= threads);
  }
}

TEST(a_caller_that_waits_for_workers_is_asked) {
  reset(true);
  Workers workers(2);
  const InterruptScope scope(stop);
  bool thrown = false;
  std::atomic<int> long_ones{0};
  try {
    workers.run(2, [&](int, int thread) {
      if (thread == 0) {  // the caller is done soon
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return;
      }
      ++long_ones;
      while (true) check_interrupt(1e6);
    });
  } catch (const Interrupted&) {
    thrown = true;
  }
  CHECK(thrown == (long_ones > 0));
}

TEST(workers_work_again_after_an_interrupt) {
  reset(true);
  Workers workers(3);
  {
    const InterruptScope scope(stop);
    try {
      workers.run(3, [&](int, int) {
        while (true) check_interrupt(1e6);
      });
    } catch (const Interrupted&) {
    }
  }
  std::atomic<int> sum{0};
  workers.run(100, [&](int i, int) {
    check_interrupt(1e9);
    sum += i;
  });
  CHECK(sum == 4950);
}

// Interrupts the n-th time that it is asked, counted down.
std::atomic<int> left{0};
bool countdown() { return --left == 0; }

struct EveryCheckAsks {
  EveryCheckAsks() { InterruptScope::interval = std::chrono::milliseconds(0), mixedmodels::interrupts::slice_size = 1; }
  ~EveryCheckAsks() {
    InterruptScope::interval = std::chrono::milliseconds(50), mixedmodels::interrupts::slice_size = 2e6;
  }
};

// Value and gradient at two thetas, one after the other.
std::vector<double> evaluate(mm::Criterion& f, const std::vector<double>& one, const std::vector<double>& two) {
  std::vector<double> out;
  for (const std::vector<double>& theta : {one, two}) {
    out.push_back(f.use(mm::Likelihood::reml).value(theta.data()));
    std::vector<double> gradient(theta.size());
    f.use(mm::Likelihood::reml).gradient(gradient.data());
    out.insert(out.end(), gradient.begin(), gradient.end());
  }
  return out;
}

// Wherever an evaluation is interrupted, the next one gives the same numbers to the last bit.
TEST(an_interrupted_evaluation_leaves_nothing_behind) {
  const EveryCheckAsks every;
  for (std::uint64_t seed : {1, 7, 12, 33}) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    Random random(seed);
    const std::vector<double> one = structures::theta(random, s, structures::kPoints[0]),
                              two = structures::theta(random, s, structures::kPoints[0]);
    mm::Criterion fresh(stages.model, mm::Likelihood::ml);
    const std::vector<double> expected = evaluate(fresh, one, two);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    int interrupted = 0;
    for (int n = 1; n < 100000; n += 1 + n / 8) {
      check::at("seed " + std::to_string(seed) + " check " + std::to_string(n));
      left = n;
      bool thrown = false;
      try {
        const InterruptScope scope(countdown);
        evaluate(f, one, two);
      } catch (const Interrupted&) {
        thrown = true;
      }
      left = 0;
      CHECK(evaluate(f, one, two) == expected);
      if (!thrown) break;
      ++interrupted;
      f.response_changed();
    }
    CHECK(interrupted > 3);
  }
}

// Also where the fixed part is so small that nothing goes through BLAS.
TEST(the_test_for_confounded_parameters_is_interrupted_in_each_of_its_loops) {
  const EveryCheckAsks every;
  for (std::uint64_t seed : {1, 7, 12, 33}) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    const auto test = [&] { return mm::identifiability(stages.A, s.entries(), mm::Likelihood::reml); };
    const mm::Identifiability expected = test();
    int interrupted = 0;
    for (int n = 1; n < 100000; ++n) {
      left = n;
      try {
        const InterruptScope scope(countdown);
        const mm::Identifiability found = test();
        CHECK(found.pivot == expected.pivot && found.share == expected.share);
        break;
      } catch (const Interrupted&) {
        ++interrupted;
      }
    }
    left = 0;
    CHECK(interrupted > static_cast<int>(stages.A.factors.size() + stages.A.pairs.size()));
  }
}

TEST(turning_the_blocks_of_many_levels_is_interrupted) {
  const EveryCheckAsks every;
  mm::FactorBlock block;
  block.levels = 50;
  block.width = 3;
  block.T = {2, 0.5, 0.1, 0, 1, 0.3, 0, 0, 4};
  std::vector<double> covariances(50 * 9, 1.0);
  left = 1;
  bool thrown = false;
  try {
    const InterruptScope scope(countdown);
    mm::covariance_from_axes(block, covariances.data());
  } catch (const Interrupted&) {
    thrown = true;
  }
  left = 0;
  CHECK(thrown);
}

}  // namespace
