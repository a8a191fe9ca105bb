#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <mutex>

#include "arrays.hpp"
#include "bindings.hpp"
#include "pyalgo/bandits.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace bandits;

using Fields = py::typing::Dict<py::str, py::object>;

using Integers = py::array_t<std::int64_t>;
using Reals = py::array_t<double>;

py::array_t<bool> mask(const std::vector<bool>& values) {
  py::array_t<bool> array(static_cast<py::ssize_t>(values.size()));
  std::copy(values.begin(), values.end(), array.mutable_data());
  return array;
}

// A policy at its desk. Only batches of many rows are worth releasing the interpreter lock, which is released before
// the mutex is taken: nobody may wait for it under the mutex.
class DeskHolder {
 public:
  DeskHolder(std::unique_ptr<Policy> policy, LossScale scale, bool strict) : desk_(std::move(policy), scale, strict) {}

  py::typing::Tuple<py::int_, py::int_> select() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Desk::Selection selection = desk_.select();
    return py::make_tuple(selection.arm, selection.token);
  }
  Integers update(const py::object& tokens, const py::object& arms, const Array<double>& losses) {
    const bool by_token = !tokens.is_none();
    const auto column = py::cast<Array<std::int64_t>>(by_token ? tokens : arms);
    Integers next(losses.size());
    const Span<const std::int64_t> view = bindings::view(column);
    std::int64_t* to = next.mutable_data();
    const auto work = [&] {
      const std::lock_guard<std::mutex> lock(mutex_);
      desk_.update(view, by_token, view, bindings::view(losses), to);
    };
    if (losses.size() < 32) {
      work();
    } else {
      const py::gil_scoped_release unlocked;
      work();
    }
    return next;
  }
  // One loss, without arrays around it.
  void update_one(std::int64_t play, bool by_token, double loss) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::int64_t next = 0;
    const Span<const std::int64_t> view(&play, 1);
    desk_.update(view, by_token, view, Span<const double>(&loss, 1), &next);
  }
  void observe(Arm arm) {
    const std::lock_guard<std::mutex> lock(mutex_);
    desk_.observe(arm);
  }
  Arm choose() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return desk_.policy().choose();
  }
  Arm recommend() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return desk_.policy().recommend();
  }
  py::typing::Tuple<Reals, Integers, py::int_> statistics() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Policy& policy = desk_.policy();
    Reals means(static_cast<py::ssize_t>(policy.arms()));
    Integers counts(static_cast<py::ssize_t>(policy.arms()));
    for (Arm arm = 0; arm < policy.arms(); ++arm) {
      const auto n = policy.counts()[arm];
      counts.mutable_data()[arm] = static_cast<std::int64_t>(n);
      means.mutable_data()[arm] = n > 0 ? desk_.scale().from_unit(policy.sums()[arm] / static_cast<double>(n)) : NAN;
    }
    return py::make_tuple(means, counts, desk_.n_open());
  }
  Fields report() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto report = dynamic_cast<const Elimination&>(desk_.policy()).report();
    Fields found;
    found["active"] = mask(report.active);
    found["radii"] = to_array(report.radii);
    found["lower"] = to_array(report.lower);
    found["upper"] = to_array(report.upper);
    found["epoch"] = report.epoch;
    found["phase"] = static_cast<int>(report.phase);
    found["plays"] = report.plays;
    found["failure"] = report.failure;
    found["regret_bound"] = report.regret_bound;
    found["drifting"] = mask(report.drifting);
    return found;
  }
  std::optional<std::pair<Arm, std::uint32_t>> take_alarm() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return dynamic_cast<Elimination&>(desk_.policy()).take_alarm();
  }
  std::uint64_t n_seen() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return desk_.n_seen();
  }
  std::size_t nbytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return desk_.nbytes();
  }
  py::bytes save() const {
    SnapshotWriter out;
    const std::lock_guard<std::mutex> lock(mutex_);
    desk_.save(out);
    return py::bytes(std::move(out).finish());
  }
  void load(const py::bytes& payload) {
    const std::string_view bytes = payload;
    SnapshotReader in({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    desk_.load(in);
    in.finish();
  }
  std::unique_ptr<Policy> copy() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return desk_.policy().clone();
  }

 private:
  Desk desk_;
  mutable std::mutex mutex_;
};

Curves curves_of(const std::string& kind, const std::vector<double>& h0, const std::vector<double>& h1,
                 const std::vector<double>& shape, const std::vector<double>& grid) {
  const Curve curve = kind == "linear"       ? Curve::linear
                      : kind == "saturating" ? Curve::saturating
                      : kind == "hump"       ? Curve::hump
                      : kind == "step"       ? Curve::step
                                             : Curve::grid;
  return {curve, h0, h1, shape, grid};
}

Noise noise_named(const std::string& text) {
  if (text == "bernoulli") return Noise::bernoulli;
  if (text == "uniform") return Noise::uniform;
  return text == "gaussian_clipped" ? Noise::gaussian : Noise::none;
}

void bind_environment(py::module_& m) {
  py::class_<Environment>(m, "TallyingEnv")
      .def(py::init([](Arm arms, const std::string& kind, const std::vector<double>& h0, const std::vector<double>& h1,
                       const std::vector<double>& shape, const std::vector<double>& grid,
                       const std::vector<std::vector<double>>& weights, const std::string& noise, std::uint64_t seed) {
             return std::make_unique<Environment>(arms, curves_of(kind, h0, h1, shape, grid), weights,
                                                  noise_named(noise), seed);
           }),
           py::kw_only(), py::arg("arms"), py::arg("kind"), py::arg("h0"), py::arg("h1"), py::arg("shape"),
           py::arg("grid"), py::arg("weights"), py::arg("noise"), py::arg("seed"))
      .def("mean", &Environment::mean, py::arg("arm"), py::arg("tally"))
      .def("reset", &Environment::reset, py::arg("run"))
      .def(
          "step",
          [](Environment& environment, Arm arm) {
            const auto [tally, mean, loss] = environment.step(arm);
            return py::typing::Tuple<py::float_, py::float_, py::float_>(py::make_tuple(tally, mean, loss));
          },
          py::arg("arm"))
      .def(
          "replay",  // tallies and means along a sequence, from the empty history; the environment stays where it is
          [](const Environment& environment, const Array<std::int64_t>& arms) {
            Environment world = environment;
            world.reset(0);
            Reals tallies(arms.size()), means(arms.size());
            for (py::ssize_t t = 0; t < arms.size(); ++t) {
              const auto outcome = world.step(static_cast<Arm>(arms.data()[t]));
              tallies.mutable_data()[t] = outcome.tally;
              means.mutable_data()[t] = outcome.mean;
            }
            return py::typing::Tuple<Reals, Reals>(py::make_tuple(tallies, means));
          },
          py::arg("arms"))
      .def("plannable", &Planner::fits)
      .def(
          "values",
          [](const Environment& environment, const Array<std::uint64_t>& horizons) {
            const py::gil_scoped_release unlocked;
            return Planner(environment).values(view(horizons));
          },
          py::arg("horizons"))
      .def(
          "plays",
          [](const Environment& environment, std::uint64_t horizon) {
            std::vector<Arm> plays;
            {
              const py::gil_scoped_release unlocked;
              plays = Planner(environment).plays(horizon);
            }
            return to_array(plays);
          },
          py::arg("horizon"));
  m.def(
      "simulate_bandits",
      [](const std::vector<const DeskHolder*>& desks, const Environment& environment,
         const Array<std::uint64_t>& checkpoints, unsigned threads, bool record) {
        std::vector<std::unique_ptr<Policy>> policies;
        std::vector<Policy*> borrowed;
        for (const DeskHolder* desk : desks) {
          policies.push_back(desk->copy());
          borrowed.push_back(policies.back().get());
        }
        const auto runs = static_cast<py::ssize_t>(desks.size()), points = checkpoints.size();
        const auto horizon = points > 0 ? static_cast<py::ssize_t>(checkpoints.data()[points - 1]) : 0;
        Reals totals({runs, points});
        py::array_t<Arm> arms({record ? runs : 0, record ? horizon : 0});
        double* to = totals.mutable_data();
        Arm* played = record ? arms.mutable_data() : nullptr;
        {
          const py::gil_scoped_release unlocked;
          simulate(borrowed, environment, view(checkpoints), threads, to, played);
        }
        return py::typing::Tuple<Reals, py::array_t<Arm>>(py::make_tuple(totals, arms));
      },
      py::arg("policies"), py::arg("environment"), py::arg("checkpoints"), py::arg("threads"), py::arg("record"));
}

}  // namespace

void bind_bandits(py::module_& m) {
  py::class_<EliminationSettings>(m, "EliminationSettings")
      .def(py::init([](Arm arms, std::uint64_t burn_in, std::uint64_t horizon, double delta, double radius_scale,
                       std::uint64_t first_block, double max_missing, bool bernstein) {
             return EliminationSettings{arms,         burn_in,     horizon,     delta,
                                        radius_scale, first_block, max_missing, bernstein};
           }),
           py::kw_only(), py::arg("arms"), py::arg("burn_in"), py::arg("horizon"), py::arg("delta"),
           py::arg("radius_scale"), py::arg("first_block"), py::arg("max_missing"), py::arg("bernstein"));
  py::class_<LossScale>(m, "LossScale")
      .def(py::init([](double low, double high, bool reward) { return LossScale{low, high, reward}; }), py::arg("low"),
           py::arg("high"), py::arg("reward"));
  const auto desk = [](std::unique_ptr<Policy> policy, const LossScale& scale, bool strict) {
    return std::make_unique<DeskHolder>(std::move(policy), scale, strict);
  };
  py::class_<DeskHolder>(m, "BanditDesk", "A policy, and its plays whose losses have not arrived.")
      .def_static("elimination",
                  [desk](const EliminationSettings& settings, const LossScale& scale, bool strict) {
                    return desk(std::make_unique<Elimination>(settings), scale, strict);
                  })
      .def_static("ucb1", [desk](Arm arms, const LossScale& scale,
                                 bool strict) { return desk(make_ucb1(arms), scale, strict); })
      .def_static("sliding_window_ucb",
                  [desk](Arm arms, std::uint64_t window, const LossScale& scale, bool strict) {
                    return desk(make_sliding_window_ucb(arms, window), scale, strict);
                  })
      .def_static("exp3", [desk](Arm arms, std::uint64_t horizon, std::uint64_t batch, std::uint64_t seed,
                                 const LossScale& scale,
                                 bool strict) { return desk(make_exp3(arms, horizon, batch, seed), scale, strict); })
      .def_static("epsilon_greedy",
                  [desk](Arm arms, double epsilon, std::uint64_t seed, const LossScale& scale, bool strict) {
                    return desk(make_epsilon_greedy(arms, epsilon, seed), scale, strict);
                  })
      .def_static("thompson_beta", [desk](Arm arms, std::uint64_t seed, const LossScale& scale,
                                          bool strict) { return desk(make_thompson_beta(arms, seed), scale, strict); })
      .def_static("random_arm", [desk](Arm arms, std::uint64_t seed, const LossScale& scale,
                                       bool strict) { return desk(make_random_arm(arms, seed), scale, strict); })
      .def_static("sequence",
                  [desk](Arm arms, std::vector<Arm> plays, const LossScale& scale, bool strict) {
                    return desk(make_sequence(arms, std::move(plays)), scale, strict);
                  })
      .def("select", &DeskHolder::select)
      .def("update", &DeskHolder::update, py::arg("tokens"), py::arg("arms"), py::arg("losses"))
      .def("update_one", &DeskHolder::update_one, py::arg("play"), py::arg("by_token"), py::arg("loss"))
      .def("observe", &DeskHolder::observe, py::arg("arm"))
      .def("choose", &DeskHolder::choose)
      .def("recommend", &DeskHolder::recommend)
      .def("statistics", &DeskHolder::statistics)
      .def("report", &DeskHolder::report)
      .def("take_alarm", &DeskHolder::take_alarm)
      .def("save", &DeskHolder::save)
      .def("load", &DeskHolder::load, py::arg("payload"))
      .def_property_readonly("n_seen", &DeskHolder::n_seen)
      .def_property_readonly("nbytes", &DeskHolder::nbytes);
  bind_environment(m);
}

}  // namespace pyalgo::bindings
