#include <pybind11/stl.h>

#include <optional>

#include "arrays.hpp"
#include "bindings.hpp"
#include "pyalgo/rns.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace rns;

using Words = Array<std::uint64_t>;

// Residues as Python hands them over: a two-dimensional array of the basis' word, one lane a row, of any strides.
template <class T>
Lanes<T> lanes(const Basis& basis, const py::array& array) {
  if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(0)) != basis.size() ||
      array.itemsize() != static_cast<py::ssize_t>(sizeof(T)) || array.dtype().kind() != 'u')
    throw std::invalid_argument("residues must be an array of " + std::to_string(basis.size()) + " lanes of uint" +
                                std::to_string(8 * sizeof(T)));
  const auto step = [&](int axis) { return static_cast<std::ptrdiff_t>(array.strides(axis)) / array.itemsize(); };
  return {static_cast<T*>(const_cast<void*>(array.data())), static_cast<std::size_t>(array.shape(1)), step(0), step(1)};
}

template <class Work>
auto by_word(const Basis& basis, Work&& work) {
  switch (basis.word()) {
    case Word::u16: return work(std::uint16_t{});
    case Word::u32: return work(std::uint32_t{});
    case Word::u64: break;
  }
  return work(std::uint64_t{});
}

void need_equal(std::size_t a, std::size_t b) {
  if (a != b) throw std::invalid_argument("arrays of " + std::to_string(a) + " and " + std::to_string(b) + " values");
}

// The interpreter lock is worth releasing for work of over about 10 us.
class Unlocked {
 public:
  explicit Unlocked(std::size_t residues) {
    if (residues > 4096) released_.emplace();
  }

 private:
  std::optional<py::gil_scoped_release> released_;
};

template <class... Others>
void need_length(std::size_t n, const Others&... others) {
  (need_equal(n, others.n), ...);
}

Words words(std::size_t rows, std::size_t columns) {
  return Words({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)});
}

void bind_codes(py::class_<Basis>& cls) {
  cls.def(
         "encode",
         [](const Basis& basis, const Words& x, bool is_signed, const py::array& out, unsigned threads) {
           by_word(basis, [&](auto word) {
             const auto to = lanes<decltype(word)>(basis, out);
             const Span<const std::uint64_t> values = view(x);
             need_equal(values.size(), to.n);
             const Unlocked unlocked(to.n * basis.size());
             encode(basis, values, is_signed, to, threads);
           });
         },
         py::arg("x"), py::arg("signed"), py::arg("out"), py::arg("threads"))
      .def(
          "encode_limbs",
          [](const Basis& basis, const Words& x, bool is_signed, const py::array& out, unsigned threads) {
            by_word(basis, [&](auto word) {
              const auto to = lanes<decltype(word)>(basis, out);
              need_equal(static_cast<std::size_t>(x.shape(0)), to.n);
              const auto limbs = static_cast<std::size_t>(x.shape(1));
              const std::uint64_t* from = x.data();
              const Unlocked unlocked(to.n * basis.size());
              encode_limbs(basis, from, limbs, is_signed, to, threads);
            });
          },
          py::arg("x"), py::arg("signed"), py::arg("out"), py::arg("threads"))
      .def(
          "first_outside",
          [](const Basis& basis, const Words& x, bool is_signed) {
            return first_outside(basis, x.data(), static_cast<std::size_t>(x.shape(0)),
                                 static_cast<std::size_t>(x.shape(1)), is_signed);
          },
          py::arg("x"), py::arg("signed"))
      .def(
          "decode",
          [](const Basis& basis, const py::array& r, bool is_signed, bool garner, unsigned threads) {
            return by_word(basis, [&](auto word) {
              const auto from = lanes<const decltype(word)>(basis, r);
              Words out = words(from.n, basis.limbs());
              std::uint64_t* to = out.mutable_data();
              {
                const Unlocked unlocked(from.n * basis.size());
                decode(basis, from, is_signed, garner ? Route::garner : Route::crt, to, threads);
              }
              return out;
            });
          },
          py::arg("residues"), py::arg("signed"), py::arg("garner"), py::arg("threads"))
      .def(
          "mixed_radix",
          [](const Basis& basis, const py::array& r, unsigned threads) {
            return by_word(basis, [&](auto word) {
              const auto from = lanes<const decltype(word)>(basis, r);
              Words out = words(basis.size(), from.n);
              std::uint64_t* to = out.mutable_data();
              {
                const Unlocked unlocked(from.n * basis.size());
                mixed_radix(basis, from, to, threads);
              }
              return out;
            });
          },
          py::arg("residues"), py::arg("threads"))
      .def(
          "decode_mod",
          [](const Basis& basis, const py::array& r, std::uint64_t q, bool is_signed, unsigned threads) {
            const Modulus modulus(q);
            return by_word(basis, [&](auto word) {
              const auto from = lanes<const decltype(word)>(basis, r);
              Words out(static_cast<py::ssize_t>(from.n));
              std::uint64_t* to = out.mutable_data();
              {
                const Unlocked unlocked(from.n * basis.size());
                decode_mod(basis, from, is_signed, modulus, to, threads);
              }
              return out;
            });
          },
          py::arg("residues"), py::arg("q"), py::arg("signed"), py::arg("threads"));
}

void bind_ring(py::class_<Basis>& cls) {
  const auto binary = [&cls](const char* name, Operation operation) {
    cls.def(
        name,
        [operation](const Basis& basis, const py::array& a, const py::array& b, const py::array& out,
                    unsigned threads) {
          by_word(basis, [&](auto word) {
            using T = decltype(word);
            const auto of_a = lanes<const T>(basis, a), of_b = lanes<const T>(basis, b);
            const auto to = lanes<T>(basis, out);
            need_length(to.n, of_a, of_b);
            const Unlocked unlocked(to.n * basis.size());
            apply(basis, operation, of_a, of_b, to, threads);
          });
        },
        py::arg("a"), py::arg("b"), py::arg("out"), py::arg("threads"));
  };
  binary("add", Operation::add);
  binary("subtract", Operation::subtract);
  binary("multiply", Operation::multiply);
  cls.def(
         "multiply_add",
         [](const Basis& basis, const py::array& a, const py::array& b, const py::array& c, const py::array& out,
            unsigned threads) {
           by_word(basis, [&](auto word) {
             using T = decltype(word);
             const auto of_a = lanes<const T>(basis, a), of_b = lanes<const T>(basis, b),
                        of_c = lanes<const T>(basis, c);
             const auto to = lanes<T>(basis, out);
             need_length(to.n, of_a, of_b, of_c);
             const Unlocked unlocked(to.n * basis.size());
             multiply_add(basis, of_a, of_b, of_c, to, threads);
           });
         },
         py::arg("a"), py::arg("b"), py::arg("c"), py::arg("out"), py::arg("threads"))
      .def(
          "affine",
          [](const Basis& basis, const Words& factors, const py::array& a, const Words& addends, const py::array& out,
             unsigned threads) {
            by_word(basis, [&](auto word) {
              using T = decltype(word);
              const auto of_a = lanes<const T>(basis, a);
              const auto to = lanes<T>(basis, out);
              need_length(to.n, of_a);
              need_equal(static_cast<std::size_t>(factors.size()), basis.size());
              need_equal(static_cast<std::size_t>(addends.size()), basis.size());
              const Span<const std::uint64_t> f = view(factors), c = view(addends);
              const Unlocked unlocked(to.n * basis.size());
              affine(basis, f, of_a, c, to, threads);
            });
          },
          py::arg("factors"), py::arg("a"), py::arg("addends"), py::arg("out"), py::arg("threads"))
      .def(
          "invert",
          [](const Basis& basis, const py::array& a, const py::array& out, unsigned threads) {
            by_word(basis, [&](auto word) {
              using T = decltype(word);
              const auto of_a = lanes<const T>(basis, a);
              const auto to = lanes<T>(basis, out);
              need_length(to.n, of_a);
              const Unlocked unlocked(to.n * basis.size());
              invert(basis, of_a, to, threads);
            });
          },
          py::arg("a"), py::arg("out"), py::arg("threads"));
}

void bind_folds(py::class_<Basis>& cls) {
  cls.def(
      "matmul",
      [](const Basis& basis, const py::array& a, const py::array& b, std::size_t p, std::size_t q, std::size_t s,
         const py::array& out, unsigned threads) {
        by_word(basis, [&](auto word) {
          using T = decltype(word);
          const auto of_a = lanes<const T>(basis, a), of_b = lanes<const T>(basis, b);
          const auto to = lanes<T>(basis, out);
          need_equal(of_a.n, p * q);
          need_equal(of_b.n, q * s);
          need_equal(to.n, p * s);
          const Unlocked unlocked((p * q * s + 1) * basis.size());
          matmul(basis, of_a, of_b, p, q, s, to, threads);
        });
      },
      py::arg("a"), py::arg("b"), py::arg("p"), py::arg("q"), py::arg("s"), py::arg("out"), py::arg("threads"));
  const auto fold = [&cls](const char* name, bool is_sum) {
    cls.def(
        name,
        [is_sum](const Basis& basis, const py::array& a, std::size_t length, const py::array& out, unsigned threads) {
          by_word(basis, [&](auto word) {
            using T = decltype(word);
            const auto of_a = lanes<const T>(basis, a);
            const auto to = lanes<T>(basis, out);
            need_equal(of_a.n, to.n * length);
            const Unlocked unlocked(of_a.n * basis.size());
            (is_sum ? sum<T> : product<T>)(basis, of_a, length, to, threads);
          });
        },
        py::arg("a"), py::arg("length"), py::arg("out"), py::arg("threads"));
  };
  fold("sum", true);
  fold("product", false);
  cls.def(
      "scatter_add",
      [](const Basis& basis, const py::array& a, const Array<std::int64_t>& slots, const Array<std::int8_t>& signs,
         const py::array& out) {
        by_word(basis, [&](auto word) {
          using T = decltype(word);
          const auto of_a = lanes<const T>(basis, a);
          const auto to = lanes<T>(basis, out);
          const Span<const std::int64_t> at = view(slots);
          const Span<const std::int8_t> by = view(signs);
          need_equal(at.size(), of_a.n);
          if (!by.empty()) need_equal(by.size(), of_a.n);
          for (std::int64_t slot : at)
            if (slot < 0 || static_cast<std::uint64_t>(slot) >= to.n)
              throw std::invalid_argument("a slot is out of range");
          const Unlocked unlocked(of_a.n * basis.size());
          scatter_add(basis, of_a, at, by, to);
        });
      },
      py::arg("a"), py::arg("slots"), py::arg("signs"), py::arg("out"));
}

// A question about every value, answered in an array of type Answer.
template <class Answer, class Ask>
py::array_t<Answer> answers(const Basis& basis, const py::array& a, Ask&& ask) {
  return by_word(basis, [&](auto word) {
    const auto from = lanes<const decltype(word)>(basis, a);
    py::array_t<Answer> out(static_cast<py::ssize_t>(from.n));
    Answer* to = out.mutable_data();
    {
      const Unlocked unlocked(from.n * basis.size());
      ask(from, to);
    }
    return out;
  });
}

void bind_questions(py::class_<Basis>& cls) {
  cls.def(
         "first_unreduced",
         [](const Basis& basis, const py::array& a) {
           return by_word(basis, [&](auto word) {
             const auto from = lanes<const decltype(word)>(basis, a);
             const Unreduced first = first_unreduced(basis, from);
             return first.value == from.n ? std::nullopt : std::make_optional(std::make_pair(first.lane, first.value));
           });
         },
         py::arg("a"))
      .def(
          "equal",
          [](const Basis& basis, const py::array& a, const py::array& b) {
            return answers<bool>(basis, a, [&](auto from, bool* to) {
              const decltype(from) other = lanes<std::remove_pointer_t<decltype(from.data)>>(basis, b);
              need_equal(from.n, other.n);
              equal(basis, from, other, to);
            });
          },
          py::arg("a"), py::arg("b"))
      .def(
          "is_zero",
          [](const Basis& basis, const py::array& a) {
            return answers<bool>(basis, a, [&](auto from, bool* to) { is_zero(basis, from, to); });
          },
          py::arg("a"))
      .def(
          "compare",
          [](const Basis& basis, const py::array& a, const py::array& b, bool is_signed, unsigned threads) {
            return answers<std::int8_t>(basis, a, [&](auto from, std::int8_t* to) {
              const decltype(from) other = lanes<std::remove_pointer_t<decltype(from.data)>>(basis, b);
              need_equal(from.n, other.n);
              compare(basis, from, other, is_signed, to, threads);
            });
          },
          py::arg("a"), py::arg("b"), py::arg("signed"), py::arg("threads"))
      .def(
          "sign",
          [](const Basis& basis, const py::array& a, unsigned threads) {
            return answers<std::int8_t>(basis, a, [&](auto from, std::int8_t* to) { sign(basis, from, to, threads); });
          },
          py::arg("a"), py::arg("threads"))
      .def(
          "argmax",
          [](const Basis& basis, const py::array& a, bool is_signed) {
            return by_word(basis, [&](auto word) {
              const auto from = lanes<const decltype(word)>(basis, a);
              const Unlocked unlocked(from.n * basis.size());
              return argmax(basis, from, is_signed);
            });
          },
          py::arg("a"), py::arg("signed"));
}

void bind_other_bases(py::class_<Basis>& cls) {
  cls.def(
         "extend",
         [](const Basis& basis, const py::array& r, const Basis& other, const std::string& method, const py::array& out,
            unsigned threads) {
           const Extension asked = method == "float"    ? Extension::floating
                                   : method == "shenoy" ? Extension::shenoy
                                   : method == "fast"   ? Extension::fast
                                                        : Extension::exact;
           by_word(basis, [&](auto source) {
             by_word(other, [&](auto target) {
               const auto from = lanes<const decltype(source)>(basis, r);
               const auto to = lanes<decltype(target)>(other, out);
               need_length(from.n, to);
               const Unlocked unlocked(from.n * basis.size());
               extend(basis, from, other, asked, to, threads);
             });
           });
         },
         py::arg("residues"), py::arg("other"), py::arg("method"), py::arg("out"), py::arg("threads"))
      .def(
          "scale_down",
          [](const Basis& basis, const py::array& r, std::size_t j, bool nearest, const Basis& other,
             const py::array& out, unsigned threads) {
            need_equal(other.size() + 1, basis.size());
            by_word(basis, [&](auto source) {
              by_word(other, [&](auto target) {
                const auto from = lanes<const decltype(source)>(basis, r);
                const auto to = lanes<decltype(target)>(other, out);
                need_length(from.n, to);
                const Unlocked unlocked(from.n * basis.size());
                scale_down(basis, from, j, nearest, to, threads);
              });
            });
          },
          py::arg("residues"), py::arg("j"), py::arg("nearest"), py::arg("other"), py::arg("out"), py::arg("threads"))
      .def(
          "consistent",
          [](const Basis& basis, const py::array& a, bool is_signed, unsigned threads) {
            return answers<bool>(basis, a,
                                 [&](auto from, bool* to) { consistent(basis, from, is_signed, to, threads); });
          },
          py::arg("residues"), py::arg("signed"), py::arg("threads"))
      .def(
          "correct",
          [](const Basis& basis, const py::array& r, bool is_signed, unsigned threads) {
            return by_word(basis, [&](auto word) {
              const auto from = lanes<decltype(word)>(basis, r);
              py::array_t<bool> corrected({static_cast<py::ssize_t>(basis.size()), static_cast<py::ssize_t>(from.n)});
              py::array_t<bool> failed(static_cast<py::ssize_t>(from.n));
              bool *marks = corrected.mutable_data(), *lost = failed.mutable_data();
              {
                const Unlocked unlocked(from.n * basis.size());
                correct(basis, from, is_signed, marks, lost, threads);
              }
              return std::make_pair(corrected, failed);
            });
          },
          py::arg("residues"), py::arg("signed"), py::arg("threads"));
}

}  // namespace

void bind_rns(py::module_& m) {
  py::class_<Basis> cls(m, "RnsBasis", "Pairwise coprime moduli and their constants.");
  cls.def(py::init<const std::vector<std::uint64_t>&, std::size_t>(), py::arg("moduli"), py::arg("redundant"))
      .def_property_readonly("word_bytes", [](const Basis& basis) { return static_cast<int>(basis.word()); })
      .def_property_readonly("bits", &Basis::bits)
      .def_property_readonly("half_residues", [](const Basis& basis) { return to_array(basis.half_residues()); });
  bind_codes(cls);
  bind_ring(cls);
  bind_folds(cls);
  bind_questions(cls);
  bind_other_bases(cls);
  m.attr("RNS_MOST_MODULI") = most_moduli;
}

}  // namespace pyalgo::bindings
