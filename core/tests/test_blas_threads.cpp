// The scopes that hold BLAS to a number of threads.
#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "check.hpp"
#include "kernels/blas.hpp"
#include "kernels/blas_threads.hpp"

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

#if defined(__unix__)
TEST(scopes_of_other_threads_end_with_a_fork) {
  switch_on();
  std::atomic<bool> entered{false}, leave{false};
  std::thread other([&] {
    const mm::BlasThreads scope(1);
    entered = true;
    while (!leave) std::this_thread::yield();
  });
  while (!entered) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    const bool held = threads_now == 1;
    {
      const mm::BlasThreads scope(2);
    }
    _exit(held && threads_now == 8 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  leave = true;
  other.join();
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(threads_now == 8);
}

TEST(scopes_of_the_forking_thread_stay) {
  switch_on();
  int status = -1;
  {
    const mm::BlasThreads outer(1);
    const pid_t child = fork();
    if (child == 0) {
      {
        const mm::BlasThreads inner(2);
      }
      _exit(threads_now == 2 ? 0 : 1);
    }
    waitpid(child, &status, 0);
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(threads_now == 8);
}
#endif

#if defined(__unix__)
std::mutex library_lock;

void call_library() {
  double value = 1;
  mm::blas::potri('L', 1, &value, 1);
}

bool ended_well(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Must be the first test that calls the library: each of its processes makes its first call beside a fork.
TEST(a_fork_waits_for_the_first_call) {
  const mm::BlasTable before = mm::blas_table();
  mm::blas_table().dpotri = [](char*, int*, double*, int*, int*) {
    const std::lock_guard<std::mutex> held(library_lock);
  };
  int bad = 0;
  for (int round = 0; round < 500; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);
      std::atomic<bool> ready{false};
      std::thread other([&] {
        ready = true;
        call_library();
      });
      while (!ready) {
      }
      const pid_t own = fork();
      if (own == 0) {
        alarm(30);
        call_library();
        _exit(0);
      }
      const bool well = ended_well(own);
      other.join();
      _exit(well ? 0 : 1);
    }
    bad += !ended_well(child);
  }
  mm::blas_table() = before;
  CHECK(bad == 0);
}

TEST(a_fork_waits_for_calls_of_the_library) {
  const mm::BlasTable before = mm::blas_table();
  mm::blas_table().dpotri = [](char*, int*, double*, int*, int*) {
    const std::lock_guard<std::mutex> held(library_lock);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  std::atomic<bool> leave{false};
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i)
    workers.emplace_back([&] {
      while (!leave) call_library();
    });
  std::atomic<int> bad{0};
  std::vector<std::thread> forking;
  for (int i = 0; i < 2; ++i)
    forking.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        std::this_thread::sleep_for(std::chrono::microseconds(300 * round));
        const pid_t child = fork();
        if (child == 0) {
          alarm(30);
          call_library();
          const pid_t own = fork();
          if (own == 0) _exit(0);
          _exit(ended_well(own) ? 0 : 1);
        }
        if (!ended_well(child)) ++bad;
      }
    });
  for (std::thread& thread : forking) thread.join();
  leave = true;
  for (std::thread& worker : workers) worker.join();
  mm::blas_table() = before;
  CHECK(bad == 0);
}
#endif

TEST(without_a_switch_nothing_happens) {
  mm::blas_table().get_threads = nullptr;
  threads_now = 8;
  const mm::BlasThreads scope(1);
  CHECK(threads_now == 8);
}

}  // namespace
