// Laminar matroids: capacities of groups that are nested or disjoint. One group is a uniform matroid, groups side by
// side are a partition matroid.
#include <algorithm>
#include <numeric>
#include <utility>

#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
namespace {

class Laminar final : public Matroid {
 public:
  Laminar(std::vector<std::uint32_t> parents, std::vector<std::uint32_t> capacities)
      : parents_(std::move(parents)), capacities_(std::move(capacities)) {
    std::uint64_t rank = 0;
    for (std::size_t g = 0; g < parents_.size(); ++g) rank += parents_[g] == no_group ? capacities_[g] : 0;
    rank_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(rank, UINT32_MAX));
  }

  bool fits(const GroundSet& ground, Span<const Slot> set, Slot slot) const override {
    for (std::uint32_t g = ground.group(slot); g != no_group; g = parents_[g]) {
      const auto taken =
          std::count_if(set.begin(), set.end(), [&](Slot other) { return within(ground.group(other), g); });
      if (taken >= static_cast<std::ptrdiff_t>(capacities_[g])) return false;
    }
    return true;
  }

  std::uint32_t rank() const noexcept override { return rank_; }
  std::uint32_t groups() const noexcept override {
    return parents_.size() > 1 ? static_cast<std::uint32_t>(parents_.size()) : 0;
  }

 private:
  bool within(std::uint32_t inner, std::uint32_t outer) const noexcept {
    while (inner != no_group && inner > outer) inner = parents_[inner];
    return inner == outer;
  }

  std::vector<std::uint32_t> parents_, capacities_;
  std::uint32_t rank_;
};

}  // namespace

std::shared_ptr<const Matroid> make_laminar(std::vector<std::uint32_t> parents, std::vector<std::uint32_t> capacities) {
  return std::make_shared<Laminar>(std::move(parents), std::move(capacities));
}

}  // namespace pyalgo::submodular
