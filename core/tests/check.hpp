// Purpose: the few lines of test framework that the core's tests need; no dependency, no Python.
// Every test program is one source file that includes this header once and writes TEST(name) { ... } blocks; `main`
// is here. It fills the table of dense kernels with plain loops, runs the tests in order, prints the worst error seen
// under every name and returns 1 when anything failed.
#pragma once

#include <cmath>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "reference_blas.hpp"

namespace check {

// Whether a call refuses what it is given.
template <typename Call>
bool refuses(Call&& call) {
  try {
    call();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

struct Case {
  const char* name;
  void (*run)();
};

struct Worst {
  double error = 0, tolerance = 0;
};

struct State {
  std::vector<Case> cases;
  std::map<std::string, Worst> worst;
  std::string at;  // what is being looked at, for messages
  int failures = 0;
};

inline State& state() {
  static State shared;
  return shared;
}

struct Registration {
  Registration(const char* name, void (*run)()) { state().cases.push_back({name, run}); }
};

// Names what the checks that follow look at: a seed, a kind of design.
inline void at(std::string what) { state().at = std::move(what); }

inline void fail(const char* file, int line, const std::string& text) {
  State& s = state();
  if (++s.failures <= 20)
    std::printf("%s:%d: %s%s%s\n", file, line, text.c_str(), s.at.empty() ? "" : "  at ", s.at.c_str());
}

inline void that(bool holds, const char* text, const char* file, int line) {
  if (!holds) fail(file, line, text);
}

// A NaN is an error too.
inline void error(const char* name, double value, double tolerance, const char* file, int line) {
  Worst& worst = state().worst[name];
  worst.tolerance = tolerance;
  if (!(value <= worst.error)) worst.error = value;
  if (value <= tolerance) return;
  char text[200];
  std::snprintf(text, sizeof text, "%s: error %.3g, tolerance %.3g", name, value, tolerance);
  fail(file, line, text);
}

// |actual - expected| in units of the larger of |expected| and `least`.
inline double relative(double actual, double expected, double least = 1.0) {
  return std::abs(actual - expected) / std::fmax(std::abs(expected), least);
}

inline int run_all() {
  State& s = state();
  for (const Case& one : s.cases) {
    const int before = s.failures;
    at("");
    one.run();
    std::printf("%s  %s\n", s.failures == before ? "ok    " : "FAILED", one.name);
  }
  for (const auto& [name, worst] : s.worst)
    std::printf("worst %-40s %.2e  (tolerance %.3g)\n", name.c_str(), worst.error, worst.tolerance);
  return s.failures == 0 ? 0 : 1;
}

}  // namespace check

#define TEST(name)                                                \
  static void name();                                             \
  static const check::Registration register_##name(#name, &name); \
  static void name()
#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
#define CHECK_ERROR(name, value, tolerance) check::error((name), (value), (tolerance), __FILE__, __LINE__)

int main() {
  reference_blas::fill_table();
  return check::run_all();
}
