#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <cstring>
#include <mutex>
#include <shared_mutex>

#include "arrays.hpp"
#include "bindings.hpp"
#include "pyalgo/bandits.hpp"
#include "pyalgo/pages.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace bandits;

using Fields = py::typing::Dict<py::str, py::object>;

using Ids = Array<std::int64_t>;

template <class T>
py::array_t<T> table(const std::vector<T>& values, std::size_t rows) {
  const auto columns = rows > 0 ? values.size() / rows : 0;
  return py::array_t<T>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)}, values.data());
}

// Readers share the fleet, writers have it alone. The interpreter lock is released first, so that nobody waits for it
// while it holds the fleet.
class FleetHolder {
 public:
  FleetHolder(const EliminationSettings& elimination, const LossScale& scale, bool single, bool strict, bool hashed,
              std::uint64_t bandits)
      : fleet_({elimination, scale, single, strict, hashed}, bandits) {}

  py::array_t<std::uint16_t> select(const Ids& ids, unsigned threads) const {
    py::array_t<std::uint16_t> arms(ids.size());
    std::uint16_t* to = arms.mutable_data();
    {
      const py::gil_scoped_release unlocked;
      const std::shared_lock<std::shared_mutex> lock(mutex_);
      fleet_.select(view(ids), to, threads);
    }
    return arms;
  }
  using Next = py::typing::Tuple<py::array_t<std::uint16_t>, py::array_t<std::uint32_t>>;
  Next update(const Ids& ids, const py::object& arms, const py::object& tokens, const Array<double>& losses,
              unsigned threads) {
    const auto arms_given = arms.is_none() ? Array<std::uint16_t>(0) : py::cast<Array<std::uint16_t>>(arms);
    const auto tokens_given = tokens.is_none() ? Ids(0) : py::cast<Ids>(tokens);
    py::array_t<std::uint16_t> next(ids.size());
    py::array_t<std::uint32_t> next_tokens(ids.size());
    std::uint16_t* to = next.mutable_data();
    std::uint32_t* tokens_to = next_tokens.mutable_data();
    {
      const py::gil_scoped_release unlocked;
      const std::unique_lock<std::shared_mutex> lock(mutex_);
      fleet_.update({view(ids), view(arms_given), view(tokens_given), view(losses)}, to, tokens_to, threads);
    }
    return py::make_tuple(next, next_tokens);
  }
  std::uint64_t add(std::uint64_t count) {
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    return fleet_.add(count);
  }
  void add_ids(const Ids& ids) {
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    fleet_.add(view(ids));
  }
  void remove(const Ids& ids) {
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    fleet_.remove(view(ids));
  }
  void reset(const Ids& ids) {
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    fleet_.reset(view(ids));
  }
  void merge(const FleetHolder& other) {
    const py::gil_scoped_release unlocked;
    if (&other == this) {
      const std::unique_lock<std::shared_mutex> lock(mutex_);
      fleet_.merge(fleet_);
      return;
    }
    const std::scoped_lock lock(mutex_, other.mutex_);
    fleet_.merge(other.fleet_);
  }
  Fields states(const Ids& ids) const {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    const Fleet::States states = fleet_.states(view(ids));
    const auto rows = static_cast<std::size_t>(ids.size());
    Fields found;
    found["arm"] = to_array(states.arms);
    found["epoch"] = to_array(states.epochs);
    found["n_active"] = to_array(states.active);
    found["token"] = to_array(states.tokens);
    found["sums"] = table(states.sums, rows);
    found["counts"] = table(states.counts, rows);
    found["means"] = table(states.means, rows);
    return found;
  }
  py::array_t<std::int64_t> ids() const {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    return to_array(fleet_.ids());
  }
  Fields summary() const {
    Fleet::Summary summary;
    {
      const py::gil_scoped_release unlocked;
      const std::shared_lock<std::shared_mutex> lock(mutex_);
      summary = fleet_.summary();
    }
    Fields found;
    found["bandits"] = summary.bandits;
    found["committed"] = summary.committed;
    found["plays"] = summary.plays;
    found["foreign"] = summary.foreign;
    found["committed_to"] = to_array(summary.committed_to);
    found["playing"] = to_array(summary.playing);
    found["epochs"] = to_array(summary.epochs);
    found["failure"] = summary.failure;
    found["regret_bound"] = summary.regret_bound;
    return found;
  }
  std::uint64_t size() const {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    return fleet_.size();
  }
  std::uint64_t n_seen() const {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    return fleet_.n_seen();
  }
  std::size_t nbytes() const {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    return fleet_.nbytes();
  }
  py::bytes save() const {
    std::shared_lock<std::shared_mutex> lock(mutex_, std::defer_lock);
    {
      const py::gil_scoped_release unlocked;  // nobody waits for the interpreter's lock under this one
      lock.lock();
    }
    const std::string head = fleet_.save_head();
    const std::vector<std::uint8_t> turned = big_endian ? fleet_.turned_records() : std::vector<std::uint8_t>();
    const Span<const std::uint8_t> records = big_endian ? Span<const std::uint8_t>(turned) : fleet_.records();
    const auto size = static_cast<Py_ssize_t>(head.size() + records.size());
    auto payload = py::reinterpret_steal<py::bytes>(PyBytes_FromStringAndSize(nullptr, size));
    if (!payload) throw py::error_already_set();
    char* to = PyBytes_AS_STRING(payload.ptr());
    const py::gil_scoped_release unlocked;
    prefer_huge_pages(to, static_cast<std::size_t>(size));
    std::copy(head.begin(), head.end(), to);
    if (records.size() > 0) std::memcpy(to + head.size(), records.data(), records.size());
    lock.unlock();
    return payload;
  }
  void load(const py::bytes& payload) {
    const std::string_view bytes = payload;
    const py::gil_scoped_release unlocked;
    fleet_.load({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }

  std::uint64_t n_changes() const {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    return fleet_.n_changes();
  }
  py::bytes changes_since(std::uint64_t earlier) const {
    std::string changes;
    {
      const py::gil_scoped_release unlocked;
      const std::shared_lock<std::shared_mutex> lock(mutex_);
      changes = fleet_.changes_since(earlier);
    }
    return py::bytes(changes);
  }
  void apply_changes(const py::bytes& payload) {
    const std::string_view bytes = payload;
    const py::gil_scoped_release unlocked;
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    fleet_.apply_changes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }

 private:
  Fleet fleet_;
  mutable std::shared_mutex mutex_;
};

}  // namespace

void bind_bandit_fleets(py::module_& m) {
  py::class_<FleetHolder>(m, "TallyingFleet", "Millions of eliminations with equal parameters.")
      .def(py::init<const EliminationSettings&, const LossScale&, bool, bool, bool, std::uint64_t>(), py::kw_only(),
           py::arg("elimination"), py::arg("scale"), py::arg("single"), py::arg("strict"), py::arg("hashed"),
           py::arg("bandits"))
      .def("select", &FleetHolder::select, py::arg("ids"), py::arg("threads"))
      .def("update", &FleetHolder::update, py::arg("ids"), py::arg("arms"), py::arg("tokens"), py::arg("losses"),
           py::arg("threads"))
      .def("add", &FleetHolder::add, py::arg("count"))
      .def("add_ids", &FleetHolder::add_ids, py::arg("ids"))
      .def("remove", &FleetHolder::remove, py::arg("ids"))
      .def("reset", &FleetHolder::reset, py::arg("ids"))
      .def("merge", &FleetHolder::merge, py::arg("other"))
      .def("states", &FleetHolder::states, py::arg("ids"))
      .def("ids", &FleetHolder::ids)
      .def("summary", &FleetHolder::summary)
      .def("save", &FleetHolder::save)
      .def("load", &FleetHolder::load, py::arg("payload"))
      .def("changes_since", &FleetHolder::changes_since, py::arg("earlier"))
      .def("apply_changes", &FleetHolder::apply_changes, py::arg("payload"))
      .def_property_readonly("n_changes", &FleetHolder::n_changes)
      .def_property_readonly("size", &FleetHolder::size)
      .def_property_readonly("n_seen", &FleetHolder::n_seen)
      .def_property_readonly("nbytes", &FleetHolder::nbytes);
}

}  // namespace pyalgo::bindings
