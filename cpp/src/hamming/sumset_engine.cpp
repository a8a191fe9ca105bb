#include <algorithm>
#include <cmath>

#include "letter_index.hpp"
#include "scatter.hpp"
#include "sumset.hpp"
#include "sumset_counter.hpp"

namespace pyalgo::hamming {

namespace {

using Numbers = SumsetCounter::Numbers;

// One pattern, cut into letters that pairs can do and those that pieces of the text decide upon.
template <class Code>
struct Divided {
  std::size_t length = 0;
  LetterIndex<Code> heavy;
  std::vector<std::vector<std::uint32_t>> mirrored;  // of each heavy letter: length - 1 - place, rising

  double universe() const noexcept { return 3 * static_cast<double>(length); }
};

template <class Code>
Divided<Code> divide(const Pattern<Code>& pattern) {
  Divided<Code> divided;
  divided.length = pattern.length;
  std::vector<Code> letters = letters_of<Code>({&pattern, 1});
  const LetterIndex<Code> index(letters);
  std::vector<std::size_t> counts(letters.size());
  for (Code code : pattern.codes) ++counts[index.find(code)];
  const auto light = [&](Code code) {
    return static_cast<double>(counts[index.find(code)]) <= std::sqrt(divided.universe());
  };
  letters.erase(std::remove_if(letters.begin(), letters.end(), light), letters.end());
  divided.heavy = LetterIndex<Code>(letters);
  divided.mirrored.resize(letters.size());
  for (std::size_t i = pattern.codes.size(); i-- > 0;) {
    const std::uint32_t letter = divided.heavy.find(pattern.codes[i]);
    if (letter < letters.size())
      divided.mirrored[letter].push_back(static_cast<std::uint32_t>(pattern.length - 1 - pattern.offsets[i]));
  }
  return divided;
}

template <class Code>
class Sumset final : public Engine<Code> {
 public:
  Sumset(const std::vector<Pattern<Code>>& patterns, std::uint64_t seed) : seed_(seed) {
    for (const Pattern<Code>& pattern : patterns) {
      const Divided<Code>& divided = divided_.emplace_back(divide(pattern));
      const std::uint32_t heavy = divided.heavy.size();
      std::vector<Pattern<Code>> light =
          restrict_to<Code>({pattern}, divided.heavy, [=](std::uint32_t l) { return l == heavy; });
      // The text is expected to be like the pattern.
      const double share = 1 / std::max(1.0, static_cast<double>(letters_of<Code>(light).size()));
      pairs_.emplace_back(light, [=](Code) { return share; });
      if (heavy > 0) longest_ = std::max(longest_, pattern.length);
    }
  }

  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override;
  void count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             typename Engine<Code>::Workspace& workspace) const override;

 private:
  struct Buffers final : Engine<Code>::Workspace {
    explicit Buffers(std::size_t longest)
        : counter(3 * longest + 1),
          transform(next_pow2(2 * longest)),
          numbers(2 * longest),
          places(2 * longest),
          a(next_pow2(2 * longest)),
          b(next_pow2(2 * longest)),
          sum(next_pow2(2 * longest)) {}

    SumsetCounter counter;
    PrimeTransform transform;
    std::vector<std::uint32_t> numbers, places, begins;  // the piece's symbols' letters; its places letter by letter
    std::vector<std::uint32_t> a, b, sum;                // of the exact transforms
    SumsetInfo info;
    std::vector<typename Scatter<Code>::Workspace> pairs;

    std::size_t nbytes() const noexcept override {
      std::size_t bytes = counter.nbytes() + transform.nbytes();
      for (const auto* buffer : {&numbers, &places, &begins, &a, &b, &sum}) bytes += buffer->capacity() * 4;
      for (const auto& each : pairs) bytes += each.nbytes();
      return bytes;
    }
  };

  void sort_piece(const Divided<Code>& pattern, const Code* text, std::size_t size, Buffers& buffers) const;
  void count_piece(const Divided<Code>& pattern, const Code* text, std::size_t size, std::uint64_t position,
                   const Target& target, Buffers& buffers) const;

  std::uint64_t seed_;
  std::vector<Divided<Code>> divided_;
  std::vector<Scatter<Code>> pairs_;
  std::size_t longest_ = 0;  // pattern with a heavy letter
};

template <class Code>
std::unique_ptr<typename Engine<Code>::Workspace> Sumset<Code>::make_workspace() const {
  auto buffers = std::make_unique<Buffers>(longest_);
  std::size_t heavy = 0;
  for (const Divided<Code>& pattern : divided_) heavy = std::max<std::size_t>(heavy, pattern.heavy.size());
  buffers->begins.resize(heavy + 3);
  buffers->info.primes.reserve(64);
  for (const Scatter<Code>& pairs : pairs_) buffers->pairs.push_back(pairs.make_workspace());
  return buffers;
}

// Letter l's places are places[begins[l], begins[l + 1]); all that is no heavy letter comes last.
template <class Code>
void Sumset<Code>::sort_piece(const Divided<Code>& pattern, const Code* text, std::size_t size,
                              Buffers& buffers) const {
  const std::uint32_t letters = pattern.heavy.size();
  std::fill_n(buffers.begins.begin(), letters + 3, 0);
  for (std::size_t i = 0; i < size; ++i) {
    buffers.numbers[i] = pattern.heavy.find(text[i]);
    ++buffers.begins[buffers.numbers[i] + 2];
  }
  for (std::uint32_t l = 1; l < letters + 3; ++l) buffers.begins[l] += buffers.begins[l - 1];
  for (std::size_t i = 0; i < size; ++i)
    buffers.places[buffers.begins[buffers.numbers[i] + 1]++] = static_cast<std::uint32_t>(i);
}

// A place x of the piece and a mirrored place y of the pattern add to alignment x + y - (length - 1).
template <class Code>
void Sumset<Code>::count_piece(const Divided<Code>& pattern, const Code* text, std::size_t size, std::uint64_t position,
                               const Target& target, Buffers& buffers) const {
  sort_piece(pattern, text, size, buffers);
  const std::size_t head = pattern.length - 1, cyclic = next_pow2(std::max(size, pattern.length));
  bool transformed = false;
  for (std::uint32_t l = 0; l < pattern.heavy.size(); ++l) {
    const Numbers x(buffers.places.data() + buffers.begins[l], buffers.begins[l + 1] - buffers.begins[l]);
    const Numbers y(pattern.mirrored[l]);
    if (x.empty()) continue;
    const double pairs = static_cast<double>(x.size()) * static_cast<double>(y.size());
    const double t = std::sqrt(pairs / pattern.universe());
    if (t <= 1) {
      for (std::uint32_t a : y)
        for (std::uint32_t b : x)
          if (a + b - head < target.count) --target.out[a + b - head];
    } else if (t < std::log2(pattern.universe())) {
      PhiloxStream random(seed_, l, position);
      buffers.info.primes.clear();
      const std::size_t width = std::size_t{x[x.size() - 1]} + y[y.size() - 1] + 1;
      buffers.counter.count(x, y, SumsetCounter::default_p0(x.size(), y.size(), width), random, buffers.info);
      for (std::size_t i = 0; i < target.count; ++i)
        target.out[i] -= static_cast<std::int32_t>(buffers.counter.counts()[i + head]);
    } else {
      // Sums at or beyond `cyclic` fall on those below length - 1, which are no alignments.
      std::fill_n(buffers.a.begin(), cyclic, 0);
      std::fill_n(buffers.b.begin(), cyclic, 0);
      if (!transformed) std::fill_n(buffers.sum.begin(), cyclic, 0);
      transformed = true;
      for (std::uint32_t a : x) buffers.a[a] = 1;
      for (std::uint32_t b : y) buffers.b[b] = 1;
      buffers.transform.forward(buffers.a.data(), cyclic);
      buffers.transform.forward(buffers.b.data(), cyclic);
      PrimeTransform::multiply_add(buffers.a.data(), buffers.b.data(), buffers.sum.data(), cyclic);
    }
  }
  if (!transformed) return;
  buffers.transform.inverse(buffers.sum.data(), cyclic);
  for (std::size_t i = 0; i < target.count; ++i)
    target.out[i] -= static_cast<std::int32_t>(PrimeTransform::at(buffers.sum.data(), cyclic, i + head));
}

template <class Code>
void Sumset<Code>::count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
                         typename Engine<Code>::Workspace& workspace) const {
  auto& buffers = static_cast<Buffers&>(workspace);
  for (std::size_t p = 0; p < targets.size(); ++p) {
    const Target& target = targets[p];
    if (target.count == 0) continue;
    if (!target.accumulate) std::fill_n(target.out, target.count, target.base);
    pairs_[p].subtract(text, size, Span<const Target>(&target, 1), buffers.pairs[p]);
    const std::size_t length = divided_[p].length;
    if (divided_[p].heavy.size() == 0) continue;
    for (std::size_t start = 0; start < target.count; start += length) {
      const Target piece{target.out + start, std::min(length, target.count - start), true, 0};
      count_piece(divided_[p], text + start, piece.count + length - 1, position + start, piece, buffers);
    }
  }
}

}  // namespace

template <class Code>
std::unique_ptr<Engine<Code>> make_sumset(std::vector<Pattern<Code>> patterns, std::uint64_t seed) {
  return std::make_unique<Sumset<Code>>(patterns, seed);
}

template std::unique_ptr<Engine<std::uint8_t>> make_sumset(std::vector<Pattern<std::uint8_t>>, std::uint64_t);
template std::unique_ptr<Engine<std::uint16_t>> make_sumset(std::vector<Pattern<std::uint16_t>>, std::uint64_t);
template std::unique_ptr<Engine<std::uint32_t>> make_sumset(std::vector<Pattern<std::uint32_t>>, std::uint64_t);

}  // namespace pyalgo::hamming
