// Purpose: runs numbered tasks on a few threads and waits for them.
// Tasks of one call must not write the same place; which thread runs a task has no influence on its result. Workers
// sleep soon after a call, so that a busy machine loses nothing to them, and are started at the first call that needs
// them. A worker that has not woken when all tasks are taken is not waited for.
// Where the system gives no more threads, those that there are do the work. What a task throws is thrown by the call,
// once all of its threads have stopped. A forked process starts workers of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace mixedmodels {

class Workers {
 public:
  explicit Workers(int threads);
  ~Workers();
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
  class Crew;

  void start();
  void dispatch(int count, Call call, void* task);
  void abandon_after_fork();

  int threads_;
  std::int64_t owner_ = 0;  // the process that started the crew
  std::unique_ptr<Crew> crew_;
};

}  // namespace mixedmodels
