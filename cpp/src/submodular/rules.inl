// The rules of separable objectives, f(S) = sum over targets u of what u's aggregate over S is worth. For V = double or a
// vector of doubles; every operation is one that IEEE arithmetic defines, so that all widths give the same bits. Included
// inside a namespace for each SIMD level.
//
// `after` is the aggregate `total` once x arrives, `worth` what an aggregate is worth; p is the target's own number. Linear
// rules have worth(total) = total and keep one number a target, the others keep the worth beside the total.

template <class V>
inline V larger(V a, V b) noexcept {
  return a > b ? a : b;
}

template <class V>
inline V smaller(V a, V b) noexcept {
  return a < b ? a : b;
}

template <class V>
inline V root(V v) noexcept {
  if constexpr (std::is_same_v<V, double>) {
    return std::sqrt(v);
  } else {  // one instruction, once errno is out of the way
    for (std::size_t lane = 0; lane < sizeof(V) / sizeof(double); ++lane) v[lane] = std::sqrt(v[lane]);
    return v;
  }
}

#include "log1p.inl"

struct Best {
  static constexpr bool linear = true;
  double cap;

  template <class V>
  V after(V total, V x, V) const noexcept {
    return larger(x, total);
  }
};

struct Saturated {  // p: the most that the target is worth
  static constexpr bool linear = true;
  double cap;

  template <class V>
  V after(V total, V x, V p) const noexcept {
    return smaller(total + x, p);
  }
};

// The concave rules; p: the target's weight.
struct Concave {
  static constexpr bool linear = false;
  double cap;

  template <class V>
  V after(V total, V x, V) const noexcept {
    return total + x;
  }
};

struct Sqrt : Concave {
  template <class V>
  V worth(V total) const noexcept {
    return root(total);
  }
};

struct Log1p : Concave {
  template <class V>
  V worth(V total) const noexcept {
    return log1p_of(total);
  }
};

struct Inverse : Concave {
  template <class V>
  V worth(V total) const noexcept {
    return total / (1.0 + total);
  }
};

struct Min : Concave {
  template <class V>
  V worth(V total) const noexcept {
    return smaller(total, V{} + cap);
  }
};

// What x gains over `total`, whose worth is `worth`. The maximum guards against a worth that rounding makes decrease.
template <class Rule, class V>
inline V gain_of(const Rule& rule, V total, V worth, V x, V p) noexcept {
  if constexpr (Rule::linear)
    return rule.after(total, x, p) - total;
  else
    return p * larger(V{}, rule.worth(rule.after(total, x, p)) - worth);
}

template <class Type>
struct RuleType {
  using type = Type;
};

// What `choose` makes of the type that a rule names, handed over as a RuleType.
template <class Choose>
inline auto by_rule(Rule rule, Choose choose) {
  switch (rule) {
    case Rule::best: return choose(RuleType<Best>{});
    case Rule::saturated: return choose(RuleType<Saturated>{});
    case Rule::sqrt: return choose(RuleType<Sqrt>{});
    case Rule::log1p: return choose(RuleType<Log1p>{});
    case Rule::inverse: return choose(RuleType<Inverse>{});
    case Rule::min: break;
  }
  return choose(RuleType<Min>{});
}
