// A set function that lives outside the core. What it costs is being asked, so answers over one prefix are kept until
// the prefix or the payload changes: adding an element asks for the marginal that chose it again.
#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
namespace {

class Callable final : public Objective {
 public:
  explicit Callable(std::shared_ptr<const Oracle> oracle) : oracle_(std::move(oracle)) { ready(); }

  const char* name() const noexcept override { return "callable"; }
  const char* columns() const noexcept override { return "nothing but the id"; }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override;
  void read(Row row, OwnedPayload& out) const override {
    out.has_keys = true;
    out.keys.push_back(key(row));
    out.end_row();
  }
  bool may_fail() const noexcept override { return true; }
  std::size_t nbytes() const noexcept override {
    std::size_t total = numbers_.capacity() * sizeof(std::int64_t) + texts_.capacity() * sizeof(std::string);
    for (const std::string& text : texts_) total += text.capacity();
    return total;
  }

  const Oracle& oracle() const noexcept { return *oracle_; }
  std::uint64_t version() const noexcept { return version_; }  // rows taken; one that came anew may be another element
  Key key(Row row) const noexcept {
    return kind_ == KeyKind::text ? Key::of(std::string_view(texts_[row])) : Key::of(numbers_[row]);
  }

 private:
  void set(Row row, const Key& key);
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override { set(row, payload.keys_of(at)[0]); }
  void do_drop(Row row) override {
    if (kind_ == KeyKind::text) texts_[row] = {};
  }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;
  Restore do_backup() override {
    return [this, kind = kind_, numbers = numbers_, texts = texts_] { kind_ = kind, numbers_ = numbers, texts_ = texts; };
  }

  std::shared_ptr<const Oracle> oracle_;
  std::uint64_t version_ = 0;
  KeyKind kind_ = KeyKind::none;
  std::vector<std::int64_t> numbers_;  // by row
  std::vector<std::string> texts_;     // by row
};

class CallableChain final : public PrefixChain {
 public:
  explicit CallableChain(const Callable& f) : f_(f) {}

  double gain(Row row, std::uint32_t level) const override {
    if (!last_ || last_->row != row || last_->level != level || last_->version != f_.version()) {
      const Answer answer = ask({&row, 1}, level)[0];
      last_ = Last{row, level, f_.version(), answer};
    }
    return last_->answer.gain;
  }

  void top_gains(Span<const Row> rows, double* out) const override {
    const std::vector<Answer> answers = ask(rows, levels());
    for (std::size_t i = 0; i < rows.size(); ++i) out[i] = answers[i].gain;
  }

  void gains(Row row, double* out) const override {
    for (std::uint32_t level = 0; level <= levels(); ++level) out[level] = gain(row, level);
  }

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<CallableChain>(*this); }

  std::size_t nbytes() const noexcept override {
    return prefix_.capacity() * sizeof(Row) + ends_.capacity() * sizeof(std::size_t) +
           f_of_.capacity() * sizeof(double);
  }

 private:
  struct Answer {
    double gain;
    double f;  // of the prefix with the element; unused where the oracle gives gains
  };

  struct Last {
    Row row;
    std::uint32_t level;
    std::uint64_t version;
    Answer answer;
  };

  std::vector<Answer> ask(Span<const Row> rows, std::uint32_t level) const;
  Answer checked(double answer, std::uint32_t level, const Key& asked) const;

  // f is a function of sets of ids: what the prefix has gains nothing.
  bool contains(const Key& key, std::uint32_t level) const {
    return std::any_of(prefix_.begin(), prefix_.begin() + static_cast<std::ptrdiff_t>(ends_[level]),
                       [&](Row row) { return f_.key(row) == key; });
  }

  void do_open() override {
    ends_.push_back(prefix_.size());
    f_of_.push_back(f_of_.back());
  }
  void do_add(Row row) override {  // its marginal was just asked for
    if (contains(f_.key(row), levels())) return;
    f_of_.back() = last_->answer.f;
    prefix_.push_back(row);
    ends_.back() = prefix_.size();
    last_.reset();
  }
  void do_truncate(std::uint32_t levels) override {
    ends_.resize(levels + 1);
    f_of_.resize(levels + 1);
    prefix_.resize(ends_.back());
    last_.reset();
  }

  const Callable& f_;
  std::vector<Row> prefix_;
  std::vector<std::size_t> ends_{0};  // by level: how many of the prefix
  std::vector<double> f_of_{0.0};     // by level: f of them
  mutable std::optional<Last> last_;
};

std::unique_ptr<PrefixChain> Callable::chain() const { return std::make_unique<CallableChain>(*this); }

std::vector<CallableChain::Answer> CallableChain::ask(Span<const Row> rows, std::uint32_t level) const {
  std::vector<Answer> answers(rows.size(), {0.0, f_of_[level]});
  std::vector<std::size_t> asked;
  std::vector<Key> candidates, prefix;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Key key = f_.key(rows[i]);
    if (contains(key, level)) continue;
    asked.push_back(i);
    candidates.push_back(key);
  }
  if (asked.empty()) return answers;
  for (std::size_t i = 0; i < ends_[level]; ++i) prefix.push_back(f_.key(prefix_[i]));
  std::vector<double> raw(asked.size());
  f_.oracle().ask({prefix.data(), prefix.size()}, {candidates.data(), candidates.size()}, raw.data());
  for (std::size_t i = 0; i < asked.size(); ++i) answers[asked[i]] = checked(raw[i], level, candidates[i]);
  return answers;
}

CallableChain::Answer CallableChain::checked(double answer, std::uint32_t level, const Key& asked) const {
  const bool is_gain = f_.oracle().gives_gains();
  const double before = is_gain ? value(level) : f_of_[level];
  const double gain = is_gain ? answer : answer - before;
  const auto place = [&] { return " for id " + asked.str() + " over a set of " + std::to_string(ends_[level]); };
  if (!(std::abs(answer) <= largest_magnitude))  // NaN fails it
    throw std::invalid_argument("the function returned " + shown(answer) + place() + ": it must be finite, at most " +
                                shown(largest_magnitude));
  // Sums of other orders differ by rounding; below 1e-15 a difference of numbers of order 1 means nothing.
  if (gain < -1e-9 * std::max(std::abs(before), std::abs(answer)) - 1e-15)
    throw NonMonotoneError("the function falls by " + shown(-gain) + place() + ": it must not fall when its set grows");
  return {gain < smallest_magnitude ? 0.0 : gain, is_gain ? 0.0 : answer};
}

void Callable::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  if (kind_ != KeyKind::none && !rows.empty() && payload.keys.kind != kind_)
    throw BatchError(BatchError::Kind::type, rows[0], "ids are integers and strings: one objective takes one kind");
  for (std::uint32_t row : rows)
    if (!payload.has_keys || payload.keys_of(row).size() != 1)
      throw BatchError(BatchError::Kind::value, row, "an element of a callable objective is one id");
}

void Callable::set(Row row, const Key& key) {
  ++version_;
  kind_ = key.kind;
  if (kind_ == KeyKind::text) {
    if (row >= texts_.size()) texts_.resize(row + 1);
    texts_[row] = std::string(key.text);
  } else {
    if (row >= numbers_.size()) numbers_.resize(row + 1);
    numbers_[row] = key.number;
  }
}

void Callable::do_save(SnapshotWriter& out) const {
  out.u8(static_cast<std::uint8_t>(kind_));
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    if (kind_ == KeyKind::text)
      out.string(texts_[row]);
    else
      out.i64(numbers_[row]);
  }
}

void Callable::do_load(SnapshotReader& in) {
  const std::uint8_t kind = in.u8();
  if (kind > static_cast<std::uint8_t>(KeyKind::text)) in.fail("ids of one kind");
  kind_ = static_cast<KeyKind>(kind);
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    if (kind_ == KeyKind::none) in.fail("a kind of the ids");
    if (kind_ == KeyKind::text)
      set(row, Key::of(std::string_view(in.string())));
    else
      set(row, Key::of(in.i64()));
  }
}

}  // namespace

std::shared_ptr<Objective> make_callable(std::shared_ptr<const Oracle> oracle) {
  return std::make_shared<Callable>(std::move(oracle));
}

}  // namespace pyalgo::submodular
