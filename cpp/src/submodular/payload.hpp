// What the objectives share in taking payload: keys that live while rows use them, and the checks of a batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pyalgo/keys.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

// Weights, similarities and features are 0 or within these, so that no sum over- or underflows and no grid ends.
constexpr double smallest_magnitude = 1e-100;
constexpr double largest_magnitude = 1e100;

// A key table whose keys leave with their last holder.
class HeldKeys {
 public:
  HeldKeys() = default;
  explicit HeldKeys(SnapshotReader& in) : table_(KeyTable::load(in)), holds_(table_.capacity(), 0) {}

  const KeyTable& table() const noexcept { return table_; }

  std::uint32_t add(const Key& key) {  // without a hold when the key is new
    const std::uint32_t found = table_.find(key);
    if (found != KeyTable::npos) return found;
    const std::uint32_t index = table_.insert(key);
    if (index >= holds_.size()) holds_.push_back(0);
    return index;
  }
  std::uint32_t holds(std::uint32_t index) const noexcept { return holds_[index]; }
  void hold(std::uint32_t index) noexcept { ++holds_[index]; }
  void drop(std::uint32_t index) noexcept {
    if (--holds_[index] > 0) return;
    table_.unlink(index);
    table_.release(index);
  }
  void drop(Span<const std::uint32_t> indices) noexcept {
    for (std::uint32_t index : indices) drop(index);
  }
  void check_all_held(SnapshotReader& in) const;

  std::size_t nbytes() const noexcept { return table_.nbytes() + holds_.capacity() * sizeof(std::uint32_t); }

 private:
  KeyTable table_;
  std::vector<std::uint32_t> holds_;
};

std::string shown(double value);  // shortest text that reads back as the same value

// Each throws BatchError at the first row at fault.
void check_keys(const PayloadBatch& payload, Span<const std::uint32_t> rows, const KeyTable& table, const char* column);
void check_paired_values(const PayloadBatch& payload, Span<const std::uint32_t> rows, const char* keys, const char* values);
void check_rows(const PayloadBatch& payload, Span<const std::uint32_t> rows, std::size_t width, const char* column);
void check_values(const PayloadBatch& payload, Span<const std::uint32_t> rows, const char* column);

double load_magnitude(SnapshotReader& in);

}  // namespace pyalgo::submodular
