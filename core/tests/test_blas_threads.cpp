// The scopes that hold BLAS to a number of threads.
#include <thread>

#include "check.hpp"
#include "mixedmodels/blas_threads.hpp"

namespace mm = mixedmodels;

namespace {

int threads_now = 8;

void switch_on() {
  mm::blas_table().get_threads = [] { return threads_now; };
  mm::blas_table().set_threads = [](int threads) { threads_now = threads; };
}

TEST(a_scope_sets_and_restores) {
  switch_on();
  {
    const mm::BlasThreads outer(2);
    CHECK(threads_now == 2);
    {
      const mm::BlasThreads inner(1);
      CHECK(threads_now == 1);
    }
    CHECK(threads_now != 8);
  }
  CHECK(threads_now == 8);
}

TEST(the_last_of_overlapping_scopes_restores) {
  switch_on();
  std::vector<std::thread> workers;
  for (int i = 0; i < 8; ++i)
    workers.emplace_back([] {
      for (int round = 0; round < 1000; ++round) const mm::BlasThreads scope(1);
    });
  for (std::thread& worker : workers) worker.join();
  CHECK(threads_now == 8);
}

TEST(without_a_switch_nothing_happens) {
  mm::blas_table().get_threads = nullptr;
  threads_now = 8;
  const mm::BlasThreads scope(1);
  CHECK(threads_now == 8);
}

}  // namespace
