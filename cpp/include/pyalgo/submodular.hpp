// Fully dynamic monotone submodular maximisation under a cardinality constraint.
//
// Banihashem, Biabani, Goudarzi, Hajiaghayi, Jabbarzade, Monemizadeh: "Dynamic Constrained Submodular Optimization with
// Polylogarithmic Update Time", ICML 2023. At every time f(S) >= (1-eps)/(2(1+eps)) OPT >= (1/2-eps) OPT, whatever the
// random bits; those buy speed only: an expected amortised polylogarithmic number of oracle queries per update against an
// oblivious adversary. Users who choose deletions by what was published void the time bound, never the ratio.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pyalgo/keys.hpp"
#include "pyalgo/snapshot.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::submodular {

using Row = std::uint32_t;   // of an objective's payload
using Slot = std::uint32_t;  // of an element of the ground set

// A grid of powers base^j, j in Z, with the same bits on every platform: only multiplications decide.
class Geometric {
 public:
  explicit Geometric(double base) : base_(base) {}
  double base() const noexcept { return base_; }
  double at(int j) const noexcept;      // base^j
  int index(double x) const noexcept;   // the j with at(j) <= x < at(j+1), for x > 0

 private:
  double base_;
};

// The payload columns of one batch, borrowed. Each objective takes the columns of its own kind: keys are what an element
// covers or serves (items, customers, dimensions) or its id, values are weights, similarities or features. A mixture's
// batch has one part a component instead.
struct PayloadBatch {
  bool has_keys = false;
  Span<const std::int64_t> key_offsets;  // rows + 1
  KeyColumn keys;
  bool has_values = false;
  Span<const std::int64_t> value_offsets;  // rows + 1
  Span<const double> values;
  Span<const PayloadBatch> parts;

  KeyColumn keys_of(std::size_t row) const;
  Span<const double> values_of(std::size_t row) const;
};

// The same, owned: what a PayloadBatch can be made of again.
struct OwnedPayload {
  bool has_keys = false, has_values = false;
  std::vector<std::int64_t> key_offsets{0}, value_offsets{0};
  OwnedKeys keys;
  std::vector<double> values;
  std::vector<OwnedPayload> parts;

  void end_row();       // after the row's keys and values
  PayloadBatch view();  // good until the next change

 private:
  std::vector<std::string_view> texts_;
  std::vector<PayloadBatch> part_views_;
};

// f's marginals along a growing chain of prefixes, the empty G_0 up to G_T, one level each.
//
// `gain` sums its terms in a fixed order, so that equal questions get equal bits whenever they are asked: what was at the
// threshold when a level was built is on the same side of it when an element arrives later.
class PrefixChain {
 public:
  virtual ~PrefixChain() = default;

  std::uint32_t levels() const noexcept { return static_cast<std::uint32_t>(values_.size()) - 1; }
  double value(std::uint32_t level) const noexcept { return values_[level]; }  // f(G_level)
  double value() const noexcept { return values_.back(); }

  void open();                            // G_{T+1} := G_T
  double add(Row row);                    // G_T := G_T + row; returns f(row | G_T) before
  void truncate(std::uint32_t levels);    // forget the levels above

  virtual double gain(Row row, std::uint32_t level) const = 0;  // f(row | G_level)
  double top_gain(Row row) const { return gain(row, levels()); }
  virtual void top_gains(Span<const Row> rows, double* out) const;  // of each row, the same bits as `top_gain`

  // out[i] = f(row | G_i) for i = 0..T, within 1e-12 of `gain`, in one pass over the row's payload.
  virtual void gains(Row row, double* out) const = 0;

  // How many leading prefixes have gain >= threshold: the level of an element whose threshold that is. `queries` grows
  // by the marginals asked for, where a pass that yields all prefixes at once counts as one.
  virtual std::uint32_t depth(Row row, double threshold, std::uint64_t& queries) const;

  virtual std::unique_ptr<PrefixChain> clone() const = 0;
  virtual std::size_t nbytes() const noexcept = 0;

 protected:
  std::uint32_t depth_by_pass(Row row, double threshold, std::uint64_t& queries) const;

  virtual void do_open() = 0;
  virtual void do_add(Row row) = 0;
  virtual void do_truncate(std::uint32_t levels) = 0;

 private:
  std::vector<double> values_{0.0};
  mutable std::vector<double> pass_;
};

// A monotone submodular f with f(empty) = 0, over rows of payload that come and go.
//
// A row lives as long as someone holds it. `known` rows were given ahead of any update, have the ids 0, 1, 2, ... and stay.
//
// Whoever reads or changes the payload locks the objective; several maximisers may share one. No one may wait for the lock
// while it holds the interpreter's, because a callable objective takes that one under this.
class Objective {
 public:
  virtual ~Objective() = default;

  void lock();
  void unlock();
  const std::vector<std::mutex*>& mutexes() const noexcept { return mutexes_; }

  virtual const char* name() const noexcept = 0;
  virtual const char* columns() const noexcept = 0;  // the payload columns, as a message names them

  // Throws BatchError at the first of `rows` that cannot be added; changes nothing.
  virtual void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const = 0;
  Row add(const PayloadBatch& payload, std::size_t row);  // of a checked batch; the caller holds the new row
  void hold(Row row) noexcept { ++holds_[row]; }
  void drop(Row row);

  std::size_t n_known() const noexcept { return known_.size(); }  // forgotten ones included
  bool knows(const Key& id) const noexcept;
  Row known(std::size_t id) const noexcept { return known_[id]; }
  void add_known(const PayloadBatch& payload, std::size_t rows);  // checks first; takes the next ids
  virtual void forget(std::size_t id);                            // a known id; its payload goes with its last holder

  virtual void forget_unused() {}  // what is remembered for rows that may come, but for what was given ahead of all
  virtual void read(Row row, OwnedPayload& out) const = 0;  // appends what `add` would take

  // Brings the payload back to what it is now. For work that a marginal may end by throwing.
  using Restore = std::function<void()>;
  virtual Restore backup();

  double single(Row row) const {  // f({row}), remembered for as long as the row lives
    return row < singles_.size() && singles_[row] >= 0 ? singles_[row] : ask_single(row);
  }
  virtual std::unique_ptr<PrefixChain> chain() const = 0;

  bool has(Row row) const noexcept { return row < holds_.size() && holds_[row] > 0; }
  virtual std::size_t nbytes() const noexcept = 0;
  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);  // into a fresh objective with the same parameters; then the owners hold their rows
  virtual void settle();          // and then this lets go of the rows that nobody holds

  virtual bool may_fail() const noexcept { return false; }  // whether a marginal may throw

 protected:
  void ready() { empty_ = chain(); }  // a constructor of a concrete class ends with this

  virtual void do_add(Row row, const PayloadBatch& payload, std::size_t at) = 0;
  virtual void do_drop(Row row) = 0;
  virtual void do_save(SnapshotWriter& out) const = 0;
  virtual void do_load(SnapshotReader& in) = 0;
  virtual Restore do_backup() = 0;

  static constexpr Row forgotten = UINT32_MAX;  // in place of the row of a known id

  std::size_t rows() const noexcept { return holds_.size(); }

  // For a mixture, whose components have mutexes and known rows already.
  void lock_with(const Objective& component);
  Row take();  // a row without payload, held once
  void know(Row row) { known_.push_back(row); }

 private:
  std::mutex mutex_;
  std::vector<std::mutex*> mutexes_{&mutex_};  // in the order in which all threads lock them
  double ask_single(Row row) const;

  std::vector<std::uint32_t> holds_;  // 0: the row is free
  std::vector<Row> free_;
  std::vector<Row> known_;
  mutable std::vector<double> singles_;  // by row; -1: not asked for yet
  std::vector<std::uint32_t> loading_;
  std::unique_ptr<PrefixChain> empty_;
};

enum class Concave : std::uint8_t { sqrt = 0, log1p = 1, inverse = 2, min = 3 };

// f(S) = sum of the weights of the items that some element of S contains.
// A gain costs O(items of the element). Items not in `weighted` weigh 1, or what the `weights` column says at their first
// arrival.
std::shared_ptr<Objective> make_coverage(const KeyColumn& weighted, Span<const double> weights);
// f(S) = sum over customers of their highest similarity in S (0 for none). A gain costs O(neighbours of the element), or
// O(customers) over dense rows.
std::shared_ptr<Objective> make_facility_location();
std::shared_ptr<Objective> make_dense_facility_location(std::size_t customers);
// f(S) = sum over customers u of min(cap_u, sum of their similarities to S); as cheap. Customers that are not named have the
// cap `otherwise`; without it they are refused.
std::shared_ptr<Objective> make_saturated_coverage(const KeyColumn& customers, Span<const double> caps,
                                                   std::optional<double> otherwise);
std::shared_ptr<Objective> make_dense_saturated_coverage(Span<const double> caps);
// f(S) = sum over dimensions d of weight_d * phi(sum of x_ed over e in S). A gain costs O(dimensions of the element).
// `weights` empty: all 1; dimensions that are not `weighted` weigh 1. `cap` is the cap of Concave::min.
std::shared_ptr<Objective> make_feature_based(Concave concave, double cap, Span<const double> weights);
std::shared_ptr<Objective> make_sparse_feature_based(Concave concave, double cap, const KeyColumn& weighted,
                                                     Span<const double> weights);

// f(S) = 1/2 log det(I + K_SS / noise^2). A gain costs O(|S|^2) and one covariance for each of S; so does a pass over all
// prefixes. The covariance is exp(-distance^2 / (2 bandwidth^2)), the inner product, or an entry of the matrix whose rows
// are the known elements' payload. exp is the C library's: its last bit may differ between platforms.
enum class Kernel : std::uint8_t { rbf = 0, linear = 1, precomputed = 2 };
std::shared_ptr<Objective> make_log_det(Kernel kernel, double bandwidth, double noise);

// f(S) = sum over components i of weight_i * f_i(S). The components must know equally many elements; they are shared.
std::shared_ptr<Objective> make_mixture(std::vector<std::shared_ptr<Objective>> components, Span<const double> weights);

// A set function outside the core, of ids. It is asked under the objective's lock.
class Oracle {
 public:
  virtual ~Oracle() = default;
  virtual bool gives_gains() const noexcept = 0;
  // out[i] = f(prefix + candidates[i]); or what that is more than f(prefix), if it gives gains. Throws what f throws.
  virtual void ask(Span<const Key> prefix, Span<const Key> candidates, double* out) const = 0;
};

// The oracle's f, with f(empty) = 0 by definition. An element's payload is its id. Throws NonMonotoneError where f falls by
// more than rounding explains, std::invalid_argument where it is not finite.
std::shared_ptr<Objective> make_callable(std::shared_ptr<const Oracle> oracle);

// What a static algorithm chose, and how good it is.
struct Selection {
  std::vector<std::uint32_t> picked;  // in order
  std::vector<double> gains;          // f(picked | those before it)
  double value = 0;                   // f of them
  double upper_bound = 0;             // proven: no k of the candidates are worth more
  double guess = 0;                   // the guess of OPT that answered; NaN where nothing is guessed
  std::uint64_t queries = 0;
};

// Greedy: k times the candidate that adds most to f, of equals the first; f(S) >= (1 - 1/e) OPT. Candidates are distinct;
// `picked` are positions among them. The lazy form (Minoux 1978) makes the same choice with far fewer queries: what an
// element added to a smaller set bounds what it adds now. It may go on from rows that are `chosen` already; then only the
// value counts them, and the bound on OPT is none.
// `fits`: whether a candidate may join those picked; once it may not, it never may.
using Fits = std::function<bool(Span<const std::uint32_t> picked, std::uint32_t candidate)>;
Selection lazy_greedy(const Objective& objective, Span<const Row> candidates, std::uint32_t k, Span<const Row> chosen = {},
                      const Fits& fits = {});
Selection naive_greedy(const Objective& objective, Span<const Row> candidates, std::uint32_t k);
// A random sample of (n/k) log(1/eps) candidates a step: E f(S) >= (1 - 1/e - eps) OPT. Mirzasoleiman, Badanidiyuru, Karbasi,
// Vondrak, Krause: "Lazier Than Lazy Greedy", AAAI 2015.
Selection stochastic_greedy(const Objective& objective, Span<const Row> candidates, std::uint32_t k, double eps,
                            std::uint64_t seed);

// One pass over elements that only arrive: f(S) >= (1/2 - eps) OPT at every time, with O(log(k) / eps) queries an element.
// Badanidiyuru, Mirzasoleiman, Karbasi, Krause: "Streaming Submodular Maximization: Massive Data Summarization on the Fly",
// KDD 2014.
class SieveStreaming {
 public:
  SieveStreaming(std::shared_ptr<Objective> objective, std::uint32_t k, double eps);

  // Of known elements, as one atomic batch: throws BatchError where one came before, and what a marginal throws.
  void insert(Span<const std::uint32_t> ids);
  Selection query() const;  // `picked` are ids

  std::uint64_t n_seen() const noexcept { return n_seen_; }
  Objective& objective() const noexcept { return *objective_; }

 private:
  // Takes every element that adds at least (gamma/2 - f(S)) / (k - |S|), which is at most gamma / 2k.
  struct Sieve {
    std::unique_ptr<PrefixChain> chain;
    std::vector<std::uint32_t> ids;
    std::vector<double> gains;
    double refused = 0;  // no element that was refused would add more
  };

  using Sieves = std::map<int, Sieve>;

  void insert(std::uint32_t id);
  void open_sieves(double largest_before);

  std::shared_ptr<Objective> objective_;
  Geometric grid_;
  std::uint32_t k_;
  double largest_ = 0;  // f({e})
  Sieves sieves_;
  std::vector<bool> seen_;  // by id
  std::uint64_t n_seen_ = 0;
  std::uint64_t queries_ = 0;
};

struct GroundSet;

// What may be chosen together: a matroid over the elements.
class Matroid {
 public:
  virtual ~Matroid() = default;
  // Whether the set, which is independent, stays so with one more element.
  virtual bool fits(const GroundSet& ground, Span<const Slot> set, Slot slot) const = 0;
  virtual std::uint32_t rank() const noexcept { return UINT32_MAX; }  // no independent set is larger
  virtual std::uint32_t groups() const noexcept { return 0; }  // every element comes with a group below this; 0: without
  virtual bool may_fail() const noexcept { return false; }     // whether `fits` may throw
};

// At most capacities[g] elements of group g and of the groups within it; parents[g] < g is the group around g, or `no_group`.
// `fits` costs O(|set| d^2) for groups d deep.
constexpr std::uint32_t no_group = UINT32_MAX;
std::shared_ptr<const Matroid> make_laminar(std::vector<std::uint32_t> parents, std::vector<std::uint32_t> capacities);

enum class Method : std::uint8_t { levels, param };

struct Settings {
  std::uint32_t k = 1;
  double eps = 0.2;
  std::uint64_t seed = 0;
  bool all_guesses = false;       // keep every guess of OPT instead of the window that the guarantee needs
  std::uint32_t refine_budget = 0;  // further live candidates, drawn at random, that a refined query looks at
  Method method = Method::levels;
  std::shared_ptr<const Matroid> constraint;  // besides k; null: none. Takes method param

  double ratio() const noexcept;  // the share of OPT that the method guarantees
};

// The elements that the levels of one guess of OPT are made of.
struct Ladder {
  int index;
  std::vector<OwnedKeys> samples;
};

struct Solution {
  std::vector<Slot> slots;    // in the order in which they were chosen
  OwnedKeys ids;              // of the slots
  std::vector<double> gains;  // f(slot | those before it)
  double value = 0;           // f of them
  double upper_bound = 0;     // proven: no k live elements are worth more
  double guess = 0;           // the guess of OPT whose structure answered
};

class Guess;

// One element of the ground set. A deleted element keeps its slot while a guess still lists it.
struct Element {
  Row row = 0;
  std::uint32_t lists : 18;    // guesses that list it: at most log_{1+eps}(10k/eps) + 2 < 2^18
  std::uint32_t samples : 13;  // guesses that have it in their samples; `many` stands for that or more, for good
  std::uint32_t live : 1;

  static constexpr std::uint32_t many = (1U << 13) - 1;
  Element() noexcept : lists(0), samples(0), live(0) {}
};

// What all guesses share: the elements, their payload, and the count of oracle queries.
struct GroundSet {
  std::shared_ptr<Objective> objective;
  Geometric grid;
  Settings settings;
  KeyTable ids;
  std::vector<Element> elements;
  std::uint64_t epoch = 0;    // updates taken in; keys the random streams
  std::uint64_t queries = 0;  // oracle queries spent by updates
  std::vector<std::uint32_t> groups = {};  // by slot; empty where the constraint has none

  double single(Slot slot) const { return objective->single(elements[slot].row); }  // f({e})
  std::uint32_t n_groups() const noexcept { return settings.constraint ? settings.constraint->groups() : 0; }
  std::uint32_t group(Slot slot) const noexcept { return groups.empty() ? 0 : groups[slot]; }
  bool fits(Span<const Slot> set, Slot slot) const {  // into an independent set of at most k elements
    return set.size() < settings.k && (!settings.constraint || settings.constraint->fits(*this, set, slot));
  }
  void drop_if_unused(Slot slot);
};

class DynamicMaximizer {
 public:
  DynamicMaximizer(std::shared_ptr<Objective> objective, const Settings& settings);
  ~DynamicMaximizer();

  // One atomic batch: op[i] = +1 inserts ids[i], -1 deletes it. Without payload columns the ids are the objective's own.
  // `groups`: one a row where the constraint has groups, else empty.
  void update(Span<const std::int8_t> op, const KeyColumn& ids, const PayloadBatch* payload,
              Span<const std::uint32_t> groups = {});

  // Inserts the live elements of `other` with their payload, in its order of slots, as one atomic batch.
  void merge(const DynamicMaximizer& other);

  // Deletes those of the ids that are live, and lets go of everything about them and all that were deleted before.
  void erase_forever(const KeyColumn& ids);

  // The best guess's live elements; refined: lazy greedy over the samples of all good guesses, if that is better.
  // certificate: one pass over the live set tightens the upper bound.
  Solution query(bool refine, bool certificate) const;

  std::uint64_t n_seen() const noexcept { return ground_.epoch; }
  std::uint64_t n_live() const noexcept { return ground_.ids.size(); }
  OwnedKeys live() const;  // the ids, ascending
  std::uint64_t queries() const noexcept { return ground_.queries; }
  std::size_t nbytes() const noexcept;          // payload included
  std::size_t payload_nbytes() const noexcept { return ground_.objective->nbytes(); }
  std::size_t n_guesses() const noexcept { return guesses_.size(); }
  std::uint64_t activations() const noexcept { return activations_; }
  const std::shared_ptr<Objective>& objective() const noexcept { return ground_.objective; }
  std::vector<Ladder> ladders() const;

  // Every invariant against its definition; throws std::logic_error naming the first that fails. O(n T) queries a guess.
  void audit() const;

  // `annex`: what the owner keeps beside the state, as UTF-8.
  std::string save(const std::string& annex) const;
  static std::unique_ptr<DynamicMaximizer> load(std::shared_ptr<Objective> fresh, const Settings& settings,
                                                Span<const std::uint8_t> data, std::string& annex);

 private:
  struct Window {  // lower <= OPT <= upper, and the guesses that prove it
    double lower, upper;
    int of_lower, of_upper;
  };

  using Guesses = std::map<int, std::unique_ptr<Guess>>;

  void check(Span<const std::int8_t> op, const KeyColumn& ids, const PayloadBatch* payload) const;
  void check_kind(const KeyColumn& ids) const;
  void check_ids(Span<const std::int8_t> op, const KeyColumn& ids) const;
  template <class Work>
  void atomically(Work&& work);
  void insert(const Key& id, Row row, std::uint32_t group);  // which holds the row from now on
  void erase(const Key& id);
  void tend_window();
  void tend_constrained(int largest);
  void keep(int lowest, int highest);
  void tend_all(double single);
  Window window() const;
  bool proves_ratio(const Window& proven) const;
  void activate(int j);
  Guesses::iterator park(Guesses::iterator guess);
  Solution published() const;
  Solution refined() const;
  Solution live_solution(const Guess& guess) const;
  void extend(Solution& solution, std::vector<Slot> pool) const;
  void draw_candidates(std::vector<Slot>& pool) const;
  double greedy_bound(const Solution& solution) const;

  GroundSet ground_;
  std::map<int, std::uint32_t> magnitudes_;  // live elements with f({e}) > 0 by the grid index of f({e})
  Guesses guesses_;
  std::uint32_t slack_ = 1;             // guesses kept beyond the window on either side
  std::uint64_t activations_ = 0;
  std::uint64_t activation_queries_ = 0;  // since the last widening
  std::uint64_t queries_at_widening_ = 0;
  mutable std::optional<Solution> cache_[2];  // unrefined, refined; without the certificate's pass
};

}  // namespace pyalgo::submodular
