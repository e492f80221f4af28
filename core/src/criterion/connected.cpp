#include "criterion/connected.hpp"

namespace mixedmodels {

std::vector<std::vector<int>> components(const LevelGraph& graph) {
  std::vector<int> component(graph.nodes, -1), waiting;
  std::vector<int> sizes;
  for (int root = 0; root < graph.nodes; ++root) {
    if (component[root] >= 0) continue;
    const int label = static_cast<int>(sizes.size());
    sizes.push_back(0);
    component[root] = label;
    waiting.push_back(root);
    while (!waiting.empty()) {
      const int node = waiting.back();
      waiting.pop_back();
      ++sizes[label];
      for (std::int64_t i = graph.start[node]; i < graph.start[node + 1]; ++i) {
        const int next = graph.neighbour[i];
        if (component[next] >= 0) continue;
        component[next] = label;
        waiting.push_back(next);
      }
    }
  }
  std::vector<std::vector<int>> out(sizes.size());
  for (std::size_t label = 0; label < out.size(); ++label) out[label].reserve(sizes[label]);
  for (int node = 0; node < graph.nodes; ++node) out[component[node]].push_back(node);
  return out;
}

void Layout::assign(const CrossProducts& A, const std::vector<int>& nodes) {
  parts.resize(A.factors.size());
  lead = 0;
  std::size_t next = 0;
  for (std::size_t f = 0; f < parts.size(); ++f) {
    const FactorBlock& block = A.factors[f];
    parts[f].width = block.width;
    parts[f].first = 0;
    parts[f].levels.clear();
    for (; next < nodes.size() && nodes[next] < block.first_node + block.levels; ++next)
      parts[f].levels.push_back(static_cast<std::int32_t>(nodes[next] - block.first_node));
    if (parts[f].rows() > parts[lead].rows()) lead = static_cast<int>(f);
  }
  own = parts[lead].rows();
  int at = own;
  for (std::size_t f = 0; f < parts.size(); ++f) {
    if (static_cast<int>(f) == lead) continue;
    parts[f].first = at;
    at += parts[f].rows();
  }
  rest = at - own;
}

}  // namespace mixedmodels
