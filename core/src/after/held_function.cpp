#include "after/held_function.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/small_dense.hpp"
#include "products/axes.hpp"

namespace mixedmodels {

namespace {

// Size of a column of a template below which symmetry alone may hold it at zero (kZero), and its new start (kAway).
constexpr double kZero = 1e-3, kAway = 0.03;

std::vector<int> starts(const std::vector<ProfileTerm>& terms) {
  std::vector<int> out{0};
  for (const ProfileTerm& t : terms) out.push_back(out.back() + t.size * t.size);
  return out;
}

// out = a b for n x n matrices, column-major.
void multiply(int n, const double* a, const double* b, double* out) {
  std::fill_n(out, n * n, 0.0);
  for (int c = 0; c < n; ++c)
    for (int i = 0; i < n; ++i) small::axpy(n, b[i + c * n], a + i * n, out + c * n);
}

}  // namespace

HeldFunction::HeldFunction(std::vector<ProfileTerm> terms, ProfileParameter parameter)
    : terms_(std::move(terms)),
      parameter_(parameter),
      first_(starts(terms_)),
      templates_(static_cast<std::size_t>(first_.back())),
      theta_(templates_.size()),
      entry_gradient_(templates_.size()) {}

void HeldFunction::find_turn(const CrossProducts& A, double unit) {
  if (!is_turned()) return;
  const ProfileTerm& term = terms_[parameter_.term];
  turn_ = turn_effects(A, term, parameter_.first, parameter_.kind == Held::correlation ? parameter_.second : -1);
  rotation_.resize(turn_.there.size());
  if (parameter_.kind == Held::sd) unit_at_ = unit * std::max(turn_.length, std::numeric_limits<double>::min());
}

void HeldFunction::set_theta(const double* theta) {
  each_entry([&](int t, int r, int c) { theta_[place(t, r, c)] = *theta++; });
}

std::vector<double> HeldFunction::theta_of_user(const CrossProducts& A, double scale) const {
  std::vector<double> out;
  std::vector<ThetaEntry> entries;
  each_entry([&](int t, int r, int c) {
    out.push_back(theta_[place(t, r, c)] / scale);
    entries.push_back({terms_[t].factor, terms_[t].offset + r, terms_[t].offset + c});
  });
  ThetaAxes(A, entries).from_axes(out.data());
  return out;
}

ProfilePoint HeldFunction::point_here(bool converged) const {
  ProfilePoint out;
  out.at = shift_at_ + unit_at_ * at_;
  out.deviance = value_;
  out.slope = slope_ / unit_at_;
  out.converged = converged;
  return out;
}

void HeldFunction::choose_entries(const std::vector<double>& unit) {
  each_entry([&](int t, int r, int c) {
    const bool special = is_turned() && t == parameter_.term;
    if (special && parameter_.kind == Held::sd && r == 0) return;
    if (special && parameter_.kind == Held::correlation && (r == 1 || (r == 0 && c == 0))) return;
    slot_.push_back(place(t, r, c));
    unit_.push_back(unit[place(t, r, c)]);
  });
  if (parameter_.kind == Held::correlation)
    for (int i : {0, 1}) unit_.push_back(unit[place(parameter_.term, i, 0)]);
}

void HeldFunction::turn_templates() {
  templates_ = theta_;
  if (!is_turned()) return;
  const int s = terms_[parameter_.term].size;
  double* T = templates_.data() + first_[parameter_.term];
  multiply(s, turn_.there.data(), theta_.data() + first_[parameter_.term], T);
  small::rotate_to_lower(s, T, rotation_.data());
  for (int c = 0; c < s; ++c)
    if (T[c * (s + 1)] < 0)
      for (int i = c; i < s; ++i) T[i + c * s] = -T[i + c * s];
}

void HeldFunction::start_entries(const Scales& scales) {
  for (std::size_t i = 0; i < slot_.size(); ++i) start_[i] = templates_[slot_[i]] / (unit_[i] * scales.free);
  if (parameter_.kind == Held::sd) start_at_ = scales.templates * templates_[place(parameter_.term, 0, 0)];
  if (parameter_.kind != Held::correlation) return;
  const double x = templates_[place(parameter_.term, 1, 0)], y = templates_[place(parameter_.term, 1, 1)];
  start_at_ = std::atan2(x, y);
  const std::size_t k = slot_.size();
  start_[k] = std::sqrt(templates_[place(parameter_.term, 0, 0)] / (unit_[k] * scales.free));
  start_[k + 1] = std::sqrt(std::hypot(x, y) / (unit_[k + 1] * scales.free));
}

void HeldFunction::fill_entries(const std::vector<double>& free, double at, const Scales& scales) {
  for (std::size_t i = 0; i < slot_.size(); ++i) templates_[slot_[i]] = free[i] * unit_[i] * scales.free;
  if (parameter_.kind == Held::sd) templates_[place(parameter_.term, 0, 0)] = at / scales.templates;
  if (parameter_.kind == Held::correlation) {
    const std::size_t k = slot_.size();
    roots_[0] = free[k];
    roots_[1] = free[k + 1];
    const double b = roots_[1] * roots_[1] * unit_[k + 1] * scales.free;
    templates_[place(parameter_.term, 0, 0)] = roots_[0] * roots_[0] * unit_[k] * scales.free;
    templates_[place(parameter_.term, 1, 0)] = b * std::sin(at);
    templates_[place(parameter_.term, 1, 1)] = b * std::cos(at);
  }
  theta_ = templates_;
  if (!is_turned()) return;
  const int s = terms_[parameter_.term].size;
  double* L = theta_.data() + first_[parameter_.term];
  multiply(s, turn_.back.data(), templates_.data() + first_[parameter_.term], L);
  small::rotate_to_lower(s, L, rotation_.data());
}

// By the entries of the turned template: those of L times the rotation's transpose, then the turn's on the left.
void HeldFunction::turn_gradient() {
  if (!is_turned()) return;
  const int s = terms_[parameter_.term].size;
  std::vector<double> turned(static_cast<std::size_t>(s) * s, 0.0);
  double* g = entry_gradient_.data() + first_[parameter_.term];
  for (int i = 0; i < s; ++i)
    for (int c = 0; c < s; ++c)
      for (int j = 0; j < s; ++j) turned[i + c * s] += g[i + j * s] * rotation_[c + j * s];
  for (int c = 0; c < s; ++c)
    for (int i = 0; i < s; ++i) g[i + c * s] = small::dot(s, turn_.back.data() + i * s, turned.data() + c * s);
}

void HeldFunction::entries_slope(double at, const Scales& scales, std::vector<double>& out) {
  for (std::size_t i = 0; i < slot_.size(); ++i) out[i] = entry_gradient_[slot_[i]] * unit_[i] * scales.free;
  if (parameter_.kind == Held::sd) slope_ = entry_gradient_[place(parameter_.term, 0, 0)] / scales.templates;
  if (parameter_.kind != Held::correlation) return;
  const double x = entry_gradient_[place(parameter_.term, 1, 0)], y = entry_gradient_[place(parameter_.term, 1, 1)];
  const double sine = std::sin(at), cosine = std::cos(at);
  const double b = sine * templates_[place(parameter_.term, 1, 0)] + cosine * templates_[place(parameter_.term, 1, 1)];
  slope_ = b * (cosine * x - sine * y);
  const std::size_t k = slot_.size();
  out[k] = 2 * roots_[0] * entry_gradient_[place(parameter_.term, 0, 0)] * unit_[k] * scales.free;
  out[k + 1] = 2 * roots_[1] * (sine * x + cosine * y) * unit_[k + 1] * scales.free;
}

void HeldFunction::set_templates(std::vector<double>& free, const std::vector<double>& sizes) const {
  each_entry([&](int t, int r, int c) {
    for (std::size_t i = 0; i < slot_.size(); ++i)
      if (slot_[i] == place(t, r, c)) free[i] = r == c ? sizes[t] : 0;
  });
  if (parameter_.kind == Held::correlation)
    for (int i : {0, 1}) free[slot_.size() + i] = std::sqrt(sizes[parameter_.term]);
}

void HeldFunction::leave_zeros(std::vector<double>& free) const {
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
    for (int c = 0; c < terms_[t].size; ++c) {
      double size = 0;
      std::ptrdiff_t diagonal = -1;
      for (std::size_t i = 0; i < slot_.size(); ++i) {
        const int at = slot_[i] - place(t, 0, c);
        if (at < c || at >= terms_[t].size) continue;
        size = std::max(size, std::abs(free[i]));
        if (at == c) diagonal = static_cast<std::ptrdiff_t>(i);
      }
      if (diagonal >= 0 && size < kZero) free[diagonal] = std::copysign(kAway, free[diagonal]);
    }
  if (parameter_.kind == Held::correlation)
    for (std::size_t i = slot_.size(); i < slot_.size() + 2; ++i)
      if (free[i] * free[i] < kZero) free[i] = std::sqrt(kAway);
}

}  // namespace mixedmodels
