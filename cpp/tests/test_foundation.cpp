#include <array>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "pyalgo/bits.hpp"
#include "pyalgo/keys.hpp"
#include "pyalgo/parallel.hpp"
#include "pyalgo/rng.hpp"
#include "pyalgo/simd.hpp"
#include "pyalgo/snapshot.hpp"
#include "pyalgo/span.hpp"

using namespace pyalgo;

namespace {

void test_bits() {
  CHECK(ceil_div(0, 4) == 0 && ceil_div(4, 4) == 1 && ceil_div(5, 4) == 2);
  CHECK(popcount(0) == 0 && popcount(~0ULL) == 64 && popcount(0x8000000000000001ULL) == 2);
  CHECK(bit_width(0) == 0 && bit_width(1) == 1 && bit_width(255) == 8 && bit_width(256) == 9);
  CHECK(next_pow2(0) == 1 && next_pow2(1) == 1 && next_pow2(3) == 4 && next_pow2(1ULL << 40) == 1ULL << 40);
  unsigned char bytes[4];
  store_little<std::uint32_t>(0x01020304, bytes);
  CHECK(bytes[0] == 4 && bytes[3] == 1 && load_little<std::uint32_t>(bytes) == 0x01020304);
}

// The known-answer vectors that the authors publish with Random123 (kat_vectors, philox4x32 10).
void test_philox() {
  CHECK((philox4x32_10({0, 0, 0, 0}, {0, 0}) == PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t f = 0xffffffff;
  CHECK((philox4x32_10({f, f, f, f}, {f, f}) == PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK((philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
         PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

void test_streams() {
  PhiloxStream a(7, 1, 2), again(7, 1, 2);
  std::set<std::uint32_t> first_words;
  for (std::uint64_t seed : {7ULL, 8ULL, 7ULL << 32})
    for (std::uint32_t stream : {0U, 1U})
      for (std::uint64_t epoch : {0ULL, 2ULL, 2ULL << 32}) first_words.insert(PhiloxStream(seed, stream, epoch).next());
  CHECK(first_words.size() == 18);
  std::array<int, 7> counts{};
  double sum = 0;
  for (int i = 0; i < 70000; ++i) {
    const std::uint32_t x = a.below(7);
    CHECK(x < 7 && x == again.below(7));
    ++counts[x];
    const double u = a.uniform();
    CHECK(u >= 0 && u < 1 && u == again.uniform());
    sum += u;
  }
  // Each count is binomial(70000, 1/7), sd 92.6: 600 is 6.5 sd. The mean of the uniforms has sd 0.0011.
  for (int count : counts) CHECK(std::abs(count - 10000) < 600);
  CHECK(std::abs(sum / 70000 - 0.5) < 0.007);
  CHECK(a.below(1) == 0);
}

void test_simd() {
  const Isa here = detected_isa();
  CHECK(chosen_isa(nullptr, here) == here && chosen_isa("", here) == here);
  CHECK(chosen_isa("generic", here) == Isa::generic);
  CHECK(chosen_isa("avx2", Isa::avx512) == Isa::avx2);
  CHECK(throws<std::invalid_argument>([] { chosen_isa("avx512", Isa::avx2); }));
  CHECK(throws<std::invalid_argument>([] { chosen_isa("avx2", Isa::neon); }));
  CHECK(throws<std::invalid_argument>([] { chosen_isa("sse9", Isa::avx512); }));
  const char* forced = std::getenv("PYALGO_ISA");
  CHECK(active_isa() == (forced != nullptr && std::string(forced) == "generic" ? Isa::generic : here));
  const Dispatch<int (*)()> table{[] { return 0; }, nullptr, [] { return 2; }};
  CHECK(table.at(Isa::generic)() == 0 && table.at(Isa::neon)() == 0);
  CHECK(table.at(Isa::avx2)() == 2 && table.at(Isa::avx512)() == 2);
}

void test_parallel() {
  for (unsigned threads : {1U, 2U, 5U}) {
    std::vector<double> partial(ceil_div(1000, 64));
    parallel_for(1000, 64, threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) partial[begin / 64] += 1.0 / static_cast<double>(i + 1);
    });
    double total = 0;
    for (double p : partial) total += p;
    static const double reference = total;
    CHECK(total == reference);
    std::string what;
    try {
      parallel_for(10, 1, threads, [](std::size_t begin, std::size_t) {
        if (begin % 4 == 3) throw std::runtime_error(std::to_string(begin));
      });
    } catch (const std::runtime_error& error) {
      what = error.what();
    }
    CHECK(what == "3");
  }
  parallel_for(0, 8, 4, [](std::size_t, std::size_t) { CHECK(false); });
}

void test_snapshot() {
  SnapshotWriter out;
  out.u8(200), out.u32(1), out.u64(1ULL << 63), out.i64(-5), out.f64(-0.0), out.string("h\xc3\xa9"), out.u32(3);
  const std::string bytes = std::move(out).finish();
  const Span<const std::uint8_t> view(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  SnapshotReader in(view);
  CHECK(in.u8() == 200 && in.u32() == 1 && in.u64() == 1ULL << 63 && in.i64() == -5);
  CHECK(std::signbit(in.f64()) && in.string() == "h\xc3\xa9");
  CHECK(throws<SnapshotFormatError>([&] { in.finish(); }));
  CHECK(throws<SnapshotFormatError>([&] { in.count(1); }));  // three entries, but nothing is left
  in.finish();
  CHECK(throws<SnapshotFormatError>([&] { in.u8(); }));
  for (const char* bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\x80"}) CHECK(!is_utf8(bad));
  CHECK(is_utf8("") && is_utf8("\xf0\x9f\x98\x80\xe2\x82\xac"));
}

void test_keys() {
  KeyTable table;
  std::set<std::int64_t> present;
  PhiloxStream random(1, 0, 0);
  for (int step = 0; step < 20000; ++step) {
    const std::int64_t key = (std::int64_t{random.below(400)} << 40) - 7;
    const std::uint32_t at = table.find(Key::of(key));
    CHECK((at != KeyTable::npos) == (present.count(key) > 0));
    if (at == KeyTable::npos) {
      const std::uint32_t index = table.insert(Key::of(key));
      CHECK(table.at(index).number == key);
      present.insert(key);
    } else {
      CHECK(table.at(at).number == key);
      table.unlink(at);
      CHECK(table.find(Key::of(key)) == KeyTable::npos && table.taken(at));
      if (random.below(2) == 0) table.release(at);
      present.erase(key);
    }
    CHECK(table.size() == present.size());
  }
  SnapshotWriter out;
  table.save(out);
  const std::string bytes = std::move(out).finish();
  SnapshotReader in({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  const KeyTable loaded = KeyTable::load(in);
  for (std::int64_t key : present) CHECK(loaded.find(Key::of(key)) == table.find(Key::of(key)));
  SnapshotWriter again;
  loaded.save(again);
  CHECK(std::move(again).finish() == bytes);
}

}  // namespace

int main() {
  test_bits();
  test_philox();
  test_streams();
  test_simd();
  test_parallel();
  test_snapshot();
  test_keys();
  return 0;
}
