#include "grouped.hpp"

#include <algorithm>
#include <type_traits>

#include "letter_index.hpp"

namespace pyalgo::hamming {
namespace {

constexpr std::size_t kGroup = 255;
constexpr std::size_t kPiece = std::size_t{1} << 17;  // alignments between two encodings of a stretch of text

template <class Code>
class Grouped final : public Engine<Code> {
 public:
  Grouped(const std::vector<Pattern<Code>>& patterns, const ByteEngineFactory& factory) {
    for (const Pattern<Code>& pattern : patterns) longest_ = std::max(longest_, pattern.length);
    const std::vector<Code> letters = letters_of<Code>(patterns);
    const LetterIndex<Code> all(letters);
    for (std::size_t first = 0; first == 0 || first < letters.size(); first += kGroup) {
      const std::size_t end = std::min(letters.size(), first + kGroup);
      Group group;
      group.index = LetterIndex<Code>(
          {letters.begin() + static_cast<std::ptrdiff_t>(first), letters.begin() + static_cast<std::ptrdiff_t>(end)});
      std::vector<Pattern<std::uint8_t>> recoded;
      for (Pattern<Code>& part :
           restrict_to(patterns, all, [&](std::uint32_t letter) { return letter >= first && letter < end; })) {
        recoded.push_back({part.length, std::move(part.offsets), {}});
        for (const Code code : part.codes)
          recoded.back().codes.push_back(static_cast<std::uint8_t>(group.index.find(code)));
      }
      group.engine = factory(std::move(recoded));
      groups_.push_back(std::move(group));
    }
  }

  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override {
    auto made = std::make_unique<Buffers>();
    made->codes.resize(piece() + longest_);
    for (const Group& group : groups_) made->groups.push_back(group.engine->make_workspace());
    return made;
  }

  void count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             typename Engine<Code>::Workspace& workspace) const override {
    auto& buffers = static_cast<Buffers&>(workspace);
    std::size_t alignments = 0;
    for (const Target& target : targets) alignments = std::max(alignments, target.count);
    std::vector<Target> some(targets.begin(), targets.end());
    for (std::size_t at = 0; at < alignments; at += piece()) {
      const std::size_t read = std::min(size - at, piece() + longest_ - 1);
      for (std::size_t g = 0; g < groups_.size(); ++g) {
        for (std::size_t i = 0; i < read; ++i)
          buffers.codes[i] = static_cast<std::uint8_t>(groups_[g].index.find(text[at + i]));
        for (std::size_t p = 0; p < some.size(); ++p) {
          const Target& whole = targets[p];
          const std::size_t left = whole.count - std::min(whole.count, at);
          some[p] = {whole.out + at, std::min(left, piece()), g > 0 || whole.accumulate, whole.base};
        }
        groups_[g].engine->count(buffers.codes.data(), read, position + at, some, *buffers.groups[g]);
      }
    }
  }

 private:
  // Letter i is byte i, everything else the byte after the last letter.
  struct Group {
    LetterIndex<Code> index;
    std::unique_ptr<Engine<std::uint8_t>> engine;
  };

  struct Buffers final : Engine<Code>::Workspace {
    std::vector<std::uint8_t> codes;
    std::vector<std::unique_ptr<Engine<std::uint8_t>::Workspace>> groups;

    std::size_t nbytes() const noexcept override {
      std::size_t sum = codes.size();
      for (const auto& group : groups) sum += group->nbytes();
      return sum;
    }
  };

  // Long patterns are read again at every piece, so pieces grow with them.
  std::size_t piece() const noexcept { return std::max(kPiece, 4 * longest_); }

  std::size_t longest_ = 1;
  std::vector<Group> groups_;
};

}  // namespace

template <class Code>
std::unique_ptr<Engine<Code>> make_grouped(std::vector<Pattern<Code>> patterns, const ByteEngineFactory& factory) {
  if constexpr (std::is_same_v<Code, std::uint8_t>) {
    return factory(std::move(patterns));
  } else {
    return std::make_unique<Grouped<Code>>(patterns, factory);
  }
}

template std::unique_ptr<Engine<std::uint8_t>> make_grouped(std::vector<Pattern<std::uint8_t>>,
                                                            const ByteEngineFactory&);
template std::unique_ptr<Engine<std::uint16_t>> make_grouped(std::vector<Pattern<std::uint16_t>>,
                                                             const ByteEngineFactory&);
template std::unique_ptr<Engine<std::uint32_t>> make_grouped(std::vector<Pattern<std::uint32_t>>,
                                                             const ByteEngineFactory&);

}  // namespace pyalgo::hamming
