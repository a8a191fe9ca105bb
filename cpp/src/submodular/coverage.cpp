// Weighted coverage. A chain keeps for every item the first level that covered it, so all prefix marginals of an element
// come out of one pass over its items.
#include <algorithm>

#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"
#include "row_pool.hpp"

namespace pyalgo::submodular {
namespace {

using Item = std::uint32_t;

class Coverage final : public Objective {
 public:
  Coverage(const KeyColumn& weighted, Span<const double> weights) {
    for (std::size_t i = 0; i < weighted.size(); ++i) pin(items_.add(weighted[i]), weights[i]);
    n_given_ = static_cast<Item>(weighted.size());
    ready();
  }

  const char* name() const noexcept override { return "coverage"; }
  const char* columns() const noexcept override { return "'items' (and perhaps 'weights')"; }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override;
  void forget_unused() override {
    for (Item item = n_given_; item < pinned_.size(); ++item) {
      if (!pinned_[item] || items_.holds(item) > 1) continue;
      pinned_[item] = 0;
      --n_pinned_;
      items_.drop(item);
    }
  }
  void read(Row row, OwnedPayload& out) const override {
    out.has_keys = true;
    out.has_values = n_pinned_ > 0;
    for (Item item : rows_[row]) {
      out.keys.push_back(items_.table().at(item));
      if (out.has_values) out.values.push_back(weight_[item]);
    }
    out.end_row();
  }
  std::size_t nbytes() const noexcept override {
    return items_.nbytes() + weight_.capacity() * sizeof(double) + pinned_.capacity() + rows_.nbytes();
  }

  Span<const Item> items(Row row) const noexcept { return rows_[row]; }
  double weight(Item item) const noexcept { return weight_[item]; }
  bool unit() const noexcept { return unit_; }
  std::size_t universe() const noexcept { return weight_.size(); }

 private:
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override;
  void do_drop(Row row) override { items_.drop(rows_[row]), rows_.clear(row); }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;
  Restore do_backup() override {
    return [this, items = items_, weight = weight_, pinned = pinned_, n_pinned = n_pinned_, rows = rows_] {
      items_ = items, weight_ = weight, pinned_ = pinned, n_pinned_ = n_pinned, rows_ = rows;
    };
  }

  // A weight that came with an item stays with it, so that conflicts do not depend on who holds the item now.
  void pin(Item item, double weight) {
    if (item >= weight_.size()) weight_.resize(item + 1, 1.0), pinned_.resize(item + 1, 0);
    weight_[item] = weight;
    unit_ = unit_ && weight == 1;
    if (!pinned_[item]) items_.hold(item), ++n_pinned_;
    pinned_[item] = 1;
  }

  HeldKeys items_;
  std::vector<double> weight_;
  std::vector<std::uint8_t> pinned_;
  std::size_t n_pinned_ = 0;
  Item n_given_ = 0;  // items with weights of the constructor, which stay
  bool unit_ = true;  // every weight is 1
  RowPool<Item> rows_;
  std::vector<Item> scratch_;
};

class CoverageChain final : public PrefixChain {
 public:
  explicit CoverageChain(const Coverage& f) : f_(f) {}

  double gain(Row row, std::uint32_t level) const override {
    if (f_.unit()) {  // counting gives the same bits, and no branch that cannot be predicted
      std::uint32_t count = 0;
      for (Item item : f_.items(row)) count += covered_at(item) > level;
      return count;
    }
    double sum = 0;
    for (Item item : f_.items(row)) sum += covered_at(item) > level ? f_.weight(item) : 0.0;
    return sum;
  }

  void gains(Row row, double* out) const override {
    const std::uint32_t top = levels();
    std::fill(out, out + top + 1, 0.0);
    for (Item item : f_.items(row)) {
      const Level covered = covered_at(item);
      if (covered == never)
        out[top] += f_.weight(item);
      else
        out[covered - 1] += f_.weight(item);
    }
    for (std::uint32_t i = top; i > 0; --i) out[i - 1] += out[i];
  }

  std::uint32_t depth(Row row, double threshold, std::uint64_t& queries) const override {
    return depth_by_pass(row, threshold, queries);
  }

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<CoverageChain>(*this); }
  std::size_t nbytes() const noexcept override {
    std::size_t total = covered_.capacity() + wide_.capacity() * sizeof(Level) + touched_.capacity() * sizeof(touched_[0]);
    for (const auto& touched : touched_) total += touched.capacity() * sizeof(Item);
    return total;
  }

 private:
  using Level = std::uint16_t;
  static constexpr Level never = UINT16_MAX;
  static constexpr std::uint8_t never_narrow = UINT8_MAX;

  Level covered_at(Item item) const noexcept {
    if (!wide_.empty()) return item < wide_.size() ? wide_[item] : never;
    const std::uint8_t level = item < covered_.size() ? covered_[item] : never_narrow;
    return level == never_narrow ? never : level;
  }

  void set(Item item, Level level) noexcept {
    if (!wide_.empty())
      wide_[item] = level;
    else
      covered_[item] = level == never ? never_narrow : static_cast<std::uint8_t>(level);
  }

  // Room for the whole universe, two bytes an item once there are levels that do not fit into one.
  void fit() {
    if (wide_.empty() && touched_.size() >= never_narrow) {
      wide_.resize(f_.universe(), never);
      for (Item item = 0; item < covered_.size(); ++item)
        if (covered_[item] != never_narrow) wide_[item] = covered_[item];
      covered_ = {};
    }
    if (!wide_.empty() && wide_.size() < f_.universe()) wide_.resize(f_.universe(), never);
    if (wide_.empty() && covered_.size() < f_.universe()) covered_.resize(f_.universe(), never_narrow);
  }

  void do_open() override { touched_.emplace_back(); }

  void do_add(Row row) override {
    fit();
    for (Item item : f_.items(row)) {
      if (covered_at(item) != never) continue;
      set(item, static_cast<Level>(touched_.size()));
      touched_.back().push_back(item);
    }
  }

  // Undoes only what the forgotten levels touched: a reset of the universe would make every rebuild O(universe).
  void do_truncate(std::uint32_t levels) override {
    for (; touched_.size() > levels; touched_.pop_back())
      for (Item item : touched_.back()) set(item, never);
  }

  const Coverage& f_;
  std::vector<std::uint8_t> covered_;  // by item: the first level that covered it
  std::vector<Level> wide_;            // the same in its place, once it is needed
  std::vector<std::vector<Item>> touched_;
};

std::unique_ptr<PrefixChain> Coverage::chain() const { return std::make_unique<CoverageChain>(*this); }

void Coverage::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  check_keys(payload, rows, items_.table(), "items");
  if (!payload.has_values) return;
  check_paired_values(payload, rows, "items", "weights");
  KeyTable seen;
  std::vector<double> first;
  for (std::uint32_t row : rows) {
    const KeyColumn keys = payload.keys_of(row);
    const Span<const double> weights = payload.values_of(row);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      double expected = weights[i];
      if (const Item item = items_.table().find(keys[i]); item != KeyTable::npos) {
        expected = weight_[item];
      } else if (const std::uint32_t at = seen.find(keys[i]); at != KeyTable::npos) {
        expected = first[at];
      } else {
        seen.insert(keys[i]);
        first.push_back(weights[i]);
      }
      if (weights[i] != expected)
        throw BatchError(BatchError::Kind::value, row,
                         "item " + keys[i].str() + " comes with weight " + shown(weights[i]) + " but already weighs " +
                             shown(expected) + ": an item's weight is fixed at its first arrival");
    }
  }
}

void Coverage::do_add(Row row, const PayloadBatch& payload, std::size_t at) {
  const KeyColumn keys = payload.keys_of(at);
  scratch_.clear();
  for (std::size_t i = 0; i < keys.size(); ++i) scratch_.push_back(items_.add(keys[i]));
  if (items_.table().capacity() > weight_.size()) {
    weight_.resize(items_.table().capacity(), 1.0);
    pinned_.resize(weight_.size(), 0);
  }
  if (payload.has_values)
    for (std::size_t i = 0; i < keys.size(); ++i) pin(scratch_[i], payload.values_of(at)[i]);
  std::sort(scratch_.begin(), scratch_.end());
  scratch_.erase(std::unique(scratch_.begin(), scratch_.end()), scratch_.end());
  for (Item item : scratch_) {
    if (!pinned_[item]) weight_[item] = 1.0;
    items_.hold(item);
  }
  rows_.set(row, {scratch_.data(), scratch_.size()});
}

void Coverage::do_save(SnapshotWriter& out) const {
  items_.table().save(out);
  for (Item item = 0; item < weight_.size(); ++item) {
    out.u8(pinned_[item]);
    if (pinned_[item]) out.f64(weight_[item]);
  }
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    out.u32s(rows_[row]);
  }
}

void Coverage::do_load(SnapshotReader& in) {
  items_ = HeldKeys(in);
  weight_.assign(items_.table().capacity(), 1.0);
  pinned_.assign(weight_.size(), 0);
  for (Item item = 0; item < weight_.size(); ++item) {
    if (in.u8() == 0) continue;
    if (!items_.table().linked(item)) in.fail("weights of items in the table");
    pin(item, load_magnitude(in));
  }
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    scratch_.resize(in.count(4));
    for (std::size_t i = 0; i < scratch_.size(); ++i) {
      scratch_[i] = in.u32();
      if (scratch_[i] >= weight_.size() || !items_.table().linked(scratch_[i])) in.fail("items in the table");
      if (i > 0 && scratch_[i] <= scratch_[i - 1]) in.fail("items in ascending order");
      items_.hold(scratch_[i]);
    }
    rows_.set(row, {scratch_.data(), scratch_.size()});
  }
  items_.check_all_held(in);
}

}  // namespace

std::shared_ptr<Objective> make_coverage(const KeyColumn& weighted, Span<const double> weights) {
  return std::make_shared<Coverage>(weighted, weights);
}

}  // namespace pyalgo::submodular
