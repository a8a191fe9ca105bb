// A weighted sum of objectives. A row of the mixture is a row of every component; its chains are the components'
// chains.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
namespace {

class Mixture final : public Objective {
 public:
  Mixture(std::vector<std::shared_ptr<Objective>> components, Span<const double> weights);

  const char* name() const noexcept override { return "mixture"; }
  const char* columns() const noexcept override { return columns_.c_str(); }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override;
  bool may_fail() const noexcept override { return may_fail_; }
  void read(Row row, OwnedPayload& out) const override {
    out.parts.resize(size());
    for (std::size_t i = 0; i < size(); ++i) components_[i]->read(part(row, i), out.parts[i]);
  }
  void forget_unused() override {
    for (const auto& component : components_) component->forget_unused();
  }
  void forget(std::size_t id) override {
    for (const auto& component : components_) component->forget(id);
    Objective::forget(id);
  }
  void settle() override;
  std::size_t nbytes() const noexcept override;

  std::size_t size() const noexcept { return components_.size(); }
  const Objective& component(std::size_t i) const noexcept { return *components_[i]; }
  double weight(std::size_t i) const noexcept { return weights_[i]; }
  Row part(Row row, std::size_t i) const noexcept { return parts_[row * size() + i]; }

 private:
  Row* parts_of(Row row) {
    if (parts_.size() < (row + 1) * size()) parts_.resize((row + 1) * size());
    return parts_.data() + row * size();
  }
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override {
    Row* parts = parts_of(row);
    for (std::size_t i = 0; i < size(); ++i) parts[i] = components_[i]->add(payload.parts[i], at);
  }
  void do_drop(Row row) override {
    for (std::size_t i = 0; i < size(); ++i) components_[i]->drop(part(row, i));
  }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;
  Restore do_backup() override {
    std::vector<Restore> components;
    for (const auto& component : components_) components.push_back(component->backup());
    return [this, components = std::move(components), parts = parts_] {
      for (const Restore& restore : components) restore();
      parts_ = parts;
    };
  }

  std::vector<std::shared_ptr<Objective>> components_;
  std::vector<double> weights_;
  std::string columns_;
  bool may_fail_ = false;
  std::vector<Row> parts_;  // by row: the components' rows
};

class MixtureChain final : public PrefixChain {
 public:
  explicit MixtureChain(const Mixture& f) : f_(f) {
    for (std::size_t i = 0; i < f.size(); ++i) chains_.push_back(f.component(i).chain());
  }
  MixtureChain(const MixtureChain& other) : PrefixChain(other), f_(other.f_) {
    for (const auto& chain : other.chains_) chains_.push_back(chain->clone());
  }

  double gain(Row row, std::uint32_t level) const override {
    double sum = 0;
    for (std::size_t i = 0; i < f_.size(); ++i) sum += f_.weight(i) * chains_[i]->gain(f_.part(row, i), level);
    return sum;
  }

  void top_gains(Span<const Row> rows, double* out) const override {
    std::vector<Row> parts(rows.size());
    std::vector<double> gains(rows.size());
    std::fill(out, out + rows.size(), 0.0);
    for (std::size_t i = 0; i < f_.size(); ++i) {
      for (std::size_t r = 0; r < rows.size(); ++r) parts[r] = f_.part(rows[r], i);
      chains_[i]->top_gains({parts.data(), parts.size()}, gains.data());
      for (std::size_t r = 0; r < rows.size(); ++r) out[r] += f_.weight(i) * gains[r];
    }
  }

  void gains(Row row, double* out) const override {
    std::vector<double> gains(levels() + 1);
    std::fill(out, out + levels() + 1, 0.0);
    for (std::size_t i = 0; i < f_.size(); ++i) {
      chains_[i]->gains(f_.part(row, i), gains.data());
      for (std::uint32_t level = 0; level <= levels(); ++level) out[level] += f_.weight(i) * gains[level];
    }
  }

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<MixtureChain>(*this); }

  std::size_t nbytes() const noexcept override {
    std::size_t total = chains_.capacity() * sizeof(chains_[0]);
    for (const auto& chain : chains_) total += chain->nbytes();
    return total;
  }

 private:
  void do_open() override {
    for (const auto& chain : chains_) chain->open();
  }
  void do_add(Row row) override {
    for (std::size_t i = 0; i < f_.size(); ++i) chains_[i]->add(f_.part(row, i));
  }
  void do_truncate(std::uint32_t levels) override {
    for (const auto& chain : chains_) chain->truncate(levels);
  }

  const Mixture& f_;
  std::vector<std::unique_ptr<PrefixChain>> chains_;
};

Mixture::Mixture(std::vector<std::shared_ptr<Objective>> components, Span<const double> weights)
    : components_(std::move(components)), weights_(weights.begin(), weights.end()) {
  const std::size_t n = components_[0]->n_known();
  for (const auto& component : components_) {
    if (component->n_known() != n)
      throw std::invalid_argument("the objectives of a mixture must know equally many elements, but " +
                                  std::string(components_[0]->name()) + " knows " + std::to_string(n) + " and " +
                                  component->name() + " " + std::to_string(component->n_known()));
    lock_with(*component);
    columns_ += (columns_.empty() ? "" : " and ") + std::string(component->columns());
    may_fail_ = may_fail_ || component->may_fail();
  }
  for (std::size_t id = 0; id < n; ++id) {
    const Row row = take();
    for (std::size_t i = 0; i < size(); ++i) {
      components_[i]->hold(components_[i]->known(id));
      parts_of(row)[i] = components_[i]->known(id);
    }
    know(row);
  }
  ready();
}

std::unique_ptr<PrefixChain> Mixture::chain() const { return std::make_unique<MixtureChain>(*this); }

void Mixture::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  if (payload.parts.size() != size())
    throw BatchError(BatchError::Kind::value, rows.empty() ? 0 : rows[0], "inserts need " + columns_);
  for (std::size_t i = 0; i < size(); ++i) {
    try {
      components_[i]->check(payload.parts[i], rows);
    } catch (const BatchError& error) {
      throw BatchError(error.kind(), error.row(),
                       "objective " + std::to_string(i) + " (" + components_[i]->name() + "): " + error.what());
    }
  }
}

void Mixture::settle() {
  Objective::settle();
  for (const auto& component : components_) component->settle();
}

std::size_t Mixture::nbytes() const noexcept {
  std::size_t total = parts_.capacity() * sizeof(Row);
  for (const auto& component : components_) total += component->nbytes();
  return total;
}

void Mixture::do_save(SnapshotWriter& out) const {
  for (const auto& component : components_) component->save(out);
  for (Row row = 0; row < rows(); ++row)
    if (has(row))
      for (std::size_t i = 0; i < size(); ++i) out.u32(part(row, i));
}

void Mixture::do_load(SnapshotReader& in) {
  for (const auto& component : components_) component->load(in);
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    Row* parts = parts_of(row);
    for (std::size_t i = 0; i < size(); ++i) {
      parts[i] = in.u32();
      if (!components_[i]->has(parts[i])) in.fail("rows of the mixture's objectives");
      components_[i]->hold(parts[i]);
    }
  }
}

}  // namespace

std::shared_ptr<Objective> make_mixture(std::vector<std::shared_ptr<Objective>> components,
                                        Span<const double> weights) {
  return std::make_shared<Mixture>(std::move(components), weights);
}

}  // namespace pyalgo::submodular
