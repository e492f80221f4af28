// The minimum degree order, on the quotient graph of Amestoy, Davis and Duff (1996), with degrees made when they
// matter.
//
// An eliminated node becomes an element, the clique of its neighbours. A variable is adjacent to the members of its
// elements and to the variables of its own list. An elimination takes the pivot out of the neighbours' degrees and
// joins them to the pivot's other neighbours, so that the old degree less the pivot's weight, and the new element
// itself, are lower bounds. A variable waits at its bound; the degree, exact, is counted when the bound is the lowest
// of all. Most levels of a factor with many rows are counted once or twice, however many of their neighbours go before
// them. Variables found to have the same neighbours are merged into one that carries their weight.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

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
        near_(graph.neighbour),
        elements_(2 * graph.neighbour.size()),
        nodes_(static_cast<std::size_t>(n_)),
        places_(static_cast<std::size_t>(n_)),
        weight_(graph.weight),
        mark_(static_cast<std::size_t>(n_), 0),
        list_mark_(static_cast<std::size_t>(n_), 0),
        same_lists_(static_cast<std::size_t>(n_), -1) {
    for (int v = 0; v < n_; ++v) nodes_[v].last_member = v;
    set_dense_aside(graph);
    for (int v = 0; v < n_; ++v)
      if (nodes_[v].state == kVariable) left_ += weight_[v];
    bucket_.assign(static_cast<std::size_t>(left_) + 1, -1);
    lowest_ = left_;
    for (int v = n_ - 1; v >= 0; --v) {
      Node& node = nodes_[v];
      if (node.state != kVariable) continue;
      for (std::int64_t t = start_[v]; t < start_[v + 1]; ++t) {
        const int u = graph.neighbour[t];
        if (nodes_[u].state != kVariable) continue;
        near_[start_[v] + node.near++] = u;
        places_[v].degree += weight_[u];
      }
      insert(v);
    }
  }

  std::vector<int> order(double most_work) {
    std::vector<int> out;
    while (left_ > 0) {
      if (work_ > most_work) return {};
      while (bucket_[lowest_] == -1) ++lowest_;
      const int p = bucket_[lowest_];
      if (!places_[p].counted)
        count(p);
      else if (places_[p].degree + weight_[p] >= kNearlyAll * left_)
        eliminate_all();
      else
        eliminate(p);
    }
    out.reserve(static_cast<std::size_t>(n_));
    for (int p : pivots_)
      for (int v = p; v != -1; v = nodes_[v].member) out.push_back(v);
    out.insert(out.end(), dense_.begin(), dense_.end());
    return out;
  }

 private:
  enum State : char { kVariable, kElement, kGone };
  // Part of the other variables that every one has for neighbours, from which on their order does not matter.
  static constexpr double kNearlyAll = 0.9;
  static constexpr int kMove = 5;  // what moving a variable to another bucket takes, in entries looked at
  static constexpr int kRetired = std::numeric_limits<int>::max();

  struct Node {
    State state = kVariable;
    int elements = 0, near = 0;          // of a variable: entries of its lists, some of which are no longer there
    std::int64_t first = 0, length = 0;  // of an element: its members in the pool
    int size = 0;                        // of an element: their weight
    int member = -1, last_member = -1;   // the variables merged into this one
    std::uint64_t hash = 0;
  };

  // What every elimination changes of the pivot's neighbours.
  struct Place {
    int degree = 0;                // weight of the neighbours, or a lower bound
    int previous = -1, next = -1;  // in the bucket of the degree
    bool counted = true;           // the degree is exact
  };

  // Levels that meet a good part of all others (those of a factor with few levels) come last whatever the order of
  // the rest, and would only make every list longer.
  void set_dense_aside(const LevelGraph& graph) {
    const auto most = static_cast<std::int64_t>(std::max(16.0, 14 * std::sqrt(static_cast<double>(n_))));
    auto degree = [&](int v) { return graph.start[v + 1] - graph.start[v]; };
    for (int v = 0; v < n_; ++v)
      if (degree(v) > most) {
        retire(v);
        dense_.push_back(v);
      }
    std::stable_sort(dense_.begin(), dense_.end(), [&](int u, int v) { return degree(u) < degree(v); });
  }

  // Takes v from the variables; it counts as marked from now on.
  void retire(int v) {
    nodes_[v].state = kGone;
    mark_[v] = kRetired;
  }

  void insert(int v) {
    Place& place = places_[v];
    place.previous = -1;
    place.next = bucket_[place.degree];
    if (place.next != -1) places_[place.next].previous = v;
    bucket_[place.degree] = v;
    lowest_ = std::min(lowest_, place.degree);
  }

  void remove(int v) {
    const Place& place = places_[v];
    if (place.previous != -1)
      places_[place.previous].next = place.next;
    else
      bucket_[place.degree] = place.next;
    if (place.next != -1) places_[place.next].previous = place.previous;
  }

  void move(int v, int degree) {
    if (degree == places_[v].degree) return;
    remove(v);
    places_[v].degree = degree;
    insert(v);
  }

  int* elements_of(int v) { return elements_.data() + 2 * start_[v]; }
  int* near_of(int v) { return near_.data() + start_[v]; }

  void drop_elements_gone(int v) {
    int* list = elements_of(v);
    Node& node = nodes_[v];
    node.elements = static_cast<int>(
        std::remove_if(list, list + node.elements, [&](int e) { return nodes_[e].state != kElement; }) - list);
  }

  // An element that a variable is in takes the place of a neighbour eliminated or of an element absorbed, so that those
  // still there are no more than the variable had neighbours, and half of a full list is free after a clearing.
  void add_element(int v, int e) {
    Node& node = nodes_[v];
    if (node.elements == 2 * (start_[v + 1] - start_[v])) {
      work_ += node.elements;
      drop_elements_gone(v);
    }
    elements_of(v)[node.elements++] = e;
  }

  // Marks v; the weight of a variable that was not marked before, and 0 otherwise. Without a branch: whether it was
  // cannot be foreseen.
  int mark(int v) {
    const int before = mark_[v];
    mark_[v] = std::max(before, stamp_);
    return weight_[v] & -static_cast<int>(before < stamp_);
  }

  void visited(std::int64_t entries) {
    work_ += static_cast<double>(entries);
    check_interrupt(3.0 * static_cast<double>(entries));
  }

  // The exact degree of v; its lists without what is gone, without elements whose members are all in later ones, and
  // without variables that are in an element with it. Ends early where v is adjacent to everything left.
  void count(int v) {
    Node& node = nodes_[v];
    mark_[v] = ++stamp_;
    places_[v].counted = true;
    const int most = left_ - weight_[v];
    int *elements = elements_of(v), *const end = elements + node.elements, *kept = end;
    int degree = 0;
    std::uint64_t hash = 0;
    for (int* at = end; at != elements && degree < most;) {
      const Node& e = nodes_[*--at];
      if (e.state != kElement) continue;
      visited(e.length);
      int added = 0;
      for (std::int64_t t = e.first; t < e.first + e.length; ++t) added += mark(pool_[t]);
      if (added == 0) continue;
      degree += added;
      hash += static_cast<std::uint64_t>(*at);
      *--kept = *at;
    }
    node.elements = static_cast<int>(std::copy(kept, end, elements) - elements);
    if (degree == most) {
      node.near = 0;
      move(v, degree);
      return;
    }
    visited(node.near);
    int* near = near_of(v);
    const int listed = std::exchange(node.near, 0);
    for (int i = 0; i < listed; ++i) {
      const int u = near[i];
      const int weight = mark(u);
      if (weight == 0) continue;
      degree += weight;
      hash += static_cast<std::uint64_t>(u);
      near[node.near++] = u;
    }
    node.hash = hash;
    move(v, degree);
    merge_into_twin(v);
  }

  // v goes into a variable with the same lists, if the last one that was counted with this sum of its lists is one.
  void merge_into_twin(int v) {
    int& slot = same_lists_[nodes_[v].hash % static_cast<std::uint64_t>(n_)];
    const int u = std::exchange(slot, v);
    if (u == -1 || u == v || nodes_[v].elements == 0 || !same_lists(u, v)) return;
    slot = u;
    remove(v);
    retire(v);
    move(u, places_[u].degree - weight_[v]);
    weight_[u] += weight_[v];
    nodes_[nodes_[u].last_member].member = v;
    nodes_[u].last_member = nodes_[v].last_member;
  }

  bool same_lists(int u, int v) {
    const Node &a = nodes_[u], &b = nodes_[v];
    if (a.state != kVariable || !places_[u].counted || a.hash != b.hash || a.elements != b.elements || a.near != b.near)
      return false;
    ++stamp_;
    visited(2 * (a.elements + a.near));
    for (int i = 0; i < a.elements; ++i) list_mark_[elements_of(u)[i]] = stamp_;
    for (int i = 0; i < a.near; ++i) list_mark_[near_of(u)[i]] = stamp_;
    auto marked = [&](int w) { return list_mark_[w] == stamp_; };
    return std::all_of(elements_of(v), elements_of(v) + b.elements, marked) &&
           std::all_of(near_of(v), near_of(v) + b.near, marked);
  }

  void take(int v) {
    remove(v);
    pivots_.push_back(v);
    left_ -= weight_[v];
    retire(v);
  }

  void eliminate_all() {
    for (int& head : bucket_)
      while (head != -1) take(head);
  }

  // The neighbours of p, through its elements (which it absorbs) and directly, become element p.
  void eliminate(int p) {
    take(p);
    Node& pivot = nodes_[p];
    ++stamp_;
    pivot.first = static_cast<std::int64_t>(pool_.size());
    auto add = [&](int v) {
      const int weight = mark(v);
      if (weight == 0) return;
      pivot.size += weight;
      grow_within_memory(pool_, 1, "The order of elimination", "levels that become neighbours");
      pool_.push_back(v);
    };
    drop_elements_gone(p);
    for (int i = 0; i < pivot.elements; ++i) {
      const Node& e = nodes_[elements_of(p)[i]];
      visited(e.length);
      for (std::int64_t t = e.first; t < e.first + e.length; ++t) add(pool_[t]);
    }
    const int through_elements = pivot.size;
    visited(pivot.near);
    for (int i = 0; i < pivot.near; ++i) add(near_of(p)[i]);
    pivot.length = static_cast<std::int64_t>(pool_.size()) - pivot.first;
    if (pivot.elements == 1 && pivot.size == through_elements) {  // no new clique
      pool_.resize(static_cast<std::size_t>(pivot.first));
      eliminate_interior(elements_of(p)[0], weight_[p]);
      return;
    }
    for (int i = 0; i < pivot.elements; ++i) nodes_[elements_of(p)[i]].state = kGone;
    if (pivot.length > 1) pivot.state = kElement;
    visited(kMove * pivot.length);
    for (std::int64_t t = pivot.first; t < pivot.first + pivot.length; ++t) {
      const int v = pool_[t];
      if (pivot.length > 1) {  // otherwise v loses a neighbour and gains none
        add_element(v, p);
        places_[v].counted = false;
      }
      move(v, std::max(places_[v].degree - weight_[p], pivot.size - weight_[v]));
    }
  }

  // Once a member of element e, of weight `gone`, has been eliminated that was adjacent to nothing outside of e, all
  // such members are: none of them brings fill.
  void eliminate_interior(int e, int gone) {
    Node& element = nodes_[e];
    ++stamp_;
    const std::int64_t first = element.first, end = first + element.length;
    for (std::int64_t t = first; t < end; ++t) mark(pool_[t]);
    auto interior = [&](int v) {
      const int *elements = elements_of(v), *near = near_of(v);
      return std::none_of(elements, elements + nodes_[v].elements,
                          [&](int other) { return other != e && nodes_[other].state == kElement; }) &&
             std::none_of(near, near + nodes_[v].near, [&](int u) { return mark_[u] < stamp_; });
    };
    std::int64_t kept = first;
    for (std::int64_t t = first; t < end; ++t) {
      const int v = pool_[t];
      visited(1);
      if (nodes_[v].state != kVariable) continue;
      if (interior(v)) {
        gone += weight_[v];
        take(v);
      } else {
        pool_[kept++] = v;
      }
    }
    element.length = kept - first;
    element.size = 0;
    for (std::int64_t t = first; t < kept; ++t) element.size += weight_[pool_[t]];
    if (element.length == 0) element.state = kGone;
    for (std::int64_t t = first; t < kept; ++t) {
      const int v = pool_[t];
      move(v, std::max(places_[v].degree - gone, element.size - weight_[v]));
    }
  }

  int n_;
  std::vector<std::int64_t> start_;
  std::vector<int> near_, elements_;  // lists of all variables, in the space of their neighbours and in twice that
  std::vector<Node> nodes_;
  std::vector<Place> places_;
  std::vector<int> weight_, mark_, list_mark_, same_lists_;
  std::vector<int> bucket_, pool_, pivots_, dense_;
  int left_ = 0, lowest_ = 0;  // weight of the variables, and no bucket below has any
  double work_ = 0;
  int stamp_ = 0;
};

}  // namespace

std::vector<int> minimum_degree(const LevelGraph& graph, double most_work) {
  return MinimumDegree(graph).order(most_work);
}

}  // namespace mixedmodels
