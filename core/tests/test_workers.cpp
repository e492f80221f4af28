// Numbered tasks on a few threads.
#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "kernels/workers.hpp"

namespace {

using mixedmodels::Workers;

TEST(every_task_runs_once) {
  for (int threads : {1, 2, 4}) {
    Workers workers(threads);
    CHECK(workers.threads() == threads);
    for (int count : {0, 1, 2, 3, 100, 0, 7}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
      std::atomic<bool> in_range{true};
      workers.run(count, [&](int i, int thread) {
        ++runs[i];
        if (thread < 0 || thread >= threads) in_range = false;
      });
      CHECK(in_range);
      for (const auto& run : runs) CHECK(run == 1);
    }
  }
}

TEST(results_are_there_when_run_returns) {
  Workers workers(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<int> out(20, -1);
    workers.run(20, [&](int i, int) { out[i] = i + round; });
    CHECK(std::accumulate(out.begin(), out.end(), 0) == 190 + 20 * round);
  }
}

// More threads than processors, and pauses in which workers fall asleep: some come when a call is over, or never.
TEST(calls_do_not_need_every_worker) {
  Workers workers(16);
  for (int round = 0; round < 300; ++round) {
    const int count = 2 + round % 5;
    std::vector<int> out(static_cast<std::size_t>(count), -1);
    workers.run(count, [&](int i, int) { out[i] = i + round; });
    for (int i = 0; i < count; ++i) CHECK(out[i] == i + round);
    if (round % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(a_thread_has_a_place_of_its_own) {
  Workers workers(4);
  std::vector<long> sums(4, 0);
  workers.run(1000, [&](int i, int thread) { sums[thread] += i; });
  CHECK(std::accumulate(sums.begin(), sums.end(), 0L) == 499500);
}

TEST(what_a_task_throws_is_thrown) {
  for (int threads : {1, 3}) {
    Workers workers(threads);
    for (int bad : {0, 5, 99}) {
      bool caught = false;
      try {
        workers.run(100, [&](int i, int) {
          if (i == bad) throw std::runtime_error("task " + std::to_string(i));
        });
      } catch (const std::runtime_error& error) {
        caught = error.what() == "task " + std::to_string(bad);
      }
      CHECK(caught);
      std::atomic<int> runs{0};
      workers.run(100, [&](int, int) { ++runs; });
      CHECK(runs == 100);
    }
  }
}

// ThreadSanitizer does not follow threads started after a fork.
#if defined(__unix__) && !defined(__SANITIZE_THREAD__)
TEST(workers_start_anew_after_a_fork) {
  for (int round = 0; round < 20; ++round) {
    Workers workers(3);
    std::atomic<long> sum{0};
    const auto rounds = [&](int count) {
      for (int i = 0; i < count; ++i) workers.run(50, [&](int task, int) { sum += task; });
    };
    rounds(5);
    const pid_t child = fork();
    if (child == 0) {
      sum = 0;
      rounds(200);
      _exit(sum == 200 * 1225 ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    sum = 0;
    rounds(5);
    CHECK(sum == 5 * 1225);
  }
}
#endif

TEST(fewer_threads_than_one_is_one) { CHECK(Workers(0).threads() == 1 && Workers(-3).threads() == 1); }

TEST(workers_that_never_ran_end_too) {
  for (int i = 0; i < 100; ++i) Workers workers(3);
}

}  // namespace
