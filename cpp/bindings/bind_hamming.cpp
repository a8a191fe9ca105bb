#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "pyalgo/hamming.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace hamming;

// A str (its code points, where they lie) or a contiguous array of integers; the holder keeps the object alive.
Text text_of(const py::handle& symbols) {
  if (PyUnicode_Check(symbols.ptr())) {
    const auto width = static_cast<std::uint8_t>(PyUnicode_KIND(symbols.ptr()));
    return {
        PyUnicode_DATA(symbols.ptr()), static_cast<std::size_t>(PyUnicode_GET_LENGTH(symbols.ptr())), {width, false}};
  }
  if (PyBytes_Check(symbols.ptr()))
    return {PyBytes_AS_STRING(symbols.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(symbols.ptr())), {1, false}};
  const auto array = py::reinterpret_borrow<py::array>(symbols);
  return {array.data(),
          static_cast<std::size_t>(array.size()),
          {static_cast<std::uint8_t>(array.itemsize()), array.dtype().kind() == 'i'}};
}

PatternValues pattern_of(const py::array& symbols, const py::object& counts) {
  PatternValues pattern{values_of(text_of(symbols)), {}};
  if (counts.is_none()) {
    pattern.counts.assign(pattern.values.size(), true);
  } else {
    const auto mask = py::cast<Array<bool>>(counts);
    pattern.counts.assign(mask.data(), mask.data() + mask.size());
  }
  return pattern;
}

Method method_named(const std::string& text) {
  for (const Method method : kMethods)
    if (text == name(method)) return method;
  return Method::automatic;  // Python has checked the name
}

Output output_of(const py::array& array) {
  const auto type = array.itemsize() == 2   ? Output::Type::uint16
                    : array.itemsize() == 4 ? Output::Type::int32
                                            : Output::Type::int64;
  return {py::array(array).mutable_data(), type};
}

// An array that owns what the vector held.
template <class T>
py::array_t<T> moved(std::vector<T>&& values) {
  if (values.size() < 64) return to_array(values);
  auto owner = std::make_unique<std::vector<T>>(std::move(values));
  std::vector<T>* held = owner.get();
  const py::capsule free(owner.release(), [](void* vector) { delete static_cast<std::vector<T>*>(vector); });
  return py::array_t<T>(static_cast<py::ssize_t>(held->size()), held->data(), free);
}

py::typing::Tuple<py::array_t<std::int64_t>, py::array_t<std::int32_t>> hits_of(Hits&& hits) {
  return py::make_tuple(moved(std::move(hits.positions)), moved(std::move(hits.distances)));
}

// The interpreter lock is worth releasing for work of over about 10 us.
class MaybeUnlocked {
 public:
  explicit MaybeUnlocked(double comparisons) {
    if (comparisons > 1e5) unlocked_.emplace();
  }

 private:
  std::optional<py::gil_scoped_release> unlocked_;
};

double comparisons(const Plan& plan, const Text& text) {
  double sum = 0;
  for (std::size_t p = 0; p < plan.n_patterns(); ++p) sum += static_cast<double>(plan.length(p));
  return sum * static_cast<double>(text.size);
}

void bind_plan(py::module_& m) {
  py::class_<Plan>(m, "HammingPlan", "Patterns prepared for any number of texts.")
      .def(py::init([](const std::vector<std::pair<py::array, py::object>>& patterns,
                       std::optional<std::uint64_t> text_wildcard, const std::string& method) {
             std::vector<PatternValues> values;
             for (const auto& [symbols, counts] : patterns) values.push_back(pattern_of(symbols, counts));
             return std::make_unique<Plan>(std::move(values), text_wildcard, method_named(method));
           }),
           py::kw_only(), py::arg("patterns"), py::arg("text_wildcard"), py::arg("method"))
      .def(
          "distances",
          [](const Plan& plan, const py::object& symbols, const std::vector<py::array>& out,
             std::optional<std::int64_t> k, unsigned threads) {
            const Text text = text_of(symbols);
            std::vector<Output> outputs;
            for (const py::array& array : out) outputs.push_back(output_of(array));
            const MaybeUnlocked unlocked(comparisons(plan, text));
            plan.distances(text, Span<const Output>(outputs), k, threads);
          },
          py::arg("text"), py::arg("out"), py::arg("k"), py::arg("threads"))
      .def(
          "find",
          [](const Plan& plan, std::size_t pattern, const py::object& symbols, std::int64_t k,
             std::optional<std::size_t> limit, unsigned threads) {
            const Text text = text_of(symbols);
            Hits hits;
            {
              const MaybeUnlocked unlocked(comparisons(plan, text));
              hits = plan.find(pattern, text, k, limit.value_or(SIZE_MAX), threads);
            }
            return hits_of(std::move(hits));
          },
          py::arg("pattern"), py::arg("text"), py::arg("k"), py::arg("limit"), py::arg("threads"))
      .def(
          "best",
          [](const Plan& plan, std::size_t pattern, const py::object& symbols, std::size_t top) {
            const Text text = text_of(symbols);
            Hits hits;
            {
              const MaybeUnlocked unlocked(comparisons(plan, text));
              hits = plan.best(pattern, text, top);
            }
            return hits_of(std::move(hits));
          },
          py::arg("pattern"), py::arg("text"), py::arg("top"))
      .def(
          "approximate",
          [](const Plan& plan, const py::object& symbols, double eps, double delta, const std::string& method,
             std::uint64_t seed) {
            const Text text = text_of(symbols);
            const std::size_t m = plan.length(0), count = text.size < m ? 0 : text.size - m + 1;
            py::array_t<double> values(static_cast<py::ssize_t>(count));
            py::array_t<bool> exact(static_cast<py::ssize_t>(count));
            const Span<double> to(values.mutable_data(), count);
            const Span<std::uint8_t> mask(reinterpret_cast<std::uint8_t*>(exact.mutable_data()), count);
            const ApproxMethod asked = method == "sample"    ? ApproxMethod::sample
                                       : method == "project" ? ApproxMethod::project
                                                             : ApproxMethod::automatic;
            ApproxMethod used = ApproxMethod::exact;
            {
              const MaybeUnlocked unlocked(comparisons(plan, text));
              used = plan.approximate(0, text, {eps, delta, asked, seed}, to, mask);
            }
            const char* const word = used == ApproxMethod::sample    ? "sample"
                                     : used == ApproxMethod::project ? "project"
                                                                     : "exact";
            return py::typing::Tuple<py::array_t<double>, py::array_t<bool>, py::str>(
                py::make_tuple(values, exact, word));
          },
          py::arg("text"), py::arg("eps"), py::arg("delta"), py::arg("method"), py::arg("seed"))
      .def(
          "explain",
          [](const Plan& plan, const py::object& text, std::size_t n) {
            py::typing::List<py::typing::Tuple<py::str, py::float_>> ranking;
            for (const Prediction& entry : plan.explain(text_of(text), n))
              ranking.append(py::make_tuple(name(entry.method), entry.ns));
            return ranking;
          },
          py::arg("text"), py::arg("n"));
}

class StreamHolder {
 public:
  StreamHolder(Stream::Settings settings, py::type chunk_type)
      : length_(settings.pattern.values.size()),
        type_(settings.type),
        is_str_(settings.is_str),
        with_positions_(settings.k.has_value()),
        chunk_type_(std::move(chunk_type)),
        stream_(std::move(settings)) {}

  // None if `symbols` are not what the stream consists of as they lie there, and Python must look at them first.
  py::object update(const py::object& symbols) {
    if (!plain(symbols)) return py::none();
    const Text text = text_of(symbols);
    Chunk chunk;
    {
      const MaybeUnlocked unlocked(static_cast<double>(text.size) * static_cast<double>(length_));
      const std::lock_guard<std::mutex> lock(mutex_);
      chunk = stream_.update(text);
    }
    return chunk_of(std::move(chunk));
  }
  py::object flush() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return chunk_of(stream_.flush());
  }
  py::object merge(const StreamHolder& other) {
    const std::scoped_lock lock(mutex_, other.mutex_);
    return chunk_of(stream_.merge(other.stream_));
  }
  using Stats =
      py::typing::Tuple<py::int_, py::int_, py::typing::Optional<py::int_>, py::typing::Optional<py::int_>, py::int_>;
  Stats stats() const {
    Stream::Stats stats;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stats = stream_.stats();
    }
    const py::object distance = stats.has_best ? py::object(py::int_(stats.best_distance)) : py::none();
    const py::object position = stats.has_best ? py::object(py::int_(stats.best_position)) : py::none();
    return py::make_tuple(stats.n_seen, stats.n_emitted, distance, position, stats.n_within_k);
  }
  std::size_t nbytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return stream_.nbytes();
  }
  py::bytes save() const {
    SnapshotWriter out;
    const std::lock_guard<std::mutex> lock(mutex_);
    stream_.save(out);
    return py::bytes(std::move(out).finish());
  }
  void load(const py::bytes& payload) {
    const std::string_view bytes = payload;
    SnapshotReader in({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    stream_.load(in);
    in.finish();
  }

 private:
  bool plain(const py::object& symbols) const {
    if (is_str_) return PyUnicode_Check(symbols.ptr());
    if (PyBytes_Check(symbols.ptr())) return type_.width == 1 && !type_.is_signed;
    if (!py::isinstance<py::array>(symbols)) return false;
    const auto array = py::reinterpret_borrow<py::array>(symbols);
    constexpr int wanted = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    return array.ndim() == 1 && array.dtype().kind() == (type_.is_signed ? 'i' : 'u') &&
           array.itemsize() == type_.width && (array.flags() & wanted) == wanted && array.dtype().byteorder() != '>' &&
           array.dtype().byteorder() != '<';
  }

  // A named tuple is a tuple with a class of its own.
  py::object chunk_of(Chunk&& chunk) const {
    py::object positions = py::none();
    if (with_positions_) positions = moved(std::move(chunk.hits.positions));
    const py::tuple fields = py::make_tuple(chunk.start, moved(std::move(chunk.hits.distances)), positions);
    const py::tuple arguments = py::make_tuple(fields);
    return py::reinterpret_steal<py::object>(
        PyTuple_Type.tp_new(reinterpret_cast<PyTypeObject*>(chunk_type_.ptr()), arguments.ptr(), nullptr));
  }

  std::size_t length_;
  SymbolType type_;
  bool is_str_;
  bool with_positions_;
  py::type chunk_type_;
  Stream stream_;
  mutable std::mutex mutex_;
};

void bind_stream(py::module_& m) {
  py::class_<StreamHolder>(m, "HammingStream", "A pattern held against a text that arrives in pieces.")
      .def(py::init([](const py::array& pattern, const py::object& counts, std::optional<std::uint64_t> text_wildcard,
                       const py::array& type, bool is_str, std::optional<std::int64_t> k, std::size_t latency,
                       bool keep_head, const std::string& method, const py::type& chunk) {
             Stream::Settings settings;
             settings.pattern = pattern_of(pattern, counts);
             settings.text_wildcard = text_wildcard;
             settings.type = text_of(type).type;
             settings.is_str = is_str;
             settings.k = k;
             settings.latency = latency;
             settings.keep_head = keep_head;
             settings.method = method_named(method);
             return std::make_unique<StreamHolder>(std::move(settings), chunk);
           }),
           py::kw_only(), py::arg("pattern"), py::arg("counts"), py::arg("text_wildcard"), py::arg("type"),
           py::arg("is_str"), py::arg("k"), py::arg("latency"), py::arg("keep_head"), py::arg("method"),
           py::arg("chunk"))
      .def("update", &StreamHolder::update, py::arg("symbols"))
      .def("flush", &StreamHolder::flush)
      .def("merge", &StreamHolder::merge, py::arg("other"))
      .def("stats", &StreamHolder::stats)
      .def("save", &StreamHolder::save)
      .def("load", &StreamHolder::load, py::arg("payload"))
      .def_property_readonly("nbytes", &StreamHolder::nbytes);
}

}  // namespace

void bind_hamming(py::module_& m) {
  m.def("detected_isa", [] { return name(detected_isa()); });
  m.def("active_isa", [] { return name(active_isa()); });
  m.def("set_cost_factors", &set_cost_factors, py::arg("factors"),
        "How far each method is from its shipped cost, by method.");
  m.def(
      "sumset_counts",
      [](const Array<std::int64_t>& x, const Array<std::int64_t>& y, std::uint64_t universe, std::uint64_t seed,
         std::uint32_t p0) {
        SumsetCounts found;
        {
          const py::gil_scoped_release unlocked;
          found = sumset_counts(view(x), view(y), universe, seed, p0);
        }
        using Numbers = py::array_t<std::int64_t>;
        return py::typing::Tuple<Numbers, Numbers, py::int_, py::int_, py::typing::List<py::int_>>(
            py::make_tuple(moved(std::move(found.values)), moved(std::move(found.counts)), found.info.rounds,
                           found.info.overflow_rounds, found.info.primes));
      },
      py::arg("x"), py::arg("y"), py::arg("universe"), py::arg("seed"), py::arg("p0"));
  bind_plan(m);
  bind_stream(m);
}

}  // namespace pyalgo::bindings
