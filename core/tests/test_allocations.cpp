// Value and gradient of the criterion allocate nothing after the first call of each.
// Every allocation of this program goes through the operators below, which count; the plain loops that stand for BLAS
// here allocate nothing themselves.
#include <atomic>
#include <cstdlib>
#include <new>

#include "check.hpp"
#include "structures.hpp"

namespace {

std::atomic<long> allocations{0};

void* counted(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size > 0 ? size : 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void* counted_aligned(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto unit = static_cast<std::size_t>(alignment);
  void* memory = std::aligned_alloc(unit, (size + unit) / unit * unit);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return ++allocations, std::malloc(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return ++allocations, std::malloc(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted_aligned(size, alignment); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return counted_aligned(size, alignment); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

constexpr mm::Likelihood kCriteria[] = {mm::Likelihood::ml, mm::Likelihood::reml};

// Allocations of `rounds` of evaluations at new thetas after one of each kind.
long count(const Stages& stages, int rounds, int threads = 1) {
  const Structure& s = stages.structure;
  mm::Criterion f(stages.model, mm::Likelihood::ml, threads);
  Random random(1);
  std::vector<std::vector<double>> thetas;
  for (int i = 0; i <= rounds; ++i)
    thetas.push_back(
        structures::theta(random, s, i % 3 == 2 ? structures::Point::zero_column : structures::Point::interior));
  std::vector<double> gradient(f.m());
  for (mm::Likelihood likelihood : kCriteria) {
    f.use(likelihood).value(thetas[0].data());
    f.use(likelihood).gradient(gradient.data());
  }
  const long before = allocations;
  for (int i = 1; i <= rounds; ++i)
    for (mm::Likelihood likelihood : kCriteria) {
      f.use(likelihood).value(thetas[i].data());
      f.use(likelihood).gradient(gradient.data());
    }
  const long after = allocations;
  CHECK(f.n_value() == rounds + 1 && f.n_gradient() == 2 * (rounds + 1));
  return after - before;
}

void check_structure(const Structure& s, const char* what) {
  check::at(what);
  CHECK_ERROR("allocations", static_cast<double>(count(Stages(s), 6)), 0.0);
}

TEST(the_count_counts) {
  const long before = allocations;
  const std::vector<double> some(3);
  CHECK(allocations == before + 1);
}

TEST(scalar_and_vector_valued_terms) {
  check_structure(structures::crossed(1, 60, {{8, {1}}}), "one scalar term");
  check_structure(structures::crossed(2, 90, {{8, {3}}}), "one vector-valued term");
  check_structure(structures::crossed(3, 90, {{8, {2, 1}}}), "two terms on one factor");
  check_structure(structures::crossed(4, 60, {{8, {1}}}, 0), "no fixed effects");
  check_structure(structures::crossed(5, 60, {{8, {1}}}, 6), "many fixed effects");
}

TEST(crossed_nested_and_partially_crossed_designs) {
  check_structure(structures::crossed(1, 200, {{20, {1}}, {12, {1}}}), "crossed, scalar");
  check_structure(structures::crossed(2, 200, {{12, {2}}, {9, {3}}, {5, {1}}}), "crossed, vectors");
  check_structure(structures::nested(3, 300, {{60, {1}}, {12, {1}}, {4, {1}}}), "nested, scalar");
  check_structure(structures::nested(4, 300, {{40, {2}}, {8, {1, 1}}}), "nested, vectors");
  check_structure(structures::partially_crossed(5, 100, 25, 3, 1), "partially crossed, scalar");
  check_structure(structures::partially_crossed(6, 100, 25, 3, 2), "partially crossed, vectors");
}

TEST(large_supernodes) {
  Paths seen;
  for (const Structure& s : structures::large()) {
    Stages stages(s);
    stages.each_order([&](const char* order) {
      check::at(s.kind + ", " + order);
      seen.add(stages.symbolic);
      CHECK_ERROR("allocations, large supernodes", static_cast<double>(count(stages, 2)), 0.0);
    });
  }
  CHECK(seen.wide && seen.contiguous && seen.scattered);
}

TEST(several_threads) {
  for (const Structure& s : {structures::crossed(1, 2500, {{300, {1}}, {260, {1}}}),
                             structures::nested(3, 20000, {{7000, {2}}, {900, {2}}, {60, {3}}})}) {
    check::at(s.kind);
    const Stages stages(s);
    CHECK(mm::Factor(stages.A, stages.symbolic, 3).workers().threads() == 3);
    CHECK_ERROR("allocations, three threads", static_cast<double>(count(stages, 3, 3)), 0.0);
  }
}

TEST(random_structures) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) check_structure(structures::random(seed), "random structure");
}

}  // namespace
