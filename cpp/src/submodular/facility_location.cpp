// Facility location over sparse rows. A chain keeps for every customer a short staircase (level, best similarity so far),
// so all prefix marginals of an element come out of one pass over its neighbours' staircases.
#include <algorithm>

#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"
#include "row_pool.hpp"

namespace pyalgo::submodular {
namespace {

using Customer = std::uint32_t;

struct Link {
  Customer customer;
  double similarity;
};

class FacilityLocation final : public Objective {
 public:
  FacilityLocation() { ready(); }

  const char* name() const noexcept override { return "facility_location"; }
  const char* columns() const noexcept override { return "'neighbours' and 'similarities'"; }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override;
  std::size_t nbytes() const noexcept override { return customers_.nbytes() + links_.nbytes(); }

  Span<const Link> links(Row row) const noexcept { return links_[row]; }
  std::size_t customers() const noexcept { return customers_.table().capacity(); }

 private:
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override;
  void do_drop(Row row) override {
    for (const Link& link : links_[row]) customers_.drop(link.customer);
    links_.clear(row);
  }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;

  HeldKeys customers_;
  RowPool<Link> links_;
  std::vector<Link> scratch_;
};

class FacilityLocationChain final : public PrefixChain {
 public:
  explicit FacilityLocationChain(const FacilityLocation& f) : f_(f) {}

  double gain(Row row, std::uint32_t level) const override {
    double sum = 0;
    for (const Link& link : f_.links(row)) {
      std::uint32_t step = top_step(link.customer);
      while (step != none && steps_[step].level > level) step = steps_[step].below;
      sum += std::max(0.0, link.similarity - height(step));
    }
    return sum;
  }

  void gains(Row row, double* out) const override {
    std::fill(out, out + levels() + 1, 0.0);
    for (const Link& link : f_.links(row)) {
      std::uint32_t upper = levels();  // the step is in force up to this level
      double above = 0;
      for (std::uint32_t step = top_step(link.customer);; step = steps_[step].below) {
        const double here = std::max(0.0, link.similarity - height(step));
        out[upper] += here - above;
        above = here;
        if (step == none) break;
        upper = steps_[step].level - 1;
      }
    }
    for (std::uint32_t i = levels(); i > 0; --i) out[i - 1] += out[i];
  }

  std::uint32_t depth(Row row, double threshold, std::uint64_t& queries) const override {
    return depth_by_pass(row, threshold, queries);
  }

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<FacilityLocationChain>(*this); }
  std::size_t nbytes() const noexcept override {
    return top_.capacity() * sizeof(std::uint32_t) + steps_.capacity() * sizeof(Step);
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Step {
    double height;  // the customer's best similarity from `level` on
    Customer customer;
    std::uint32_t level;
    std::uint32_t below;  // the customer's step before this one
  };

  std::uint32_t top_step(Customer customer) const noexcept { return customer < top_.size() ? top_[customer] : none; }
  double height(std::uint32_t step) const noexcept { return step == none ? 0.0 : steps_[step].height; }

  void do_open() override { ++open_; }

  void do_add(Row row) override {
    if (top_.size() < f_.customers()) top_.resize(f_.customers(), none);
    for (const Link& link : f_.links(row)) {
      const std::uint32_t step = top_[link.customer];
      if (link.similarity <= height(step)) continue;
      if (step != none && steps_[step].level == open_) {
        steps_[step].height = link.similarity;
      } else {
        top_[link.customer] = static_cast<std::uint32_t>(steps_.size());
        steps_.push_back({link.similarity, link.customer, open_, step});
      }
    }
  }

  void do_truncate(std::uint32_t levels) override {
    for (; !steps_.empty() && steps_.back().level > levels; steps_.pop_back())
      top_[steps_.back().customer] = steps_.back().below;
    open_ = levels;
  }

  const FacilityLocation& f_;
  std::uint32_t open_ = 0;
  std::vector<std::uint32_t> top_;  // by customer: its highest step
  std::vector<Step> steps_;         // of all customers, in the order of their levels
};

std::unique_ptr<PrefixChain> FacilityLocation::chain() const { return std::make_unique<FacilityLocationChain>(*this); }

void FacilityLocation::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  check_keys(payload, rows, customers_.table(), "neighbours");
  if (!payload.has_values)
    throw BatchError(BatchError::Kind::value, rows[0], "inserts need the column 'similarities' beside 'neighbours'");
  check_paired_values(payload, rows, "neighbours", "similarities");
  std::vector<Key> sorted;
  for (std::uint32_t row : rows) {
    const KeyColumn keys = payload.keys_of(row);
    sorted.clear();
    for (std::size_t i = 0; i < keys.size(); ++i) sorted.push_back(keys[i]);
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end())
      throw BatchError(BatchError::Kind::value, row,
                       "'neighbours' names " + twice->str() + " twice: a customer has one similarity to an element");
  }
}

void FacilityLocation::do_add(Row row, const PayloadBatch& payload, std::size_t at) {
  const KeyColumn keys = payload.keys_of(at);
  scratch_.clear();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    scratch_.push_back({customers_.add(keys[i]), payload.values_of(at)[i]});
    customers_.hold(scratch_.back().customer);
  }
  std::sort(scratch_.begin(), scratch_.end(), [](const Link& a, const Link& b) { return a.customer < b.customer; });
  links_.set(row, {scratch_.data(), scratch_.size()});
}

void FacilityLocation::do_save(SnapshotWriter& out) const {
  customers_.table().save(out);
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    out.u32(static_cast<std::uint32_t>(links_[row].size()));
    for (const Link& link : links_[row]) out.u32(link.customer), out.f64(link.similarity);
  }
}

void FacilityLocation::do_load(SnapshotReader& in) {
  customers_ = HeldKeys(in);
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    scratch_.resize(in.count(12));
    for (std::size_t i = 0; i < scratch_.size(); ++i) {
      const Customer customer = in.u32();
      if (customer >= customers() || !customers_.table().linked(customer)) in.fail("customers in the table");
      if (i > 0 && customer <= scratch_[i - 1].customer) in.fail("customers in ascending order");
      scratch_[i] = {customer, load_magnitude(in)};
      customers_.hold(customer);
    }
    links_.set(row, {scratch_.data(), scratch_.size()});
  }
  customers_.check_all_held(in);
}

}  // namespace

std::shared_ptr<Objective> make_facility_location() { return std::make_shared<FacilityLocation>(); }

}  // namespace pyalgo::submodular
