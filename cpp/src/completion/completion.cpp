#include "pyalgo/completion.hpp"

#include <cmath>
#include <stdexcept>

#include "kernels.hpp"
#include "model.hpp"

namespace pyalgo::completion {
namespace {

void check(const Settings& settings) {
  const auto finite = [](const char* name, double value) {
    if (!(value >= 0) || !std::isfinite(value))
      throw std::invalid_argument(std::string(name) + " must be finite and not negative, got " + std::to_string(value));
  };
  if (settings.rank < 1 || settings.rank > 4096)
    throw std::invalid_argument("rank must be from 1 to 4096, got " + std::to_string(settings.rank));
  finite("reg", std::abs(settings.reg));
  finite("reg_power", settings.reg_power);
  finite("incoherence", settings.incoherence);
  if (!(settings.hold_out >= 0 && settings.hold_out < 1))
    throw std::invalid_argument("hold_out must be at least 0 and below 1, got " + std::to_string(settings.hold_out));
  if (settings.altmin && (settings.bias || settings.center || settings.nonneg))
    throw std::invalid_argument("altmin has no bias, centre or sign");
  if (settings.independent && (!settings.altmin || settings.parts < 3 || settings.parts % 2 == 0))
    throw std::invalid_argument("independent parts are for altmin, an odd number of at least 3");
}

}  // namespace

std::unique_ptr<Completion> Completion::make(const Settings& settings) {
  check(settings);
  if (settings.single) return std::make_unique<Model<float>>(settings);
  return std::make_unique<Model<double>>(settings);
}

std::unique_ptr<Completion> Completion::load(const Settings& settings, Span<const std::uint8_t> bytes,
                                             std::string& annex) {
  check(settings);
  SnapshotReader in(bytes);
  const auto loaded = [&](auto model) -> std::unique_ptr<Completion> {
    model->load(in, annex);
    return model;
  };
  if (settings.single) return loaded(std::make_unique<Model<float>>(settings));
  return loaded(std::make_unique<Model<double>>(settings));
}

double peak_multiply_adds() { return dense_kernels().peak(); }

}  // namespace pyalgo::completion
