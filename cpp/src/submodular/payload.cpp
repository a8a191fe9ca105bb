#include "payload.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "pyalgo/errors.hpp"

namespace pyalgo::submodular {
namespace {

bool is_magnitude(double value) {
  return value == 0 || (value >= smallest_magnitude && value <= largest_magnitude);  // NaN fails both
}

const char* kind_name(KeyKind kind) { return kind == KeyKind::text ? "strings" : "integers"; }

}  // namespace

std::string shown(double value) {
  char text[32];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (std::strtod(text, nullptr) == value) break;
  }
  return text;
}

void HeldKeys::check_all_held(SnapshotReader& in) const {
  for (std::uint32_t index = 0; index < holds_.size(); ++index)
    if ((holds_[index] > 0) != table_.linked(index) || (table_.taken(index) && !table_.linked(index)))
      in.fail("a table of the keys in use");
}

void check_keys(const PayloadBatch& payload, Span<const std::uint32_t> rows, const KeyTable& table, const char* column) {
  if (!payload.has_keys)
    throw BatchError(BatchError::Kind::value, rows.empty() ? 0 : rows[0],
                     std::string("inserts need the column '") + column + "'");
  for (std::uint32_t row : rows) {
    if (payload.keys_of(row).size() == 0) continue;
    if (table.kind() != KeyKind::none && payload.keys.kind != table.kind())
      throw BatchError(BatchError::Kind::type, row,
                       std::string("'") + column + "' are " + kind_name(payload.keys.kind) + " here, but were " +
                           kind_name(table.kind()) + " before: one objective takes one kind");
    break;
  }
}

// Rows of `width` values each; 0: as many as the first.
void check_rows(const PayloadBatch& payload, Span<const std::uint32_t> rows, std::size_t width, const char* column) {
  if (!payload.has_values)
    throw BatchError(BatchError::Kind::value, rows.empty() ? 0 : rows[0],
                     std::string("inserts need the column '") + column + "'");
  for (std::uint32_t row : rows) {
    const std::size_t here = payload.values_of(row).size();
    if (width == 0) width = here;
    if (here != width || width == 0)
      throw BatchError(BatchError::Kind::value, row,
                       std::string("'") + column + "' has " + std::to_string(here) + " entries, expected " +
                           (width == 0 ? std::string("at least one") : std::to_string(width)));
  }
}

void check_values(const PayloadBatch& payload, Span<const std::uint32_t> rows, const char* column) {
  for (std::uint32_t row : rows) {
    const Span<const double> values = payload.values_of(row);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!is_magnitude(values[i]))
        throw BatchError(BatchError::Kind::value, row,
                         std::string("'") + column + "' has " + shown(values[i]) + " at position " + std::to_string(i) +
                             ": it must be 0 or from " + shown(smallest_magnitude) + " to " + shown(largest_magnitude));
  }
}

void check_paired_values(const PayloadBatch& payload, Span<const std::uint32_t> rows, const char* keys,
                         const char* values) {
  for (std::uint32_t row : rows)
    if (payload.values_of(row).size() != payload.keys_of(row).size())
      throw BatchError(BatchError::Kind::value, row,
                       std::string("'") + values + "' has " + std::to_string(payload.values_of(row).size()) +
                           " entries for " + std::to_string(payload.keys_of(row).size()) + " '" + keys + "'");
  check_values(payload, rows, values);
}

double load_magnitude(SnapshotReader& in) {
  const double value = in.f64();
  if (!is_magnitude(value)) in.fail("a finite value that is not negative");
  return value;
}

}  // namespace pyalgo::submodular
