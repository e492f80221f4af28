// Purpose: runs numbered tasks on a few threads and waits for them.
// Tasks of one call must not write the same place; which thread runs a task has no influence on its result. Workers
// sleep between calls, so that a busy machine loses nothing to them, and are started at the first call that needs them.
// Where the system gives no more threads, those that there are do the work. What a task throws is thrown by the call,
// once all of its threads have stopped.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mixedmodels {

class Workers {
 public:
  explicit Workers(int threads) : threads_(threads < 1 ? 1 : threads) {}
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int threads() const { return threads_; }

  // Calls task(i, thread) for i in 0 .. count - 1, thread in 0 .. threads - 1.
  template <typename Task>
  void run(int count, Task&& task) {
    if (threads_ > 1 && count > 1) start();
    if (threads_ == 1 || count < 2) {
      for (int i = 0; i < count; ++i) task(i, 0);
      return;
    }
    auto call = [](void* t, int i, int thread) { (*static_cast<std::remove_reference_t<Task>*>(t))(i, thread); };
    dispatch(count, call, &task);
  }

 private:
  using Call = void (*)(void*, int, int);

  void start();
  void stop();
  void dispatch(int count, Call call, void* task);
  void work(int thread, std::uint64_t seen);
  void take(int thread);

  int threads_;
  std::vector<std::thread> workers_;
  std::int64_t owner_ = 0;  // the process that started the workers: they do not survive a fork
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::uint64_t round_ = 0;
  int busy_ = 0;
  bool stopping_ = false;
  Call call_ = nullptr;
  void* task_ = nullptr;
  int count_ = 0;
  std::atomic<int> next_{0};
  std::exception_ptr thrown_;  // the first
};

}  // namespace mixedmodels
