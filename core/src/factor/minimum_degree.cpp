// The approximate minimum degree order, on the quotient graph of Amestoy, Davis and Duff (1996).
//
// An eliminated node becomes an element, the clique of its neighbours. A variable keeps a list of elements followed
// by a list of variables not covered by them, both inside the space of its row of the graph, for they only shrink.
// Indistinguishable variables are merged into one supervariable that carries their weight.
#include <algorithm>
#include <cmath>

#include "factor/order.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"

namespace mixedmodels {

namespace {

class MinimumDegree {
 public:
  explicit MinimumDegree(const LevelGraph& graph)
      : n_(graph.nodes),
        start_(graph.start),
        list_(graph.neighbour),
        elements_(n_, 0),
        length_(n_),
        weight_(graph.weight),
        degree_(n_, 0),
        state_(n_, kVariable),
        element_start_(n_, 0),
        element_length_(n_, 0),
        element_weight_(n_, 0),
        mark_(n_, 0),
        outside_(n_, 0),
        outside_mark_(n_, 0),
        member_(n_, -1),
        last_member_(n_),
        head_hash_(n_, -1),
        next_hash_(n_, -1),
        previous_(n_, -1),
        next_(n_, -1),
        twin_mark_(n_, 0),
        hash_of_(n_, 0),
        outside_degree_(n_, 0) {
    set_dense_aside(graph);
    for (int v = 0; v < n_; ++v)
      if (state_[v] == kVariable) total_ += weight_[v];
    bucket_.assign(static_cast<std::size_t>(total_) + 1, -1);
    lowest_ = total_;
    for (int v = 0; v < n_; ++v) last_member_[v] = v;
    for (int v = n_ - 1; v >= 0; --v) {
      if (state_[v] != kVariable) continue;
      for (std::int64_t t = start_[v]; t < start_[v + 1]; ++t) {
        const int u = graph.neighbour[t];
        if (state_[u] != kVariable) continue;
        list_[start_[v] + length_[v]++] = u;
        degree_[v] += weight_[u];
      }
      insert(v);
    }
  }

  std::vector<int> order(double most_work) {
    std::vector<int> pivots;
    std::int64_t left = total_;
    while (left > 0) {
      if (work_ > most_work) return {};
      const int p = take_lowest();
      pivots.push_back(p);
      left -= weight_[p];
      make_element(p);
      left -= update_neighbours(p, left, pivots);
    }
    std::vector<int> out;
    out.reserve(n_);
    for (int p : pivots)
      for (int v = p; v != -1; v = member_[v]) out.push_back(v);
    out.insert(out.end(), dense_.begin(), dense_.end());
    return out;
  }

 private:
  enum State : char { kVariable, kElement, kGone };

  // Levels that meet a good part of all others (those of a factor with few levels) come last whatever the order of
  // the rest, and would only make every list longer.
  void set_dense_aside(const LevelGraph& graph) {
    const auto most = static_cast<std::int64_t>(std::max(16.0, 14 * std::sqrt(static_cast<double>(n_))));
    auto degree = [&](int v) { return graph.start[v + 1] - graph.start[v]; };
    for (int v = 0; v < n_; ++v)
      if (degree(v) > most) {
        state_[v] = kGone;
        dense_.push_back(v);
      }
    std::stable_sort(dense_.begin(), dense_.end(), [&](int u, int v) { return degree(u) < degree(v); });
  }

  void insert(int v) {
    const std::int64_t d = degree_[v];
    previous_[v] = -1;
    next_[v] = bucket_[d];
    if (next_[v] != -1) previous_[next_[v]] = v;
    bucket_[d] = v;
    lowest_ = std::min(lowest_, d);
  }

  void remove(int v) {
    if (previous_[v] != -1)
      next_[previous_[v]] = next_[v];
    else
      bucket_[degree_[v]] = next_[v];
    if (next_[v] != -1) previous_[next_[v]] = previous_[v];
  }

  int take_lowest() {
    while (bucket_[lowest_] == -1) ++lowest_;
    const int p = bucket_[lowest_];
    remove(p);
    return p;
  }

  // The neighbours of p, through its elements (which it absorbs) and directly, become element p.
  void make_element(int p) {
    ++stamp_;
    mark_[p] = stamp_;
    const auto begin = static_cast<std::int64_t>(pool_.size());
    const std::int64_t s = start_[p];
    auto add = [&](int v) {
      if (state_[v] != kVariable || mark_[v] == stamp_) return;
      mark_[v] = stamp_;
      grow_within_memory(pool_, 1, "The order of elimination", "levels that become neighbours");
      pool_.push_back(v);
    };
    for (int i = 0; i < elements_[p]; ++i) {
      const int e = list_[s + i];
      if (state_[e] != kElement) continue;
      for (std::int64_t t = 0; t < element_length_[e]; ++t) add(pool_[element_start_[e] + t]);
      state_[e] = kGone;
    }
    for (int i = elements_[p]; i < length_[p]; ++i) add(list_[s + i]);
    state_[p] = kElement;
    element_start_[p] = begin;
    element_length_[p] = static_cast<std::int64_t>(pool_.size()) - begin;
  }

  // |L_e \ L_p| for every element e next to a member of p, by taking the members' weights away one by one.
  void count_outside(int p) {
    for (std::int64_t t = 0; t < element_length_[p]; ++t) {
      const int v = pool_[element_start_[p] + t];
      work_ += length_[v];
      check_interrupt(10.0 * length_[v]);
      for (int i = 0; i < elements_[v]; ++i) {
        const int e = list_[start_[v] + i];
        if (state_[e] != kElement) continue;
        if (outside_mark_[e] != stamp_) {
          outside_mark_[e] = stamp_;
          outside_[e] = element_weight_[e];
        }
        outside_[e] -= weight_[v];
      }
    }
  }

  // Rewrites v's lists after the elimination of p: element p first, absorbed and covered ones gone.
  void prune(int v, int p, std::int64_t& outside, std::uint64_t& hash) {
    const std::int64_t s = start_[v];
    kept_elements_.clear();
    kept_variables_.clear();
    outside = 0;
    hash = static_cast<std::uint64_t>(p);
    for (int i = 0; i < elements_[v]; ++i) {
      const int e = list_[s + i];
      if (state_[e] != kElement) continue;
      if (outside_[e] == 0) {  // every member of e is in p
        state_[e] = kGone;
        continue;
      }
      kept_elements_.push_back(e);
      outside += outside_[e];
      hash += static_cast<std::uint64_t>(e);
    }
    for (int i = elements_[v]; i < length_[v]; ++i) {
      const int u = list_[s + i];
      if (state_[u] != kVariable || mark_[u] == stamp_) continue;
      kept_variables_.push_back(u);
      outside += weight_[u];
      hash += static_cast<std::uint64_t>(u);
    }
    list_[s] = p;
    std::copy(kept_elements_.begin(), kept_elements_.end(), list_.begin() + s + 1);
    elements_[v] = 1 + static_cast<int>(kept_elements_.size());
    std::copy(kept_variables_.begin(), kept_variables_.end(), list_.begin() + s + elements_[v]);
    length_[v] = elements_[v] + static_cast<int>(kept_variables_.size());
  }

  bool indistinguishable(int u, int v) {
    if (elements_[u] != elements_[v] || length_[u] != length_[v]) return false;
    ++twin_stamp_;
    for (int i = 0; i < length_[u]; ++i) twin_mark_[list_[start_[u] + i]] = twin_stamp_;
    for (int i = 0; i < length_[v]; ++i)
      if (twin_mark_[list_[start_[v] + i]] != twin_stamp_) return false;
    return true;
  }

  // Merges v into the supervariable u.
  void merge(int u, int v) {
    weight_[u] += weight_[v];
    member_[last_member_[u]] = v;
    last_member_[u] = last_member_[v];
    state_[v] = kGone;
  }

  void merge_twins(int p) {
    const std::int64_t s = element_start_[p];
    for (std::int64_t t = 0; t < element_length_[p]; ++t) {
      const int first = pool_[s + t];
      if (state_[first] != kVariable) continue;
      const std::size_t bucket = hash_of_[first] % static_cast<std::uint64_t>(n_);
      for (int u = head_hash_[bucket]; u != -1; u = next_hash_[u]) {
        if (state_[u] != kVariable) continue;
        for (int before = u, v = next_hash_[u]; v != -1; v = next_hash_[v]) {
          if (state_[v] == kVariable && hash_of_[u] == hash_of_[v] && indistinguishable(u, v)) {
            merge(u, v);
            next_hash_[before] = next_hash_[v];
          } else {
            before = v;
          }
        }
      }
      head_hash_[bucket] = -1;
    }
  }

  // Brings the members of element p up to date; returns the weight eliminated along with p.
  std::int64_t update_neighbours(int p, std::int64_t left, std::vector<int>& pivots) {
    count_outside(p);
    const std::int64_t s = element_start_[p];
    std::int64_t size = 0, eliminated = 0;
    for (std::int64_t t = 0; t < element_length_[p]; ++t) size += weight_[pool_[s + t]];
    for (std::int64_t t = 0; t < element_length_[p]; ++t) {
      const int v = pool_[s + t];
      remove(v);
      std::int64_t outside = 0;
      std::uint64_t hash = 0;
      prune(v, p, outside, hash);
      if (outside == 0) {  // its neighbours are those of p: eliminated with p, no new fill
        pivots.push_back(v);
        eliminated += weight_[v];
        state_[v] = kGone;
        continue;
      }
      hash_of_[v] = hash;
      outside_degree_[v] = outside;
      const std::size_t bucket = hash % static_cast<std::uint64_t>(n_);
      next_hash_[v] = head_hash_[bucket];
      head_hash_[bucket] = v;
    }
    merge_twins(p);
    size -= eliminated;
    std::int64_t kept = 0;
    for (std::int64_t t = 0; t < element_length_[p]; ++t) {
      const int v = pool_[s + t];
      if (state_[v] != kVariable) continue;
      pool_[s + kept++] = v;
      const std::int64_t others = size - weight_[v];
      degree_[v] = std::min({left - eliminated - weight_[v], degree_[v] + others, outside_degree_[v] + others});
      degree_[v] = std::max<std::int64_t>(degree_[v], 0);
      insert(v);
    }
    element_length_[p] = kept;
    element_weight_[p] = size;
    if (kept == 0) state_[p] = kGone;
    return eliminated;
  }

  int n_;
  std::vector<std::int64_t> start_;
  std::vector<int> list_, elements_, length_, weight_;
  std::vector<std::int64_t> degree_;
  std::vector<State> state_;
  std::vector<std::int64_t> element_start_, element_length_, element_weight_;
  std::vector<int> mark_;
  std::vector<std::int64_t> outside_;
  std::vector<int> outside_mark_, member_, last_member_, head_hash_, next_hash_, previous_, next_, twin_mark_;
  std::vector<int> bucket_, pool_, kept_elements_, kept_variables_, dense_;
  std::vector<std::uint64_t> hash_of_;
  std::vector<std::int64_t> outside_degree_;
  std::int64_t total_ = 0, lowest_ = 0;
  double work_ = 0;
  int stamp_ = 0, twin_stamp_ = 0;
};

}  // namespace

std::vector<int> minimum_degree(const LevelGraph& graph, double most_work) {
  return MinimumDegree(graph).order(most_work);
}

}  // namespace mixedmodels
