// Bandits whose arms' losses depend on how often they were played of late: single policies, fleets, simulation,
// planning.
//
// Malik, Igoe, Li, Singh: "Weighted Tallying Bandits: Overcoming Intractability via Repeated Exposure Optimality", ICML
// 2023, generalising Malik, Li, Singh: "Complete Policy Regret Bounds for Tallying Bandits", COLT 2022. At time t the
// tally of the arm that is played is y_t = sum_{j<m} w_j [a_{t-j} = a_t], and its loss has the mean h_{a_t}(y_t). If
// some arm is best when it is played for ever (REO), successive elimination over blocks of consecutive plays, of each
// of which the first M >= m losses are left out, has complete policy regret O(sqrt(K T L) + (m + M) K log T).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pyalgo/keys.hpp"
#include "pyalgo/rng.hpp"
#include "pyalgo/snapshot.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::bandits {

using Arm = std::uint32_t;

struct EliminationSettings {
  Arm arms = 1;               // K
  std::uint64_t burn_in = 0;  // M: plays of an arm in a row whose losses are left out
  std::uint64_t horizon = 0;  // T; 0: not known, doubled whenever it is reached
  double delta = 0;           // 0: 1 / T
  double radius_scale = 1;
  std::uint64_t first_block = 0;  // n_0; 0: ceil(max(2 L, M)), before which no radius is below 1/2
  double max_missing = 0;         // share of an epoch's losses without which its test may be made
  bool bernstein = false;         // radii from the empirical variance
};

// When what is tested, and how wide the intervals are: everything of successive elimination that no loss has a say in.
//
// Epoch s gives n_s = min(n_0 2^s, T) counted losses to every arm that is left, N_s in all so far, and tests at radius
// sqrt(L / (2 N_s)) with L = ln(2 K S / delta), S = ceil(log2 T) + 1: a union bound over arms and epochs, since the
// S-th test would need more than T plays. If T is not known, L is that of the power-of-two multiple of max(2 K M, 1000)
// in which the test falls, with S (S + 1) for S, because sum_s 1 / ((s + 1)(s + 2)) = 1 over all epochs there may ever
// be.
class Schedule {
 public:
  explicit Schedule(const EliminationSettings& settings);

  const EliminationSettings& settings() const noexcept { return settings_; }
  std::uint32_t epochs() const noexcept { return static_cast<std::uint32_t>(blocks_.size()); }
  std::uint64_t block(std::uint32_t epoch) const noexcept { return blocks_[epoch]; }  // n_s; 0 behind the last epoch
  std::uint64_t pooled(std::uint32_t epochs) const noexcept {
    return pooled_[epochs];
  }  // of an arm after so many epochs
  double log_term(std::uint64_t plays) const;  // L
  double radius(double count, double variance, double log_term) const;
  double failure() const;  // the probability that an interval of any test misses is at most this

 private:
  double union_size(std::uint64_t horizon) const;

  EliminationSettings settings_;
  std::vector<std::uint64_t> blocks_, pooled_;
};

// What has to be known of a play when its loss arrives.
struct Ticket {
  Arm arm = 0;
  std::uint32_t mark = 0;  // the policy's own
  double weight = 0;       // the same
};

// A policy over losses in [0, 1]. A random one draws from the sequence (seed, policy, number of the play), so `choose`
// is a function of the state, and states have no generator in them.
class Policy {
 public:
  explicit Policy(Arm arms) : sums_(arms), counts_(arms) {}
  virtual ~Policy() = default;

  Arm arms() const noexcept { return static_cast<Arm>(sums_.size()); }
  virtual Arm choose() const = 0;                             // the arm of the next play
  virtual Ticket play(Arm arm) = 0;                           // the play that `choose` named takes place
  virtual void observe(Arm) {}                                // a play that the policy did not name took place
  virtual void learn(const Ticket& ticket, double loss) = 0;  // in any order
  virtual Arm recommend() const;                              // least mean of those played, of equals the first
  virtual std::unique_ptr<Policy> clone() const = 0;
  virtual std::size_t nbytes() const noexcept;
  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);  // into a fresh policy with the same parameters

  const std::vector<double>& sums() const noexcept { return sums_; }
  const std::vector<std::uint64_t>& counts() const noexcept { return counts_; }

 protected:
  Policy(const Policy&) = default;
  virtual void do_save(SnapshotWriter&) const {}
  virtual void do_load(SnapshotReader&) {}
  void count(Arm arm, double loss) {
    sums_[arm] += loss;
    ++counts_[arm];
  }

  std::vector<double> sums_;  // of the losses that count
  std::vector<std::uint64_t> counts_;
};

// Successive elimination over blocks. A loss counts iff the M plays before it were of the same arm too: then the tally
// is all of W, and the losses that count are independent with mean h_a(W). O(1) a play, O(K) a test.
class Elimination final : public Policy {
 public:
  explicit Elimination(const EliminationSettings& settings);

  Arm choose() const override { return waiting_ ? order_.back() : order_[index_]; }
  Ticket play(Arm arm) override {
    const std::uint64_t run = run_of(arm), burn_in = schedule_.settings().burn_in;
    last_ = arm;
    run_ = std::min(run + 1, burn_in);
    ++plays_;
    if (run < burn_in) {
      ++burned_;
      return {arm, 0, 0};
    }
    ++saturated_[arm];
    return done_ ? Ticket{arm, 0, 0} : play_counted(arm);
  }
  void observe(Arm arm) override;
  void learn(const Ticket& ticket, double loss) override {
    if (ticket.mark != 0 && !done_ && !dropped_[ticket.arm]) learn_counted(ticket, loss);
  }
  Arm recommend() const override;  // of those left
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Elimination>(*this); }
  std::size_t nbytes() const noexcept override;

  enum class Phase : std::uint8_t { exploring = 0, waiting = 1, committed = 2, over = 3 };
  struct Report {
    std::vector<bool> active;
    std::vector<double> radii, lower, upper;  // at the present counts; and the intersection of all tests' intervals
    std::uint32_t epoch;
    Phase phase;
    std::uint64_t plays;
    double failure;       // the probability that any interval misses
    double regret_bound;  // of all plays so far, if none misses
    std::vector<bool> drifting;
  };
  Report report() const;
  // The arm and epoch of a block whose two halves differ, which was not told before: M is too small. Told once an arm.
  std::optional<std::pair<Arm, std::uint32_t>> take_alarm();

 protected:
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;

 private:
  Ticket play_counted(Arm arm);
  void learn_counted(const Ticket& ticket, double loss);
  bool is_done() const noexcept { return order_.size() == 1 || epoch_ == schedule_.epochs(); }
  std::uint64_t run_of(Arm arm) const noexcept { return last_ == arm ? run_ : 0; }
  double mean(Arm arm) const noexcept { return sums_[arm] / static_cast<double>(counts_[arm]); }
  double variance(Arm arm) const noexcept;
  bool ready() const noexcept;
  void test();
  void look_for_drift(Arm arm, double log_term);
  double bound_regret() const;

  Schedule schedule_;
  std::vector<Arm> order_;  // the arms left, as this epoch plays them
  std::vector<std::uint8_t> dropped_;
  bool done_ = false;       // nothing is tested any more, and the first of the order is played
  std::size_t index_ = 0;   // whose block it is
  std::uint64_t left_ = 0;  // plays of the block that count and are to come
  std::uint32_t epoch_ = 0;
  bool waiting_ = false;  // all blocks are played, and losses are missing
  Arm last_ = 0;
  std::uint64_t run_ = 0;                 // plays of `last_` in a row, up to M
  std::uint64_t plays_ = 0, burned_ = 0;  // all; those of tallies that may be below W
  std::vector<std::uint64_t> saturated_;  // the others, by arm
  std::vector<double> squares_;           // sums of squared losses, for `bernstein`
  std::vector<double> lower_, upper_;
  struct Halves {
    double sums[2] = {0, 0};
    std::uint64_t counts[2] = {0, 0};
  };
  std::vector<Halves> halves_;  // of the blocks
  std::vector<std::uint8_t> drifting_;
  std::optional<std::pair<Arm, std::uint32_t>> alarm_;
};

std::unique_ptr<Policy> make_ucb1(Arm arms);  // Auer, Cesa-Bianchi, Fischer 2002; ln t with t plays so far. O(K) a play
std::unique_ptr<Policy> make_sliding_window_ucb(Arm arms, std::uint64_t window);  // Garivier, Moulines 2011
// Auer, Cesa-Bianchi, Freund, Schapire 2002, with gamma = min(1, sqrt(K ln K / ((e - 1) T))); over batches of plays of
// one arm Arora, Dekel, Tewari 2012. If T is not known (0) it doubles from 1000 batches, and the weights start anew.
std::unique_ptr<Policy> make_exp3(Arm arms, std::uint64_t horizon, std::uint64_t batch, std::uint64_t seed);
std::unique_ptr<Policy> make_epsilon_greedy(Arm arms, double epsilon, std::uint64_t seed);
std::unique_ptr<Policy> make_thompson_beta(Arm arms, std::uint64_t seed);  // fractional losses count on both sides
std::unique_ptr<Policy> make_random_arm(Arm arms, std::uint64_t seed);
std::unique_ptr<Policy> make_sequence(Arm arms, std::vector<Arm> plays);  // those, and the last one for ever

struct LossScale {
  double low = 0, high = 1;
  bool reward = false;  // more is better

  bool holds(double value) const noexcept { return value >= low && value <= high; }
  double to_unit(double value) const noexcept { return (reward ? high - value : value - low) / (high - low); }
  double from_unit(double loss) const noexcept {
    return reward ? high - loss * (high - low) : low + loss * (high - low);
  }
};

// A policy and its plays whose losses have not arrived: tokens are the plays' numbers.
class Desk {
 public:
  Desk(std::unique_ptr<Policy> policy, LossScale scale, bool strict);

  struct Selection {
    Arm arm;
    std::uint64_t token;
  };
  Selection select();
  // A loss by the token of its play, or by its arm: the oldest open play, or the next one, which this then makes.
  // Another arm is refused if strict, else the user's own play. Throws BatchError; a batch with a bad row changes
  // nothing. `next`, one a row: the arm to be played after it.
  void update(Span<const std::int64_t> tokens, bool by_token, Span<const std::int64_t> arms, Span<const double> losses,
              std::int64_t* next);
  void observe(Arm arm);

  const Policy& policy() const noexcept { return *policy_; }
  Policy& policy() noexcept { return *policy_; }
  const LossScale& scale() const noexcept { return scale_; }
  std::uint64_t n_seen() const noexcept { return n_seen_; }
  std::size_t n_open() const noexcept { return open_.size(); }
  std::size_t nbytes() const noexcept;
  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  void check(std::size_t row, double loss) const;
  void take(std::size_t row, std::int64_t token, double loss);
  void take_of(std::size_t row, std::int64_t arm, double loss);

  std::unique_ptr<Policy> policy_;
  LossScale scale_;
  bool strict_;
  std::map<std::uint64_t, Ticket> open_;
  std::uint64_t next_token_ = 0, n_seen_ = 0;
};

struct FleetSettings {
  EliminationSettings elimination;
  LossScale scale;
  bool single = false;  // sums as float, with a compensation for the block that is played
  bool strict = true;
  bool hashed = false;  // ids are any integers; else 0, 1, 2, ...
};

// Millions of eliminations with equal parameters, the same bit for bit as so many policies whose losses come play by
// play.
//
// All arms that a bandit has left have equal counts, so a record holds no counts: 15 bytes, K of order and K sums, side
// by side and at most two cache lines where K is 4 or less. Beside the records stand the arms to play, one byte each. A
// play is known by its loss: losses of one bandit come in the order of its plays. O(1) a row, O(K) a test; rows are
// prefetched.
class Fleet {
 public:
  static constexpr Arm most_arms = 250;

  Fleet(const FleetSettings& settings, std::uint64_t bandits);

  // What a batch's rows say of plays. Absent columns are empty; without arms the plays are those that were selected.
  struct Feedback {
    Span<const std::int64_t> ids;
    Span<const std::uint16_t> arms;
    Span<const std::int64_t> tokens;
    Span<const double> losses;
  };
  void select(Span<const std::int64_t> ids, std::uint16_t* arms, unsigned threads) const;
  // Atomic: throws BatchError at the first row that is refused, and then nothing has changed. `arms` and `tokens`, one
  // a row: what its bandit plays after it, and by which token that loss may be given.
  void update(const Feedback& rows, std::uint16_t* arms, std::uint32_t* tokens, unsigned threads);

  std::uint64_t add(std::uint64_t count);  // returns the first of the new ids, which follow one another
  void add(Span<const std::int64_t> ids);  // hashed
  void remove(Span<const std::int64_t> ids);
  void reset(Span<const std::int64_t> ids);
  void merge(const Fleet& other);  // of equal settings and other ids

  struct States {  // of `ids`, in their order; sums, counts and means row by row
    std::vector<std::int64_t> arms, epochs, active, tokens, counts;
    std::vector<double> sums, means;  // of an arm that was dropped the sum and count are gone, the mean is as of then
  };
  States states(Span<const std::int64_t> ids) const;
  std::vector<std::int64_t> ids() const;  // rising if dense, else as they were added to free places

  struct Summary {
    std::uint64_t bandits = 0, committed = 0, plays = 0, foreign = 0;
    std::vector<std::uint64_t> committed_to, playing;  // bandits by arm
    std::vector<std::uint64_t> epochs;                 // bandits by tests made
    double failure = 0;       // of one bandit: the probability that any of its intervals misses
    double regret_bound = 0;  // of all plays, if no interval misses
  };
  Summary summary() const;

  const FleetSettings& settings() const noexcept { return settings_; }
  std::uint64_t size() const noexcept { return live_; }
  std::uint64_t n_seen() const noexcept { return n_seen_; }
  std::size_t nbytes() const noexcept;
  // A snapshot's payload is the head and then the records, most of it; so they are copied once, to where they belong.
  std::string save_head() const;
  std::vector<std::uint8_t> turned_records() const;  // little-endian, for machines that are not
  Span<const std::uint8_t> records() const noexcept { return records_; }
  void load(Span<const std::uint8_t> payload);

  // Rows and ids taken in so far, which numbers the states of one fleet; and the pages of bandits that have changed
  // since an earlier one. What takes them must be in that state: std::invalid_argument otherwise, and nothing has
  // changed.
  std::uint64_t n_changes() const noexcept { return changes_; }
  std::string changes_since(std::uint64_t earlier) const;
  void apply_changes(Span<const std::uint8_t> payload);

 private:
  static constexpr std::size_t page_size = 1024;  // bandits; the stamps of a million fit into the first cache

  // Everything of a record but order and sums. `left`: plays of the block that count and are to come; `run`: plays of
  // `last` in a row, up to M.
  struct Head {
    std::uint32_t plays, left, run;
    std::uint8_t last, active, epoch;
  };
  static constexpr std::size_t head_size = 15;
  static constexpr std::uint8_t nobody = 255;  // in `current_`: there is no bandit at the place
  struct Journal;
  struct Shard;

  std::uint8_t* record(std::size_t place) noexcept { return &records_[place * stride_]; }
  const std::uint8_t* record(std::size_t place) const noexcept { return &records_[place * stride_]; }
  Head head(std::size_t place) const noexcept;
  void put(std::size_t place, const Head& head) noexcept;
  std::uint8_t* order(std::size_t place) noexcept { return record(place) + head_size + (settings_.single ? 4 : 0); }
  const std::uint8_t* order(std::size_t place) const noexcept {
    return record(place) + head_size + (settings_.single ? 4 : 0);
  }
  double sum(std::size_t place, Arm arm) const noexcept;
  void put_sum(std::size_t place, Arm arm, double value) noexcept;
  void add_loss(std::size_t place, Arm arm, double loss) noexcept;
  bool done(const Head& head) const noexcept { return head.active == 1 || head.epoch == schedule_.epochs(); }

  std::size_t place_of(std::int64_t id) const noexcept;  // SIZE_MAX if there is none
  std::size_t known(Span<const std::int64_t> ids, std::size_t row) const;
  void begin(std::size_t place) noexcept;
  void resize(std::size_t places);
  void touch(std::size_t place) noexcept { stamps_[place / page_size] = changes_; }
  void check(const Feedback& rows, std::vector<std::uint32_t>& places, unsigned threads) const;
  bool is_certain(const Feedback& rows, const std::uint32_t* places, const Shard& shard,
                  std::vector<std::uint64_t>& seen) const;
  void apply(const Feedback& rows, const std::uint32_t* places, Shard& shard, std::uint16_t* arms,
             std::uint32_t* tokens);
  bool take(const Feedback& rows, std::size_t row, std::size_t place, Journal* journal);
  void next_block(std::size_t place, Head& head);
  void test(std::size_t place, Head& head);
  void undo(const Feedback& rows, const std::uint32_t* places, const Journal& journal) noexcept;
  [[noreturn]] void refuse(const Feedback& rows, std::size_t row, std::size_t place) const;
  void check_place(std::size_t place, SnapshotReader& in);
  void check_record(std::size_t place, SnapshotReader& in) const;

  FleetSettings settings_;
  Schedule schedule_;
  std::vector<double> radii_;  // of each test
  std::size_t arms_, stride_, sums_at_;
  std::vector<std::uint8_t> records_, current_;
  KeyTable keys_;
  std::uint64_t live_ = 0, n_seen_ = 0, foreign_ = 0, changes_ = 0;
  std::vector<std::uint64_t> stamps_;  // of each page: `changes_` when it was changed last
  std::uint64_t ids_stamp_ = 0;        // the same of which ids there are
};

enum class Curve : std::uint8_t { linear = 0, saturating = 1, hump = 2, step = 3, grid = 4 };
enum class Noise : std::uint8_t { none = 0, bernoulli = 1, uniform = 2, gaussian = 3 };

// The means h_a(y) of K arms over tallies from 0 to W_a, as functions of u = y / W_a:
// linear h0 + (h1 - h0) u; saturating h1 + (h0 - h1) exp(-shape u); hump h0 + (h1 - h0) u + 4 shape u (1 - u), at most
// 1; step h0 below u = shape, h1 from there on; grid: linear between equally spaced values.
struct Curves {
  Curve kind = Curve::linear;
  std::vector<double> h0, h1, shape;  // one an arm
  std::vector<double> grid;           // K rows
};

// An environment with memory. Weights are one row for all arms, or one an arm. A tally costs O(1) where the weights of
// a row are equal or a falling geometric sequence, O(m) otherwise.
class Environment {
 public:
  Environment(Arm arms, Curves curves, std::vector<std::vector<double>> weights, Noise noise, std::uint64_t seed);

  Arm arms() const noexcept { return arms_; }
  std::size_t memory() const noexcept { return memory_; }
  double full(Arm arm) const noexcept { return full_[arm]; }  // W
  double weight(Arm arm, std::size_t age) const noexcept { return weights_[row_of(arm) * memory_ + age]; }
  double mean(Arm arm, double tally) const;

  void reset(std::uint32_t run);  // to the empty history; the noise is that of the run
  struct Outcome {
    double tally, mean, loss;
  };
  Outcome step(Arm arm);

 private:
  friend struct Stage;  // runs policies, with all of a step inline
  enum class Weights : std::uint8_t { equal, geometric, any };

  std::size_t row_of(Arm arm) const noexcept { return rows_ == 1 ? 0 : arm; }
  void classify();
  inline Outcome do_step(Arm arm);
  inline double tally(Arm arm);
  inline double geometric_tally(Arm arm, std::size_t leaving);
  double any_tally(Arm arm, std::size_t slot) const;
  inline double noisy(double mean);

  Arm arms_;
  Curves curves_;
  std::size_t memory_ = 1, rows_ = 1;
  std::vector<double> weights_, full_;
  Weights kind_ = Weights::any;
  Noise noise_;
  std::uint64_t seed_;
  std::vector<double> powers_;  // rho^0 ... rho^m of each row, for geometric weights

  PhiloxStream draws_;
  std::uint64_t time_ = 0;
  std::size_t slot_ = 0;               // of the ring that the next play goes to
  std::vector<Arm> ring_;              // the last m plays; `arms_` where there was none
  std::vector<std::uint64_t> counts_;  // of each arm among them
  std::vector<double> discounted_;     // sum_j rho^j [a_{t-j} = a] as of `touched_`
  std::vector<std::uint64_t> touched_;
};

// Optimal planning by dynamic programming over the last m - 1 plays: O(K^m) a step, O(K^m) memory.
class Planner {
 public:
  static constexpr std::size_t most_states = 2'000'000;
  static bool fits(const Environment& environment) noexcept;
  explicit Planner(const Environment& environment);  // std::invalid_argument beyond most_states

  std::vector<double> values(Span<const std::uint64_t> horizons) const;  // rising; the least total of so many plays
  std::vector<Arm> plays(std::uint64_t horizon) const;                   // of least total; O(K^(m-1) sqrt(T)) memory

 private:
  std::vector<double> costs_of(std::size_t length) const;  // of every history of that length and every arm
  void advance(std::vector<double>& values, std::vector<double>& room) const;
  double from_start(const std::vector<double>& values, std::size_t length) const;

  const Environment& environment_;
  std::size_t arms_, depth_, states_;
  std::vector<std::vector<double>> costs_;  // by length of the history
};

// Runs every policy against the environment with the noise of its run. totals[run * points + i]: the sum of means over
// the first `checkpoints[i]` plays; `arms`, if wanted, runs x horizon. The same bits on any number of threads.
void simulate(const std::vector<Policy*>& policies, const Environment& environment,
              Span<const std::uint64_t> checkpoints, unsigned threads, double* totals, Arm* arms);

}  // namespace pyalgo::bandits
