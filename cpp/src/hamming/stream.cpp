#include <array>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "coded.hpp"
#include "compare.hpp"

namespace pyalgo::hamming {

class Stream::State {
 public:
  virtual ~State() = default;
  virtual Chunk update(const Text& piece) = 0;
  virtual Chunk flush() = 0;
  virtual Chunk merge(const State& other) = 0;
  virtual std::size_t nbytes() const noexcept = 0;
  virtual void save(SnapshotWriter& out) const = 0;
  virtual void load(SnapshotReader& in) = 0;

  Stats stats;
};

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 15;  // symbols taken in at a time

// Consecutive codes, taken away in front and appended behind in amortised constant time.
template <class Code>
class Window {
 public:
  std::size_t size() const noexcept { return end_ - begin_; }
  const Code* data() const noexcept { return codes_.data() + begin_; }
  std::size_t nbytes() const noexcept { return codes_.capacity() * sizeof(Code); }
  void drop(std::size_t n) noexcept { begin_ += n; }

  // Room for n more; they count once `extend` says so.
  Code* room(std::size_t n) {
    if (end_ + n > codes_.size()) {
      std::copy(data(), data() + size(), codes_.begin());
      end_ -= begin_;
      begin_ = 0;
      if (2 * end_ + n > codes_.size()) codes_.resize(2 * end_ + n);
    }
    return codes_.data() + end_;
  }
  void extend(std::size_t n) noexcept { end_ += n; }
  void append(const Code* codes, std::size_t n) {
    std::copy(codes, codes + n, room(n));
    extend(n);
  }

 private:
  std::vector<Code> codes_;
  std::size_t begin_ = 0, end_ = 0;
};

template <class Code>
class StateOf final : public Stream::State {
 public:
  StateOf(const Stream::Settings& settings, Alphabet alphabet)
      : k_(settings.k),
        latency_(settings.latency),
        keep_head_(settings.keep_head),
        method_(settings.method),
        m_(settings.pattern.values.size()),
        coded_({settings.pattern}, settings.text_wildcard, std::move(alphabet)) {
    const Pattern<Code>& pattern = coded_.pattern(0);
    dense_.resize(m_);
    fixed_.resize(m_);
    for (std::size_t i = 0; i < pattern.offsets.size(); ++i) {
      dense_[pattern.offsets[i]] = pattern.codes[i];
      fixed_[pattern.offsets[i]] = static_cast<Code>(~Code{0});
    }
    all_fixed_ = pattern.offsets.size() == m_;
    window_.room(2 * (m_ + std::min(latency_, kPiece)) + 64);
  }

  Chunk update(const Text& piece) override;
  Chunk flush() override {
    Chunk chunk = started();
    settle(ready(), chunk);
    return chunk;
  }
  Chunk merge(const State& other) override;
  std::size_t nbytes() const noexcept override {
    std::size_t sum = window_.nbytes() + (head_.capacity() + dense_.capacity() + fixed_.capacity()) * sizeof(Code);
    for (const auto& workspace : workspaces_) {
      if (workspace.letters) sum += workspace.letters->nbytes();
      if (workspace.wildcards) sum += workspace.wildcards->nbytes();
    }
    return sum;
  }
  void save(SnapshotWriter& out) const override;
  void load(SnapshotReader& in) override;

 private:
  Chunk started() const {
    Chunk chunk;
    chunk.start = stats.n_emitted;
    return chunk;
  }
  std::size_t ready() const noexcept { return window_.size() < m_ ? 0 : window_.size() - m_ + 1; }
  void settle(std::size_t count, Chunk& chunk);
  void count(std::size_t count, std::int32_t* out);
  Method choose(std::size_t count);
  void learn(const std::int32_t* distances, const std::int64_t* positions, std::size_t n);

  const std::optional<std::int64_t> k_;
  const std::size_t latency_;
  const bool keep_head_;
  const Method method_;
  const std::size_t m_;
  const Coded<Code> coded_;
  std::vector<Code> dense_, fixed_;  // the pattern for single alignments: codes, and all bits set where they count
  bool all_fixed_ = false;

  Window<Code> window_;     // the symbols from alignment n_emitted on
  std::vector<Code> head_;  // the first m - 1 symbols, with keep_head

  // How alignments are counted changes no result and is learned anew after a snapshot: a method for every power of two
  // of them.
  static constexpr auto kSingly = Method::automatic;
  std::array<std::optional<Method>, 64> chosen_;
  std::array<typename Coded<Code>::Workspace, 8> workspaces_;
  std::unique_ptr<BoundedSearch<Code>> search_;
  std::unique_ptr<typename BoundedSearch<Code>::Workspace> search_workspace_;
  std::vector<std::int32_t> counts_;
};

template <class Code>
Chunk StateOf<Code>::update(const Text& piece) {
  Chunk chunk = started();
  for (std::size_t at = 0; at < piece.size; at += kPiece) {
    const std::size_t n = std::min(kPiece, piece.size - at);
    Code* to = window_.room(n);
    const Code* codes = coded_.alphabet().encode(piece.slice(at, n), to);
    if (codes != to) std::copy(codes, codes + n, to);
    if (keep_head_ && head_.size() < m_ - 1) head_.insert(head_.end(), to, to + std::min(n, m_ - 1 - head_.size()));
    window_.extend(n);
    stats.n_seen += n;
    // In whole multiples, so that what is settled does not depend on how the text was cut into pieces.
    const std::uint64_t due = (stats.n_emitted + ready()) / (latency_ + 1) * (latency_ + 1);
    if (due > stats.n_emitted) settle(due - stats.n_emitted, chunk);
  }
  return chunk;
}

template <class Code>
void StateOf<Code>::settle(std::size_t count, Chunk& chunk) {
  if (count == 0) return;
  if (!k_) {
    std::vector<std::int32_t>& distances = chunk.hits.distances;
    const std::size_t before = distances.size();
    distances.resize(before + count);
    this->count(count, distances.data() + before);
    learn(distances.data() + before, nullptr, count);
  } else {
    const std::size_t before = chunk.hits.size();
    if (count >= 256 && method_ == Method::automatic) {
      const Span<const Code> sample(window_.data(), std::min<std::size_t>(window_.size(), std::size_t{1} << 14));
      if (!search_) {
        search_ = coded_.bounded(0, *k_, sample);
        search_workspace_ = search_->make_workspace();
      }
      search_->search(window_.data(), count + m_ - 1, stats.n_emitted, *k_, chunk.hits, *search_workspace_);
    } else {
      counts_.resize(std::max(counts_.size(), count));
      this->count(count, counts_.data());
      for (std::size_t i = 0; i < count; ++i)
        if (counts_[i] <= *k_) chunk.hits.push_back(static_cast<std::int64_t>(stats.n_emitted + i), counts_[i]);
    }
    learn(chunk.hits.distances.data() + before, chunk.hits.positions.data() + before, chunk.hits.size() - before);
  }
  chunk.count += count;
  stats.n_emitted += count;
  window_.drop(count);
}

template <class Code>
Method StateOf<Code>::choose(std::size_t count) {
  if (method_ != Method::automatic) return method_;
  std::size_t power = 0;
  while (count >> (power + 1)) ++power;
  if (!chosen_[power]) {
    const Span<const Code> sample(window_.data(), std::min<std::size_t>(window_.size(), std::size_t{1} << 14));
    const Costs costs = active_costs();
    const Prediction best = coded_.predictions(count, sample, costs, true).front();
    const bool singly = 5 + costs.single_byte * static_cast<double>(m_ * sizeof(Code)) < best.ns;
    chosen_[power] = singly ? kSingly : best.method;
  }
  return *chosen_[power];
}

template <class Code>
void StateOf<Code>::count(std::size_t count, std::int32_t* out) {
  const Method method = choose(count);
  if (method == kSingly && !coded_.has_wildcard()) {
    static const CompareOne<Code> compare = compare_one<Code>();
    for (std::size_t i = 0; i < count; ++i)
      out[i] = static_cast<std::int32_t>(
          compare(window_.data() + i, dense_.data(), all_fixed_ ? nullptr : fixed_.data(), m_));
    return;
  }
  const Method used = method == kSingly ? Method::compare : method;
  auto& workspace = workspaces_[static_cast<std::size_t>(used)];
  if (!workspace.engine) {
    const Span<const Code> sample(window_.data(), std::min<std::size_t>(window_.size(), std::size_t{1} << 14));
    workspace = coded_.workspace(used, sample);
  }
  coded_.distances(window_.data(), count + m_ - 1, stats.n_emitted, Span<std::int32_t* const>(&out, 1),
                   Span<const std::size_t>(&count, 1), workspace);
}

// The best and the number within k, from what was settled: all alignments in order, or those at `positions`.
template <class Code>
void StateOf<Code>::learn(const std::int32_t* distances, const std::int64_t* positions, std::size_t n) {
  if (positions != nullptr) stats.n_within_k += n;
  if (n == 0) return;
  const std::int32_t* least = std::min_element(distances, distances + n);
  if (stats.has_best && stats.best_distance <= *least) return;
  const auto at = static_cast<std::size_t>(least - distances);
  stats.has_best = true;
  stats.best_distance = *least;
  stats.best_position = positions != nullptr ? static_cast<std::uint64_t>(positions[at]) : stats.n_emitted + at;
}

template <class Code>
Chunk StateOf<Code>::merge(const State& given) {
  const auto& other = static_cast<const StateOf&>(given);
  const std::uint64_t before = stats.n_seen;
  Chunk chunk = started();
  // Our alignments that reach into the other's text need no more of it than its head.
  window_.append(other.head_.data(), other.head_.size());
  if (keep_head_ && head_.size() < m_ - 1)
    head_.insert(
        head_.end(), other.head_.begin(),
        other.head_.begin() + static_cast<std::ptrdiff_t>(std::min(other.head_.size(), m_ - 1 - head_.size())));
  settle(std::min<std::size_t>(ready(), before - stats.n_emitted), chunk);
  stats.n_seen += other.stats.n_seen;
  if (other.stats.n_seen >= m_ - 1) {
    window_.drop(window_.size());
    window_.append(other.window_.data(), other.window_.size());
    stats.n_emitted = before + other.stats.n_emitted;
  }
  stats.n_within_k += other.stats.n_within_k;
  if (other.stats.has_best && (!stats.has_best || other.stats.best_distance < stats.best_distance)) {
    stats.has_best = true;
    stats.best_distance = other.stats.best_distance;
    stats.best_position = before + other.stats.best_position;
  }
  // What workspaces remember is the text from its beginning, which the other's was not.
  workspaces_ = {};
  return chunk;
}

template <class Code>
void StateOf<Code>::save(SnapshotWriter& out) const {
  out.u64(stats.n_seen);
  out.u64(stats.n_emitted);
  out.u64(stats.n_within_k);
  out.u8(stats.has_best);
  out.u32(static_cast<std::uint32_t>(stats.best_distance));
  out.u64(stats.best_position);
  out.numbers(Span<const Code>(window_.data(), window_.size()));
  out.numbers(Span<const Code>(head_));
}

template <class Code>
void StateOf<Code>::load(SnapshotReader& in) {
  Stream::Stats read;
  read.n_seen = in.u64();
  read.n_emitted = in.u64();
  read.n_within_k = in.u64();
  const std::uint8_t has_best = in.u8();
  read.has_best = has_best != 0;
  read.best_distance = static_cast<std::int32_t>(in.u32());
  read.best_position = in.u64();
  const std::uint64_t most = m_ - 1 + latency_;
  if (read.n_emitted > read.n_seen || read.n_seen - read.n_emitted > most ||
      (read.n_emitted > 0 && read.n_seen - read.n_emitted < m_ - 1))
    in.fail("at most " + std::to_string(most) + " symbols behind the last alignment");
  if (has_best > 1 || (read.has_best && read.best_position >= read.n_emitted) || read.n_within_k > read.n_emitted)
    in.fail("a best alignment among those settled");
  const auto load_codes = [&](std::uint64_t expected) {
    std::vector<Code> codes = in.numbers<Code>();
    if (codes.size() != expected) in.fail(std::to_string(expected) + " codes");
    if (!coded_.alphabet().identity())
      for (const Code code : codes)
        if (code >= coded_.alphabet().never())
          in.fail("codes of " + std::to_string(coded_.alphabet().n_letters()) + " letters");
    return codes;
  };
  const std::vector<Code> window = load_codes(read.n_seen - read.n_emitted);
  head_ = load_codes(keep_head_ ? std::min<std::uint64_t>(read.n_seen, m_ - 1) : 0);
  window_.append(window.data(), window.size());
  stats = read;
}

std::unique_ptr<Stream::State> make_state(const Stream::Settings& settings) {
  Alphabet alphabet({settings.pattern}, settings.text_wildcard, settings.type, !settings.is_str);
  switch (alphabet.code_width()) {
    case 1: return std::make_unique<StateOf<std::uint8_t>>(settings, std::move(alphabet));
    case 2: return std::make_unique<StateOf<std::uint16_t>>(settings, std::move(alphabet));
    default: return std::make_unique<StateOf<std::uint32_t>>(settings, std::move(alphabet));
  }
}

}  // namespace

Stream::Stream(Settings settings) : state_(make_state(settings)) {}
Stream::~Stream() = default;
Chunk Stream::update(const Text& piece) { return state_->update(piece); }
Chunk Stream::flush() { return state_->flush(); }
Chunk Stream::merge(const Stream& other) { return state_->merge(*other.state_); }
Stream::Stats Stream::stats() const noexcept { return state_->stats; }
std::size_t Stream::nbytes() const noexcept { return sizeof(Stream) + state_->nbytes(); }
void Stream::save(SnapshotWriter& out) const { state_->save(out); }
void Stream::load(SnapshotReader& in) { state_->load(in); }

}  // namespace pyalgo::hamming
