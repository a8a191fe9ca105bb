// Overlap-save by complex FFTs of length 2^g: with z = A_c + i A_d and h = B_c + i B_d for letters c and d of text and
// pattern, the real part of the correlation of z with the conjugate of h is A_c * B_c + A_d * B_d. All pairs of letters
// are added up before one inverse transform.
#include "fft.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <stdexcept>
#include <string>

#include "pyalgo/bits.hpp"

namespace pyalgo::hamming {
namespace {

using Complex = std::complex<double>;

// Written out: std::complex multiplies with a detour for infinities.
inline Complex times(Complex a, Complex b) noexcept {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// exp(-2 pi i k / length) for k < length / 2, from angles of at most pi / 4.
std::vector<Complex> unit_roots(std::size_t length) {
  constexpr double pi = 3.14159265358979323846;
  std::vector<Complex> roots(length / 2);
  for (std::size_t k = 0; k < roots.size(); ++k) {
    const std::size_t eighths = 8 * k / length;  // 0 to 3
    const std::size_t turned = eighths == 0     ? k
                               : eighths == 3   ? length / 2 - k
                               : k > length / 4 ? k - length / 4
                                                : length / 4 - k;
    const double angle = 2 * pi * static_cast<double>(turned) / static_cast<double>(length), c = std::cos(angle),
                 s = std::sin(angle);
    if (eighths == 0)
      roots[k] = {c, -s};
    else if (eighths == 3)
      roots[k] = {-c, -s};
    else
      roots[k] = {k > length / 4 ? -s : s, -c};
  }
  return roots;
}

// Decimation in frequency, in place: natural order to bit-reversed order.
void forward(Complex* x, std::size_t length, const Complex* roots) noexcept {
  for (std::size_t half = length / 2; half > 0; half /= 2) {
    const std::size_t step = length / 2 / half;
    for (std::size_t block = 0; block < length; block += 2 * half) {
      for (std::size_t k = 0; k < half; ++k) {
        const Complex a = x[block + k], b = x[block + half + k];
        x[block + k] = a + b;
        x[block + half + k] = times(a - b, roots[k * step]);
      }
    }
  }
}

// Decimation in time with the conjugate roots: bit-reversed order to natural order, times `length`.
void inverse(Complex* x, std::size_t length, const Complex* roots) noexcept {
  for (std::size_t half = 1; half < length; half *= 2) {
    const std::size_t step = length / 2 / half;
    for (std::size_t block = 0; block < length; block += 2 * half) {
      for (std::size_t k = 0; k < half; ++k) {
        const Complex a = x[block + k], b = times(x[block + half + k], std::conj(roots[k * step]));
        x[block + k] = a + b;
        x[block + half + k] = a - b;
      }
    }
  }
}

struct Prepared {
  std::size_t length = 0;             // of the pattern
  unsigned log_length = 0;            // of the transforms
  std::vector<std::uint8_t> letters;  // in pairs
  std::vector<Complex> roots;
  std::vector<Complex> spectrum;  // conjugated, over 2^g; pair by pair
};

class FftEngine final : public Engine<std::uint8_t> {
 public:
  explicit FftEngine(const std::vector<Pattern<std::uint8_t>>& patterns) {
    for (const auto& pattern : patterns) patterns_.push_back(prepare(pattern));
  }

  std::unique_ptr<Workspace> make_workspace() const override {
    std::size_t most = 0;
    for (const Prepared& pattern : patterns_) most = std::max(most, std::size_t{1} << pattern.log_length);
    return std::make_unique<Buffers>(most);
  }

  void count(const std::uint8_t* text, std::size_t size, std::uint64_t, Span<const Target> targets,
             Workspace& workspace) const override {
    for (std::size_t p = 0; p < patterns_.size(); ++p) {
      const std::size_t hop = (std::size_t{1} << patterns_[p].log_length) - patterns_[p].length + 1;
      for (std::size_t begin = 0; begin < targets[p].count; begin += hop) {
        count_block(patterns_[p], text, size, begin, std::min(hop, targets[p].count - begin), targets[p],
                    static_cast<Buffers&>(workspace));
      }
    }
  }

 private:
  struct Buffers final : Workspace {
    explicit Buffers(std::size_t length) : z(length), sum(length) {}
    std::size_t nbytes() const noexcept override { return (z.size() + sum.size()) * sizeof(Complex); }
    std::vector<Complex> z, sum;
  };

  static Prepared prepare(const Pattern<std::uint8_t>& pattern);
  static void count_block(const Prepared& pattern, const std::uint8_t* text, std::size_t size, std::size_t begin,
                          std::size_t count, const Target& target, Buffers& buffers);

  std::vector<Prepared> patterns_;
};

Prepared FftEngine::prepare(const Pattern<std::uint8_t>& pattern) {
  Prepared result;
  result.length = pattern.length;
  std::array<bool, 256> occurs{};
  for (std::uint8_t code : pattern.codes) occurs[code] = true;
  for (std::size_t code = 0; code < 256; ++code) {
    if (occurs[code]) result.letters.push_back(static_cast<std::uint8_t>(code));
  }
  const std::size_t pairs = ceil_div(result.letters.size(), 2);
  // The longest transform up to four times the pattern, or a small one, that is proven exact.
  const unsigned shortest = bit_width(pattern.length - 1) + 1;
  result.log_length = std::max(shortest + 1, 10U);
  while (result.log_length > shortest && fft_error_bound(result.log_length, pattern.codes.size(), pairs) >= 0.5)
    --result.log_length;
  if (fft_error_bound(result.log_length, pattern.codes.size(), pairs) >= 0.5) {
    throw std::length_error("pattern of " + std::to_string(pattern.length) +
                            " symbols: too long for exact double-precision transforms");
  }
  const std::size_t length = std::size_t{1} << result.log_length;
  result.roots = unit_roots(length);
  result.spectrum.assign(pairs * length, Complex());
  for (std::size_t i = 0; i < pattern.codes.size(); ++i) {
    const auto letter = static_cast<std::size_t>(
        std::lower_bound(result.letters.begin(), result.letters.end(), pattern.codes[i]) - result.letters.begin());
    result.spectrum[letter / 2 * length + pattern.offsets[i]] += letter % 2 == 0 ? Complex(1, 0) : Complex(0, 1);
  }
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    Complex* h = result.spectrum.data() + pair * length;
    forward(h, length, result.roots.data());
    for (std::size_t i = 0; i < length; ++i) h[i] = std::conj(h[i]) / static_cast<double>(length);  // exact
  }
  return result;
}

void FftEngine::count_block(const Prepared& pattern, const std::uint8_t* text, std::size_t size, std::size_t begin,
                            std::size_t count, const Target& target, Buffers& buffers) {
  const std::size_t length = std::size_t{1} << pattern.log_length, known = std::min(length, size - begin);
  std::fill_n(buffers.sum.begin(), length, Complex());
  for (std::size_t first = 0; first < pattern.letters.size(); first += 2) {
    const std::uint8_t c = pattern.letters[first];
    const bool two = first + 1 < pattern.letters.size();
    const std::uint8_t d = two ? pattern.letters[first + 1] : c;
    Complex* z = buffers.z.data();
    for (std::size_t i = 0; i < known; ++i)
      z[i] = {text[begin + i] == c ? 1.0 : 0.0, two && text[begin + i] == d ? 1.0 : 0.0};
    std::fill(z + known, z + length, Complex());
    forward(z, length, pattern.roots.data());
    const Complex* h = pattern.spectrum.data() + first / 2 * length;
    for (std::size_t i = 0; i < length; ++i) buffers.sum[i] += times(z[i], h[i]);
  }
  inverse(buffers.sum.data(), length, pattern.roots.data());
  std::int32_t* out = target.out + begin;
  for (std::size_t i = 0; i < count; ++i) {
    const auto matches = static_cast<std::int32_t>(buffers.sum[i].real() + 0.5);  // not negative but for the error
    out[i] = (target.accumulate ? out[i] : target.base) - matches;
  }
}

}  // namespace

double fft_error_bound(unsigned log_length, std::size_t symbols, std::size_t pairs) noexcept {
  constexpr double u = 0x1p-53;
  const double g = log_length;
  // log of (1 + u)^(3g + pairs) (1 + sqrt(5) u)^(3g + 1) (1 + 4u)^(3g), from above.
  const double growth = std::expm1(u * (3 * g + static_cast<double>(pairs) + std::sqrt(5.0) * (3 * g + 1) + 4 * 3 * g));
  // Every place of text and pattern has one letter at most: the norms of all pairs together.
  return growth * std::sqrt(std::ldexp(1.0, static_cast<int>(log_length)) * static_cast<double>(symbols));
}

std::unique_ptr<Engine<std::uint8_t>> make_fft(std::vector<Pattern<std::uint8_t>> patterns) {
  return std::make_unique<FftEngine>(patterns);
}

}  // namespace pyalgo::hamming
