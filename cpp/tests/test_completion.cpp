// Completion below its bindings: kernels at every level, small dense algebra, cells that come and go, bytes of unknown
// origin, and threads.
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "check.hpp"
#include "completion/dense.hpp"
#include "completion/kernels.hpp"
#include "completion/lines.hpp"
#include "completion/part.hpp"
#include "pyalgo/completion.hpp"
#include "pyalgo/snapshot.hpp"

using namespace pyalgo;
using namespace pyalgo::completion;

namespace {

std::vector<Isa> levels() {
  std::vector<Isa> found{Isa::generic};
  for (Isa isa : {Isa::neon, Isa::avx2, Isa::avx512})
    if (isa == detected_isa() || (isa == Isa::avx2 && detected_isa() == Isa::avx512)) found.push_back(isa);
  return found;
}

template <class T>
void fill(T* to, std::size_t n, std::mt19937& random) {
  for (std::size_t i = 0; i < n; ++i)
    to[i] = static_cast<T>(static_cast<int>(random() % 65)) - 32;  // exact in any order
}

// Small integers: every order of adding gives the same, so each level must equal the definition.
template <class T>
void test_kernels(std::mt19937& random) {
  for (const Isa isa : levels()) {
    const Kernels<T> run = kernels_at<T>(isa);
    for (std::size_t k = 1; k <= 40; ++k) {
      const std::size_t n = random() % 40, stride = padded<T>(k), ld = std::max(stride, padded<double>(k + 1));
      Buffer<T> left(n * stride), right(n * stride), r(n), out(n), point(stride);
      for (std::size_t t = 0; t < n; ++t) {
        fill(&left[t * stride], k, random);
        fill(&right[t * stride], k, random);
      }
      fill(r.data(), n, random);
      fill(point.data(), k, random);
      Buffer<double> g(k * ld), s(ld);
      run.gram(left.data(), right.data(), n, stride, k, g.data(), ld);
      run.combine(right.data(), n, stride, r.data(), s.data());
      run.times(right.data(), n, stride, point.data(), out.data());
      for (std::size_t a = 0; a < k; ++a) {
        double sum = 0;
        for (std::size_t t = 0; t < n; ++t) sum += static_cast<double>(r[t] * right[t * stride + a]);
        CHECK(s[a] == sum);
        for (std::size_t b = a; b < k; ++b) {
          sum = 0;
          for (std::size_t t = 0; t < n; ++t) sum += static_cast<double>(left[t * stride + a] * right[t * stride + b]);
          CHECK(g[a * ld + b] == sum);
        }
      }
      for (std::size_t t = 0; t < n; ++t) {
        double sum = 0;
        for (std::size_t a = 0; a < k; ++a) sum += static_cast<double>(right[t * stride + a] * point[a]);
        CHECK(static_cast<double>(out[t]) == sum);
      }
      std::vector<std::uint32_t> index(n);
      std::vector<T> value(n);
      for (std::uint32_t& i : index) i = static_cast<std::uint32_t>(random() % n);
      fill(value.data(), n, random);
      const std::size_t bias_at = random() % 2 == 0 ? k - 1 : stride, y_at = k < stride ? k : stride;
      Buffer<T> rows(n * stride), y(n);
      const Packing<T> how{right.data(), stride, 0.5, 3, bias_at, y_at};
      const double squares = run.pack(how, index.data(), value.data(), n, n, rows.data(), y.data());
      double expected = 0;
      for (std::size_t t = 0; t < n; ++t) {
        const T* from = &right[index[t] * stride];
        const double right_side =
            static_cast<double>(value[t]) / 2 - 3 - (bias_at < stride ? static_cast<double>(from[bias_at]) : 0);
        CHECK(static_cast<double>(y[t]) == right_side);
        expected += right_side * right_side;
        for (std::size_t a = 0; a < stride; ++a)
          CHECK(rows[t * stride + a] == (a == bias_at ? T(1) : a == y_at ? y[t] : from[a]));
      }
      CHECK(squares == expected);
      Buffer<double> mixed(ld);
      run.combine_at(right.data(), index.data(), n, stride, r.data(), mixed.data());
      for (std::size_t a = 0; a < k; ++a) {
        double sum = 0;
        for (std::size_t t = 0; t < n; ++t) sum += static_cast<double>(r[t] * right[index[t] * stride + a]);
        CHECK(mixed[a] == sum);
      }
    }
  }
}

// Levels that fuse multiply-adds give equal bits.
void test_fused_levels_agree(std::mt19937& random) {
  const std::size_t k = 24, n = 37, stride = padded<double>(k);
  std::uniform_real_distribution<double> uniform(-1, 1);
  Buffer<double> x(n * stride), r(n);
  for (std::size_t i = 0; i < n * stride; ++i) x[i] = uniform(random);
  for (std::size_t i = 0; i < n; ++i) r[i] = uniform(random);
  std::vector<double> first;
  for (const Isa isa : levels()) {
    if (isa == Isa::generic) continue;
    Buffer<double> g(k * stride), s(stride);
    kernels_at<double>(isa).gram(x.data(), x.data(), n, stride, k, g.data(), stride);
    kernels_at<double>(isa).combine(x.data(), n, stride, r.data(), s.data());
    std::vector<double> found(s.data(), s.data() + k);
    for (std::size_t a = 0; a < k; ++a) found.insert(found.end(), &g[a * stride + a], &g[a * stride + k]);
    if (first.empty()) first = found;
    CHECK(found == first);
  }
}

void test_factor(std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (const Isa isa : levels()) {
    const DenseKernels run = dense_kernels_at(isa);
    for (std::size_t n = 1; n <= 37; ++n) {
      const std::size_t ld = padded<double>(n + 1), m = 2 * n + 3;
      std::vector<double> x(m * n), wanted(n), diagonal(n);
      for (double& v : x) v = uniform(random);
      for (double& v : wanted) v = uniform(random);
      Buffer<double> a(n * ld), found(ld);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = i; j < n; ++j)
          for (std::size_t t = 0; t < m; ++t) a[i * ld + j] += x[t * n + i] * x[t * n + j];
        diagonal[i] = a[i * ld + i];
      }
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) a[i * ld + n] += (i <= j ? a[i * ld + j] : a[j * ld + i]) * wanted[j];
      const double share = run.factor(a.data(), diagonal.data(), n, n + 1, ld, 1e-12);
      CHECK(share > 1e-12 && share <= 1);
      run.back(a.data(), n, ld, n, found.data());
      for (std::size_t i = 0; i < n; ++i) CHECK(std::abs(found[i] - wanted[i]) < 1e-9);
    }
    // The second column is the first once more.
    Buffer<double> a(2 * 4);
    a[0] = a[1] = a[5] = 4;
    const double diagonal[] = {4, 4};
    CHECK(run.factor(a.data(), diagonal, 2, 3, 4, 1e-12) < 1e-12);
  }
}

void test_least_norm(std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (std::size_t n : {1, 3, 7}) {
    // x1 + x2 + ... = n once more and once more: the shortest solution is 1 everywhere.
    Triangle triangle(n);
    for (int block = 0; block < 3; ++block) {
      std::vector<double> rows(2 * n, 1.0), y(2, static_cast<double>(n));
      triangle.take(rows.data(), 2, n, y.data());
    }
    for (const double x : triangle.least_norm(1e-13)) CHECK(std::abs(x - 1) < 1e-12);
    // As many equations as unknowns: the solution itself.
    Triangle square(n);
    std::vector<double> rows(n * n), y(n), wanted(n);
    for (double& v : rows) v = uniform(random);
    for (std::size_t i = 0; i < n; ++i) wanted[i] = uniform(random);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) y[i] += rows[i * n + j] * wanted[j];
    square.take(rows.data(), n, n, y.data());
    const std::vector<double> found = square.least_norm(1e-13);
    for (std::size_t i = 0; i < n; ++i) CHECK(std::abs(found[i] - wanted[i]) < 1e-8);
  }
}

void test_orthonormal(std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (const double tilt : {1.0, 1e-6, 0.0}) {  // columns nearly, or wholly, alike
    Matrix<double> x(50, 4);
    for (std::size_t i = 0; i < 50; ++i) {
      x[i][0] = uniform(random);
      for (std::size_t a = 1; a < 4; ++a) x[i][a] = x[i][0] + tilt * uniform(random);
    }
    orthonormalise(x, 4, 2);
    const std::vector<double> g = gram(x, 4, 1);
    CHECK(std::abs(g[0] - 1) < 1e-12);
    for (std::size_t i = 0; i < 16 && tilt > 0; ++i) CHECK(std::abs(g[i] - (i % 5 == 0 ? 1 : 0)) < 1e-10);
    for (const double value : g) CHECK(std::isfinite(value));
  }
  std::vector<double> a{2, 1, 0, 1, 2, 0, 0, 0, 5}, vectors;
  const std::vector<double> values = symmetric_eigen(a, 3, vectors);
  CHECK(std::abs(values[0] - 5) < 1e-12 && std::abs(values[1] - 3) < 1e-12 && std::abs(values[2] - 1) < 1e-12);
  CHECK(std::abs(std::abs(vectors[2]) - 1) < 1e-12 && std::abs(std::abs(vectors[3]) - std::sqrt(0.5)) < 1e-12);
}

// Random changes of one line against a map.
template <class T>
void test_lines(std::mt19937& random) {
  Lines<T> lines;
  lines.grow(2);
  std::map<std::uint32_t, std::pair<T, T>> oracle;
  for (int step = 0; step < 3000; ++step) {
    if (step == 500) lines.give_weights();
    if (step % 97 == 0) lines.compact();
    std::map<std::uint32_t, CellChange<T>> batch;
    for (unsigned n = random() % 6; n > 0; --n) {
      const auto index = static_cast<std::uint32_t>(random() % 60);
      const bool present = oracle.count(index) > 0;
      const T weight = lines.weighted() ? static_cast<T>(random() % 3) : T(1);
      batch[index] = {1, index, present, present && random() % 2 == 0, static_cast<T>(random() % 100), weight};
    }
    std::vector<CellChange<T>> changes;
    for (const auto& [index, change] : batch) {
      changes.push_back(change);
      if (change.erase) {
        oracle.erase(index);
      } else {
        oracle[index] = {change.value, change.weight};
      }
    }
    lines.reserve(1, changes.size());
    lines.apply(changes);
    const Line<T>& line = lines[1];
    CHECK(line.size == oracle.size() && lines.cells() == oracle.size() && lines[0].size == 0);
    std::size_t at = 0;
    for (const auto& [index, cell] : oracle) {
      CHECK(lines.find(1, index) == at && line.index[at] == index && line.value[at] == cell.first);
      CHECK(!lines.weighted() || line.weight[at] == cell.second);
      ++at;
    }
  }
}

struct Observed {
  std::vector<std::int64_t> rows, cols;
  std::vector<double> values;
  Triplets view() const { return {rows, cols, values, {}}; }
};

Observed observed(std::size_t m, std::size_t n, std::mt19937& random) {
  Observed found;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j)
      if (random() % 3 != 0) {
        found.rows.push_back(static_cast<std::int64_t>(i));
        found.cols.push_back(static_cast<std::int64_t>(j));
        found.values.push_back(std::sin(static_cast<double>(i)) * static_cast<double>(j + 1) +
                               static_cast<double>(random() % 100) / 200);
      }
  return found;
}

Settings small(bool single) {
  Settings settings;
  settings.rank = 3;
  settings.hold_out = 0.1;
  settings.single = single;
  return settings;
}

// Every cell is in one part, seen from its row and from its column; parts are of about equal size. A size off by 6
// standard deviations has a probability below 1e-7 over all parts.
void test_parts() {
  Settings settings;
  settings.parts = 9;
  const std::size_t m = 200, n = 150;
  std::vector<std::uint32_t> index(m), sizes(settings.parts);
  std::vector<double> value(m);
  for (std::size_t i = 0; i < m; ++i) index[i] = static_cast<std::uint32_t>(i);
  std::map<std::pair<std::size_t, std::size_t>, std::uint32_t> by_row;
  for (std::uint32_t part = 0; part < settings.parts; ++part) {
    PartOfLine<double> rows(settings, Side::rows, part), cols(settings, Side::cols, part);
    for (std::size_t i = 0; i < m; ++i) {
      const Line<double> line = rows(i, {index.data(), value.data(), nullptr, static_cast<std::uint32_t>(n), 0});
      sizes[part] += line.size;
      for (std::size_t t = 0; t < line.size; ++t) CHECK(by_row.emplace(std::make_pair(i, line.index[t]), part).second);
    }
    for (std::size_t j = 0; j < n; ++j) {
      const Line<double> line = cols(j, {index.data(), value.data(), nullptr, static_cast<std::uint32_t>(m), 0});
      for (std::size_t t = 0; t < line.size; ++t) CHECK(by_row.at({line.index[t], j}) == part);
    }
  }
  CHECK(by_row.size() == m * n);
  const double p = 1.0 / settings.parts, mean = m * n * p, deviation = std::sqrt(mean * (1 - p));
  for (const std::uint32_t size : sizes) CHECK(std::abs(size - mean) <= 6 * deviation);
}

// Whoever reads while another changes sees a whole state; the end does not depend on who was faster.
void test_threads(std::mt19937& random) {
  const Observed cells = observed(40, 30, random);
  const auto fitted = [&](unsigned threads, bool read) {
    const auto model = Completion::make(small(false));
    model->assign(cells.view(), 40, 30, Duplicates::error);
    model->restart(threads);
    std::vector<std::thread> readers;
    for (int r = 0; r < 2 && read; ++r)
      readers.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          const std::vector<std::int64_t> rows{0, 39}, cols{29, 0};
          double out[2];
          model->predict(rows, cols, out, 2);
          CHECK(std::isfinite(out[0]) && std::isfinite(out[1]));
          CHECK(model->diagnose(1).sampling.components >= 1);
          (void)model->leverage(rows, cols, 2);
          (void)model->recommend(rows, 3, true, 1);
        }
      });
    const std::vector<std::int8_t> ops{-1, 1, 1};
    const std::vector<std::int64_t> rows{cells.rows[0], 3, 39}, cols{cells.cols[0], 4, 29};
    const std::vector<double> values{0, 1.5, -2};
    for (int i = 0; i < 5; ++i) {
      model->sweep(threads);
      if (i == 2) model->update(ops, {rows, cols, values, {}}, 2, threads, false);
    }
    for (std::thread& reader : readers) reader.join();
    return model->save("");
  };
  const std::string alone = fitted(1, false);
  CHECK(fitted(3, false) == alone);
  CHECK(fitted(2, true) == alone);
}

// Altered bytes are refused, or give a model that works.
void test_bytes(std::mt19937& random) {
  for (const bool single : {false, true}) {
    const Observed cells = observed(6, 5, random);
    const auto model = Completion::make(small(single));
    model->assign(cells.view(), 6, 5, Duplicates::error);
    model->restart(1);
    model->sweep(1);
    const std::string whole = model->save("annex");
    for (int round = 0; round < 4000; ++round) {
      std::string bytes = whole;
      if (round > 0) {
        bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
        if (random() % 4 == 0) bytes.resize(random() % bytes.size());
      }
      try {
        std::string annex;
        const auto loaded =
            Completion::load(small(single), {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, annex);
        CHECK(round > 0 || (annex == "annex" && loaded->save("annex") == whole));
        loaded->sweep(1);
        (void)loaded->diagnose(1);
        (void)loaded->save(annex);
      } catch (const SnapshotFormatError&) {
        CHECK(round > 0);
      }
    }
  }
}

}  // namespace

int main() {
  std::mt19937 random(6);
  test_kernels<double>(random);
  test_kernels<float>(random);
  test_fused_levels_agree(random);
  test_factor(random);
  test_least_norm(random);
  test_orthonormal(random);
  test_lines<double>(random);
  test_lines<float>(random);
  test_parts();
  test_threads(random);
  test_bytes(random);
  return 0;
}
