#include <limits>

#include "approx.hpp"
#include "coded.hpp"
#include "compare.hpp"
#include "ntt.hpp"
#include "pyalgo/parallel.hpp"

namespace pyalgo::hamming {

// The patterns of a plan in the codes of one type of text.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual void distances(const Text& text, Span<const Output> outputs, std::optional<std::int64_t> k,
                         unsigned threads) const = 0;
  virtual Hits find(std::size_t p, const Text& text, std::int64_t k, std::size_t limit, unsigned threads) const = 0;
  virtual Hits best(std::size_t p, const Text& text, std::size_t top) const = 0;
  virtual ApproxMethod approximate(std::size_t p, const Text& text, const ApproxOptions& options, Span<double> values,
                                   Span<std::uint8_t> exact) const = 0;
  virtual std::vector<Prediction> explain(const Text& text, std::size_t n) const = 0;
};

namespace {

constexpr std::size_t kSampled = std::size_t{1} << 14;  // symbols looked at to choose a method
constexpr std::size_t kSampleRuns = 16;                 // from so many places of the text

std::size_t alignments(std::size_t n, std::size_t m) noexcept { return n < m ? 0 : n - m + 1; }

// Distances in the type that was asked for, from int32; what exceeds `most` is given as most + 1.
class Writer {
 public:
  Writer(const Output& output, std::optional<std::int64_t> k)
      : output_(output),
        most_(static_cast<std::int32_t>(std::min<std::int64_t>(k.value_or(INT32_MAX - 1), INT32_MAX - 1))) {}

  // Where counts may go at once, without a buffer.
  std::int32_t* direct(std::size_t at) const noexcept {
    return output_.type == Output::Type::int32 ? static_cast<std::int32_t*>(output_.data) + at : nullptr;
  }
  void write(const std::int32_t* counts, std::size_t at, std::size_t n) const noexcept {
    switch (output_.type) {
      case Output::Type::int32: return put(static_cast<std::int32_t*>(output_.data) + at, counts, n);
      case Output::Type::uint16: return put(static_cast<std::uint16_t*>(output_.data) + at, counts, n);
      case Output::Type::int64: return put(static_cast<std::int64_t*>(output_.data) + at, counts, n);
    }
  }
  bool clipped() const noexcept { return most_ < INT32_MAX - 1; }

  // What is above most throughout.
  void fill(std::size_t n) const noexcept {
    switch (output_.type) {
      case Output::Type::int32: std::fill_n(static_cast<std::int32_t*>(output_.data), n, most_ + 1); break;
      case Output::Type::uint16:
        std::fill_n(static_cast<std::uint16_t*>(output_.data), n, static_cast<std::uint16_t>(most_ + 1));
        break;
      case Output::Type::int64:
        std::fill_n(static_cast<std::int64_t*>(output_.data), n, std::int64_t{most_} + 1);
        break;
    }
  }

 private:
  template <class T>
  void put(T* to, const std::int32_t* counts, std::size_t n) const noexcept {
    for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<T>(std::min(counts[i], most_ + 1));
  }

  Output output_;
  std::int32_t most_;
};

template <class Code>
class PreparedFor final : public Prepared {
 public:
  PreparedFor(const std::vector<PatternValues>& patterns, std::optional<std::uint64_t> wildcard, Alphabet alphabet,
              Method method)
      : coded_(patterns, wildcard, std::move(alphabet)), method_(method) {}

  void distances(const Text& text, Span<const Output> outputs, std::optional<std::int64_t> k,
                 unsigned threads) const override;
  Hits find(std::size_t p, const Text& text, std::int64_t k, std::size_t limit, unsigned threads) const override;
  Hits best(std::size_t p, const Text& text, std::size_t top) const override;
  ApproxMethod approximate(std::size_t p, const Text& text, const ApproxOptions& options, Span<double> values,
                           Span<std::uint8_t> exact) const override;
  std::vector<Prediction> explain(const Text& text, std::size_t n) const override {
    return coded_.predictions(alignments(n, coded_.shortest()), sample(text), active_costs());
  }

 private:
  void clipped_distances(const Text& text, Span<const Output> outputs, std::int64_t k, unsigned threads) const;
  std::vector<Code> sample(const Text& text) const;

  // Calls work(codes, size, begin, end) for the alignments [begin, end) of consecutive pieces of [first, last);
  // codes[0] is that of symbol `begin`, and `size` of them are there: all that patterns of up to `longest` symbols
  // need.
  template <class Work>
  void for_pieces(const Text& text, std::size_t first, std::size_t last, std::size_t longest, bool whole,
                  Work&& work) const;

  Coded<Code> coded_;
  Method method_;
};

template <class Code>
std::vector<Code> PreparedFor<Code>::sample(const Text& text) const {
  std::vector<Code> codes(std::min(text.size, kSampled));
  if (text.size <= kSampled) {
    const Code* all = coded_.alphabet().encode(text, codes.data());
    if (all != codes.data()) std::copy(all, all + text.size, codes.begin());
    return codes;
  }
  const std::size_t run = kSampled / kSampleRuns, step = (text.size - run) / (kSampleRuns - 1);
  for (std::size_t r = 0; r < kSampleRuns; ++r) {
    Code* to = codes.data() + r * run;
    const Code* some = coded_.alphabet().encode(text.slice(r * step, run), to);
    if (some != to) std::copy(some, some + run, to);
  }
  return codes;
}

template <class Code>
template <class Work>
void PreparedFor<Code>::for_pieces(const Text& text, std::size_t first, std::size_t last, std::size_t longest,
                                   bool whole, Work&& work) const {
  const Alphabet& alphabet = coded_.alphabet();
  const std::size_t piece =
      alphabet.identity() && whole ? last - first : std::max<std::size_t>(std::size_t{1} << 16, 2 * longest);
  std::vector<Code> buffer(alphabet.identity() ? 0 : std::min(piece, last - first) + longest);
  std::size_t kept = 0;  // codes of the piece before that are those of this one's first symbols
  for (std::size_t begin = first; begin < last; begin += piece) {
    const std::size_t end = std::min(last, begin + piece);
    const std::size_t size = std::min(text.size, end + longest - 1) - begin;
    const Code* codes = static_cast<const Code*>(text.data) + begin;
    if (!alphabet.identity()) {
      alphabet.encode(text.slice(begin + kept, size - kept), buffer.data() + kept);
      codes = buffer.data();
    }
    work(codes, size, begin, end);
    if (!alphabet.identity() && end < last) {
      kept = size - piece;
      std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(piece), buffer.begin() + static_cast<std::ptrdiff_t>(size),
                buffer.begin());
    }
  }
}

template <class Code>
void PreparedFor<Code>::distances(const Text& text, Span<const Output> outputs, std::optional<std::int64_t> k,
                                  unsigned threads) const {
  const std::size_t total = alignments(text.size, coded_.shortest());
  if (total == 0) return;
  const std::vector<Code> some = sample(text);
  if (k && method_ == Method::automatic && coded_.prefers_bounded(*k, total, some))
    return clipped_distances(text, outputs, *k, threads);
  const Method method = coded_.choose(method_, total, some);
  std::vector<Writer> writers;
  bool direct = true;
  for (const Output& output : outputs) {
    writers.emplace_back(output, k);
    direct = direct && writers.back().direct(0) != nullptr && !writers.back().clipped();
  }
  parallel_for(total, ceil_div(total, std::max(threads, 1U)), threads, [&](std::size_t first, std::size_t last) {
    typename Coded<Code>::Workspace workspace = coded_.workspace(method, some);
    std::vector<std::vector<std::int32_t>> buffers(direct ? 0 : writers.size());
    std::vector<std::int32_t*> out(writers.size());
    std::vector<std::size_t> counts(writers.size());
    for_pieces(text, first, last, coded_.longest(), direct,
               [&](const Code* codes, std::size_t size, std::size_t begin, std::size_t end) {
                 for (std::size_t p = 0; p < writers.size(); ++p) {
                   counts[p] = std::min(end, std::max(begin, alignments(text.size, coded_.pattern(p).length))) - begin;
                   if (!direct) buffers[p].resize(std::max(buffers[p].size(), counts[p]));
                   out[p] = direct ? writers[p].direct(begin) : buffers[p].data();
                 }
                 coded_.distances(codes, size, begin, out, counts, workspace);
                 for (std::size_t p = 0; p < buffers.size(); ++p) writers[p].write(buffers[p].data(), begin, counts[p]);
               });
  });
}

// For a k so small that nearly all alignments exceed it.
template <class Code>
void PreparedFor<Code>::clipped_distances(const Text& text, Span<const Output> outputs, std::int64_t k,
                                          unsigned threads) const {
  for (std::size_t p = 0; p < outputs.size(); ++p) {
    const Writer writer(outputs[p], k);
    writer.fill(alignments(text.size, coded_.pattern(p).length));
    const Hits hits = find(p, text, k, SIZE_MAX, threads);
    for (std::size_t i = 0; i < hits.size(); ++i)
      writer.write(&hits.distances[i], static_cast<std::size_t>(hits.positions[i]), 1);
  }
}

template <class Code>
Hits PreparedFor<Code>::find(std::size_t p, const Text& text, std::int64_t k, std::size_t limit,
                             unsigned threads) const {
  const std::size_t m = coded_.pattern(p).length, total = alignments(text.size, m);
  if (total == 0 || limit == 0) return {};
  const std::vector<Code> some = sample(text);
  const auto search = coded_.bounded(p, k, some);
  const std::size_t stretch = ceil_div(total, std::max(threads, 1U));
  std::vector<Hits> found(ceil_div(total, stretch));
  parallel_for(total, stretch, threads, [&](std::size_t first, std::size_t last) {
    const auto workspace = search->make_workspace();
    Hits& hits = found[first / stretch];
    // All at once, as a search that must count reads a pattern more; unless it may end early.
    const bool whole = limit == SIZE_MAX;
    for_pieces(text, first, last, m, whole, [&](const Code* codes, std::size_t size, std::size_t begin, std::size_t) {
      if (hits.size() < limit) search->search(codes, size, begin, k, hits, *workspace);
    });
  });
  Hits all = std::move(found.front());
  if (all.size() > limit) all.resize(limit);
  std::size_t sum = all.size();
  for (std::size_t i = 1; i < found.size(); ++i) sum += found[i].size();
  all.reserve(std::min(sum, limit));
  for (std::size_t i = 1; i < found.size(); ++i)
    all.append(found[i].positions.data(), found[i].distances.data(), std::min(found[i].size(), limit - all.size()));
  return all;
}

template <class Code>
Hits PreparedFor<Code>::best(std::size_t p, const Text& text, std::size_t top) const {
  const std::size_t m = coded_.pattern(p).length, total = alignments(text.size, m);
  if (total == 0 || top == 0) return {};
  using Ranked = std::pair<std::int32_t, std::int64_t>;  // distance, position
  const std::vector<Code> some = sample(text);
  std::vector<Ranked> heap;  // of the best so far, the worst on top
  Hits hits;
  std::int64_t k = static_cast<std::int64_t>(m);
  std::unique_ptr<BoundedSearch<Code>> search;
  std::unique_ptr<typename BoundedSearch<Code>::Workspace> workspace;
  std::int64_t planned = -1;
  for_pieces(text, 0, total, m, false, [&](const Code* codes, std::size_t size, std::size_t begin, std::size_t) {
    if (k < 0) return;
    if (planned < 0 || k < planned / 2) {  // the sample of places was drawn for a laxer bound
      search = coded_.bounded(p, k, some);
      workspace = search->make_workspace();
      planned = k;
    }
    hits.resize(0);
    search->search(codes, size, begin, k, hits, *workspace);
    for (std::size_t i = 0; i < hits.size(); ++i) {
      const Ranked hit{hits.distances[i], hits.positions[i]};
      if (heap.size() == top && hit > heap.front()) continue;
      if (heap.size() == top) {
        std::pop_heap(heap.begin(), heap.end());
        heap.pop_back();
      }
      heap.push_back(hit);
      std::push_heap(heap.begin(), heap.end());
    }
    if (heap.size() == top) k = heap.front().first - 1;  // later alignments must be strictly better
  });
  std::sort_heap(heap.begin(), heap.end());
  Hits ranked;
  for (const auto& [distance, position] : heap) ranked.push_back(position, distance);
  return ranked;
}

template <class Code>
ApproxMethod PreparedFor<Code>::approximate(std::size_t p, const Text& text, const ApproxOptions& options,
                                            Span<double> values, Span<std::uint8_t> exact) const {
  const Pattern<Code>& pattern = coded_.pattern(p);
  const std::size_t total = alignments(text.size, pattern.length);
  const std::vector<Code> some = sample(text);
  const Method method = coded_.choose(Method::automatic, total, some);
  const auto counter = coded_.engine(method, some);
  ApproxEngines<Code> engines;
  engines.exact = counter.get();
  engines.verify = compare_one<Code>();
  engines.sampler = [](auto patterns) { return make_compare<Code>(std::move(patterns)); };
  engines.projected = [total](auto patterns) {
    Load load;  // of the buckets, which are letters of about the same frequency
    load.n = static_cast<double>(total);
    load.length = static_cast<double>(patterns.front().length);
    load.counted = static_cast<double>(patterns.front().codes.size());
    load.letters = 256;
    const Costs costs = active_costs();
    const bool short_text = predicted_ns(Method::compare, load, costs) < predicted_ns(Method::ntt, load, costs);
    return short_text ? make_compare<std::uint8_t>(std::move(patterns)) : make_ntt(std::move(patterns));
  };
  // A fixed price, so that the values, which depend on it, are the same on every machine.
  ApproxCosts costs{coded_.predictions(total, some, reference_costs()).front().ns};
  costs.look = 3;
  costs.sample = 0.0125 * sizeof(Code);
  costs.verify = 0.025 * sizeof(Code);
  ApproxMethod used = ApproxMethod::exact;
  for_pieces(text, 0, total, pattern.length, true,
             [&](const Code* codes, std::size_t size, std::size_t begin, std::size_t end) {
               ApproxOptions share = options;
               share.delta *= static_cast<double>(end - begin) / static_cast<double>(total);
               const ApproxMethod here =
                   approx_distances(codes, size, pattern, share, engines, costs, {values.data() + begin, end - begin},
                                    {exact.data() + begin, end - begin});
               if (here != ApproxMethod::exact) used = here;
             });
  return used;
}

bool same(SymbolType a, SymbolType b) noexcept { return a.width == b.width && a.is_signed == b.is_signed; }

}  // namespace

const char* name(Method method) noexcept {
  constexpr const char* names[] = {"auto", "compare", "bitslice", "ntt", "fft", "split", "periodic", "sumset"};
  return names[static_cast<std::size_t>(method)];
}

Plan::Plan(std::vector<PatternValues> patterns, std::optional<std::uint64_t> text_wildcard, Method method)
    : patterns_(std::move(patterns)), text_wildcard_(text_wildcard), method_(method) {}

Plan::~Plan() = default;

const Prepared& Plan::prepared(SymbolType type) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [known, prepared] : prepared_)
    if (same(known, type)) return *prepared;
  Alphabet alphabet(patterns_, text_wildcard_, type);
  std::unique_ptr<Prepared> made;
  switch (alphabet.code_width()) {
    case 1:
      made = std::make_unique<PreparedFor<std::uint8_t>>(patterns_, text_wildcard_, std::move(alphabet), method_);
      break;
    case 2:
      made = std::make_unique<PreparedFor<std::uint16_t>>(patterns_, text_wildcard_, std::move(alphabet), method_);
      break;
    default:
      made = std::make_unique<PreparedFor<std::uint32_t>>(patterns_, text_wildcard_, std::move(alphabet), method_);
  }
  prepared_.emplace_back(type, std::move(made));
  return *prepared_.back().second;
}

void Plan::distances(const Text& text, Span<const Output> outputs, std::optional<std::int64_t> k,
                     unsigned threads) const {
  prepared(text.type).distances(text, outputs, k, threads);
}

Hits Plan::find(std::size_t pattern, const Text& text, std::int64_t k, std::size_t limit, unsigned threads) const {
  return prepared(text.type).find(pattern, text, k, limit, threads);
}

Hits Plan::best(std::size_t pattern, const Text& text, std::size_t top) const {
  return prepared(text.type).best(pattern, text, top);
}

ApproxMethod Plan::approximate(std::size_t pattern, const Text& text, const ApproxOptions& options, Span<double> values,
                               Span<std::uint8_t> exact) const {
  return prepared(text.type).approximate(pattern, text, options, values, exact);
}

std::vector<Prediction> Plan::explain(const Text& text, std::size_t n) const {
  return prepared(text.type).explain(text, n);
}

}  // namespace pyalgo::hamming
