// Interrupts and errors of the core as exceptions of Python.
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>

#include "core_call.hpp"
#include "kernels/memory.hpp"
#include "products/pattern.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace nb = nanobind;
namespace mm = mixedmodels;

namespace {

thread_local std::shared_ptr<std::atomic<bool>> flag_of_thread;
// What a signal handler has raised, on its way through the core.
thread_local std::optional<nb::python_error> raised;
// Python runs signal handlers in its main thread only; others need not ask.
unsigned long main_thread = 0;

bool flag_is_set() { return flag_of_thread && flag_of_thread->load(std::memory_order_relaxed); }

// Raises what a function of the package makes.
void set_error(const char* module, const char* function) {
  nb::object error = nb::module_::import_(module).attr(function)();
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
}

void set_exhausted() { set_error("mixedmodels.memory", "exhausted"); }

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const mm::Interrupted&) {
    if (raised) {
      raised->restore();
      raised.reset();
    } else {
      PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
  } catch (const mm::RowsNeeded&) {
    set_error("mixedmodels.design.absent", "rows_needed");
  } catch (const std::bad_alloc&) {
    set_exhausted();
  } catch (const std::length_error&) {  // more numbers than a vector can hold
    set_exhausted();
  }
}

void check_memory(const char* what, const mm::MemoryPart* parts, std::size_t count, double flops) {
  nb::gil_scoped_acquire acquire;
  nb::dict sizes;
  for (std::size_t i = 0; i < count; ++i) sizes[parts[i].name] = parts[i].bytes;
  nb::module_::import_("mixedmodels.memory").attr("require")(sizes, what, flops);
}

}  // namespace

void check_stop_flag() {
  if (flag_is_set()) throw mm::Interrupted();
}

bool stop_wanted() {
  if (flag_is_set()) return true;
  if (PyThread_get_thread_ident() != main_thread) return false;
  nb::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() == 0) return false;
  raised.emplace();
  return true;
}

void StopFlag::watch() const { flag_of_thread = flag_; }

void bind_errors(nb::module_& m) {
  main_thread = nb::cast<unsigned long>(nb::module_::import_("threading").attr("main_thread")().attr("ident"));
#if !defined(_WIN32)
  // The thread that forked is the main thread of the new process.
  pthread_atfork(nullptr, nullptr, [] { main_thread = PyThread_get_thread_ident(); });
#endif
  nb::register_exception_translator(translate);
  mm::memory_check() = check_memory;
  nb::class_<StopFlag>(m, "StopFlag", "Stops calls of the core that other threads make; signals do not reach these.")
      .def(nb::init<>())
      .def("set", &StopFlag::set, "Stop the calls of all threads that watch the flag: they raise KeyboardInterrupt.")
      .def("watch", &StopFlag::watch, "From now on calls of the core by this thread stop when the flag is set.");
}
