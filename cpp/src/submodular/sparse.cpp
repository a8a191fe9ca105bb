// Separable objectives over sparse rows. A chain keeps for every target a short staircase (level, its aggregate from
// there on), so all prefix marginals of an element come out of one pass over its targets' staircases.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "row_pool.hpp"
#include "pyalgo/simd.hpp"
#include "separable.hpp"

namespace pyalgo::submodular {
namespace {

#include "rules.inl"

struct Link {
  std::uint32_t target;
  double x;
};

class Sparse;
using MakeChain = std::unique_ptr<PrefixChain> (*)(const Sparse&);
MakeChain chain_by(Rule rule);

class Sparse final : public Objective {
 public:
  Sparse(const Labels& labels, Rule rule, double cap, Parameters parameters)
      : labels_(labels), make_chain_(chain_by(rule)), cap_(cap), parameters_(std::move(parameters)) {
    for (std::size_t i = 0; i < n_named(); ++i) targets_.add(named(i));
    name_targets();
    ready();
  }

  const char* name() const noexcept override { return labels_.name; }
  const char* columns() const noexcept override { return labels_.columns; }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override { return make_chain_(*this); }
  void read(Row row, OwnedPayload& out) const override {
    out.has_keys = out.has_values = true;
    for (const Link& link : links_[row]) {
      out.keys.push_back(targets_.table().at(link.target));
      out.values.push_back(link.x);
    }
    out.end_row();
  }
  std::size_t nbytes() const noexcept override {
    return targets_.nbytes() + links_.nbytes() + parameter_.capacity() * sizeof(double);
  }

  Span<const Link> links(Row row) const noexcept { return links_[row]; }
  double parameter(std::uint32_t target) const noexcept { return parameter_[target]; }
  double cap() const noexcept { return cap_; }
  std::size_t targets() const noexcept { return parameter_.size(); }

 private:
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override;
  void do_drop(Row row) override {
    for (const Link& link : links_[row]) targets_.drop(link.target);
    links_.clear(row);
  }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;
  Restore do_backup() override {
    return [this, targets = targets_, parameter = parameter_, links = links_] {
      targets_ = targets, parameter_ = parameter, links_ = links;
    };
  }

  std::size_t n_named() const noexcept { return parameters_.values.size(); }
  Key named(std::size_t i) const noexcept {
    return parameters_.targets.kind == KeyKind::text ? Key::of(std::string_view(parameters_.targets.texts[i]))
                                                     : Key::of(parameters_.targets.numbers[i]);
  }
  void name_targets();

  Labels labels_;
  MakeChain make_chain_;
  double cap_;
  Parameters parameters_;
  HeldKeys targets_;
  std::vector<double> parameter_;  // by target
  RowPool<Link> links_;
  std::vector<Link> scratch_;
};

// A target's aggregate from a level on, with what it is worth where the rule makes that something else.
template <bool linear>
struct Height {
  double total = 0;
  double worth() const noexcept { return total; }
  void set_worth(double) noexcept {}
};
template <>
struct Height<false> {
  double total = 0;
  double worth_ = 0;
  double worth() const noexcept { return worth_; }
  void set_worth(double worth) noexcept { worth_ = worth; }
};

template <class Rule>
class SparseChain final : public PrefixChain {
 public:
  explicit SparseChain(const Sparse& f) : f_(f), rule_{f.cap()} {}

  double gain(Row row, std::uint32_t level) const override {
    double sum = 0;
    for (const Link& link : f_.links(row)) {
      std::uint32_t step = top_step(link.target);
      while (step != none && steps_[step].level > level) step = steps_[step].below;
      sum += gain_over(step, link);
    }
    return sum;
  }

  void gains(Row row, double* out) const override {
    std::fill(out, out + levels() + 1, 0.0);
    for (const Link& link : f_.links(row)) {
      std::uint32_t upper = levels();  // the step is in force up to this level
      double above = 0;
      for (std::uint32_t step = top_step(link.target);; step = steps_[step].below) {
        const double here = gain_over(step, link);
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

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<SparseChain>(*this); }

  std::size_t nbytes() const noexcept override {
    return top_.capacity() * sizeof(std::uint32_t) + steps_.capacity() * sizeof(Step);
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Step {
    Height<Rule::linear> height;  // from `level` on
    std::uint32_t target;
    std::uint32_t level;
    std::uint32_t below;  // the target's step before this one
  };

  std::uint32_t top_step(std::uint32_t target) const noexcept { return target < top_.size() ? top_[target] : none; }
  Height<Rule::linear> height(std::uint32_t step) const noexcept {
    return step == none ? Height<Rule::linear>{} : steps_[step].height;
  }
  double gain_over(std::uint32_t step, const Link& link) const noexcept {
    const auto h = height(step);
    return gain_of(rule_, h.total, h.worth(), link.x, f_.parameter(link.target));
  }

  void do_open() override { ++open_; }

  void do_add(Row row) override {
    if (top_.size() < f_.targets()) top_.resize(f_.targets(), none);
    for (const Link& link : f_.links(row)) {
      const std::uint32_t step = top_[link.target];
      auto h = height(step);
      const double total = rule_.after(h.total, link.x, f_.parameter(link.target));
      if (total == h.total) continue;
      h.total = total;
      if constexpr (!Rule::linear) h.set_worth(rule_.worth(total));
      if (step != none && steps_[step].level == open_) {
        steps_[step].height = h;
      } else {
        top_[link.target] = static_cast<std::uint32_t>(steps_.size());
        steps_.push_back({h, link.target, open_, step});
      }
    }
  }

  void do_truncate(std::uint32_t levels) override {
    for (; !steps_.empty() && steps_.back().level > levels; steps_.pop_back())
      top_[steps_.back().target] = steps_.back().below;
    open_ = levels;
  }

  const Sparse& f_;
  Rule rule_;
  std::uint32_t open_ = 0;
  std::vector<std::uint32_t> top_;  // by target: its highest step
  std::vector<Step> steps_;         // of all targets, in the order of their levels
};

template <class Rule>
std::unique_ptr<PrefixChain> make_chain(const Sparse& f) {
  return std::make_unique<SparseChain<Rule>>(f);
}

MakeChain chain_by(Rule rule) {
  return by_rule(rule, [](auto type) -> MakeChain { return make_chain<typename decltype(type)::type>; });
}

void Sparse::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  check_keys(payload, rows, targets_.table(), labels_.keys);
  if (!payload.has_values)
    throw BatchError(BatchError::Kind::value, rows.empty() ? 0 : rows[0],
                     std::string("inserts need the column '") + labels_.values + "' beside '" + labels_.keys + "'");
  check_paired_values(payload, rows, labels_.keys, labels_.values);
  std::vector<Key> sorted;
  for (std::uint32_t row : rows) {
    const KeyColumn keys = payload.keys_of(row);
    sorted.clear();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      sorted.push_back(keys[i]);
      if (std::isnan(parameters_.otherwise) && targets_.table().find(keys[i]) == KeyTable::npos)
        throw BatchError(
            BatchError::Kind::value, row,
            std::string("'") + labels_.keys + "' names " + keys[i].str() + ", which has no cap: name it in 'caps'");
    }
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end())
      throw BatchError(BatchError::Kind::value, row,
                       std::string("'") + labels_.keys + "' names " + twice->str() + " twice: give one number of '" +
                           labels_.values + "' for each");
  }
}

void Sparse::do_add(Row row, const PayloadBatch& payload, std::size_t at) {
  const KeyColumn keys = payload.keys_of(at);
  scratch_.clear();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool fresh = targets_.table().find(keys[i]) == KeyTable::npos;
    const std::uint32_t target = targets_.add(keys[i]);
    if (fresh) parameter_.resize(targets_.table().capacity(), parameters_.otherwise);
    scratch_.push_back({target, payload.values_of(at)[i]});
    targets_.hold(target);
  }
  std::sort(scratch_.begin(), scratch_.end(), [](const Link& a, const Link& b) { return a.target < b.target; });
  links_.set(row, {scratch_.data(), scratch_.size()});
}

// The targets with a number of their own are in the table for good, so that an index whose target left always has the
// number of the others.
void Sparse::name_targets() {
  parameter_.assign(targets_.table().capacity(), parameters_.otherwise);
  for (std::size_t i = 0; i < n_named(); ++i) {
    const std::uint32_t target = targets_.table().find(named(i));
    parameter_[target] = parameters_.values[i];
    targets_.hold(target);
  }
}

void Sparse::do_save(SnapshotWriter& out) const {
  targets_.table().save(out);
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    out.u32(static_cast<std::uint32_t>(links_[row].size()));
    for (const Link& link : links_[row]) out.u32(link.target), out.f64(link.x);
  }
}

void Sparse::do_load(SnapshotReader& in) {
  targets_ = HeldKeys(in);
  for (std::size_t i = 0; i < n_named(); ++i)
    if (targets_.table().find(named(i)) == KeyTable::npos)
      in.fail("every target with a setting of its own in the table");
  name_targets();
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    scratch_.resize(in.count(12));
    for (std::size_t i = 0; i < scratch_.size(); ++i) {
      const std::uint32_t target = in.u32();
      if (target >= targets() || !targets_.table().linked(target)) in.fail("targets in the table");
      if (i > 0 && target <= scratch_[i - 1].target) in.fail("targets in ascending order");
      if (std::isnan(parameter_[target])) in.fail("targets with a cap");
      scratch_[i] = {target, load_magnitude(in)};
      targets_.hold(target);
    }
    links_.set(row, {scratch_.data(), scratch_.size()});
  }
  targets_.check_all_held(in);
}

}  // namespace

std::shared_ptr<Objective> make_sparse(const Labels& labels, Rule rule, double cap, Parameters parameters) {
  return std::make_shared<Sparse>(labels, rule, cap, std::move(parameters));
}

}  // namespace pyalgo::submodular
