#pragma once

// A path that is annealed, and the moves that change it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cemvis/annealing.hpp"

namespace cemvis::paths {

// Of each thing so many of those nearest to it are known.
inline constexpr std::int64_t kNearest = 12;
inline constexpr std::int64_t kLongestShift = 3;

using Nearest = std::vector<std::int32_t>;

inline std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// xoshiro256** 1.0 (Blackman and Vigna, doi:10.1145/3460772), seeded by splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15U;
      std::uint64_t mixed = (seed ^ (seed >> 30U)) * 0xBF58476D1CE4E5B9U;
      mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
      word = mixed ^ (mixed >> 31U);
    }
  }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5U, 7) * 9U;
    const std::uint64_t kept = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= kept;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>((next() >> 32U) * static_cast<std::uint64_t>(count) >> 32U);
  }
  double fraction() { return static_cast<double>(next() >> 11U) * 0x1p-53; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

enum class Kind { swap, shift, reversal };

// Places first <= last of a path are a stretch. A reversal turns it round. A shift takes it out and puts it between the
// places to and to + 1, both counted before, outside the stretch; `turned`, the other way round. A swap exchanges the
// things at first and last.
struct Move {
  Kind kind = Kind::reversal;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t to = 0;
  bool turned = false;
};

class Path {
 public:
  Path(const PathWeights& weights, const Nearest& nearest, std::span<const std::int32_t> order)
      : weights_(&weights),
        nearest_(&nearest),
        order_(order.begin(), order.end()),
        place_(order.size()),
        count_(static_cast<std::int64_t>(order.size())) {
    note(0, count_ - 1);
  }

  [[nodiscard]] const std::vector<std::int32_t>& order() const { return order_; }
  [[nodiscard]] std::int64_t count() const { return count_; }

  [[nodiscard]] std::int64_t change(const Move& move) const {
    switch (move.kind) {
      case Kind::swap:
        return swapped(move.first, move.last);
      case Kind::shift:
        return shifted(move);
      case Kind::reversal:
        break;
    }
    return step(move.first - 1, move.last) + step(move.first, move.last + 1) - step(move.first - 1, move.first) -
           step(move.last, move.last + 1);
  }

  void make(const Move& move) {
    const auto begin = order_.begin();
    switch (move.kind) {
      case Kind::swap:
        std::swap(order_[at(move.first)], order_[at(move.last)]);
        place_[at(order_[at(move.first)])] = static_cast<std::int32_t>(move.first);
        place_[at(order_[at(move.last)])] = static_cast<std::int32_t>(move.last);
        return;
      case Kind::shift:
        if (move.turned) {
          std::reverse(begin + move.first, begin + move.last + 1);
        }
        if (move.to > move.last) {
          std::rotate(begin + move.first, begin + move.last + 1, begin + move.to + 1);
          note(move.first, move.to);
        } else {
          std::rotate(begin + move.to + 1, begin + move.first, begin + move.last + 1);
          note(move.to + 1, move.last);
        }
        return;
      case Kind::reversal:
        std::reverse(begin + move.first, begin + move.last + 1);
        note(move.first, move.last);
        return;
    }
  }

  // A move that can be made. Half of them bring a thing beside one of those nearest to it.
  [[nodiscard]] Move draw(Random& random) const {
    for (;;) {
      const std::uint64_t dice = random.next();
      const std::int64_t from = random.below(count_);
      std::int64_t target = 0;
      if ((dice & 1U) != 0) {
        const std::int64_t known = std::min(kNearest, count_ - 1);
        const std::int64_t thing = order_[at(from)];
        target = place_[at((*nearest_)[at(thing * known + random.below(known))])];
      } else {
        target = random.below(count_);
      }
      if (target == from) {
        continue;
      }
      Move move;
      move.kind = static_cast<Kind>((dice >> 8U) % 3U);
      if (fit(move, from, target, dice)) {
        return move;
      }
    }
  }

  // Makes reversals and shifts that shorten the path until there are none; returns by how much.
  std::int64_t descend() {
    take_steps();
    std::int64_t total = 0;
    for (bool better = true; better;) {
      better = false;
      for (std::int64_t first = 0; first < count_; ++first) {
        better |= reverse_from(first, total);
        for (std::int64_t length = 1; length <= kLongestShift && first + length <= count_; ++length) {
          better |= shift(first, first + length - 1, total);
        }
      }
    }
    return total;
  }

 private:
  void take_steps() {
    steps_.resize(at(count_ + 1));
    for (std::int64_t k = 0; k <= count_; ++k) {
      steps_[at(k)] = step(k - 1, k);
    }
  }

  void make_shorter(const Move& move, std::int64_t by, std::int64_t& total) {
    make(move);
    take_steps();
    total += by;
  }

  // In what follows steps begin at the end that stays the same, so that weights are read along a row.
  bool reverse_from(std::int64_t first, std::int64_t& total) {
    bool better = false;
    for (std::int64_t last = first + 1; last < count_; ++last) {
      const std::int64_t by = step(first - 1, last) + step(first, last + 1) - steps_[at(first)] - steps_[at(last + 1)];
      if (by < 0) {
        make_shorter({Kind::reversal, first, last}, by, total);
        better = true;
      }
    }
    return better;
  }

  // At most once: the stretch is elsewhere then.
  bool shift(std::int64_t first, std::int64_t last, std::int64_t& total) {
    const std::int64_t removed = step(first - 1, last + 1) - steps_[at(first)] - steps_[at(last + 1)];
    for (std::int64_t to = -1; to < count_; ++to) {
      if (to >= first - 1 && to <= last) {
        continue;
      }
      const std::int64_t opened = removed - steps_[at(to + 1)];
      const std::int64_t straight = opened + step(first, to) + step(last, to + 1);
      const std::int64_t turned = opened + step(last, to) + step(first, to + 1);
      if (std::min(straight, turned) < 0) {
        const bool turn = turned < straight;
        make_shorter({Kind::shift, first, last, to, turn}, turn ? turned : straight, total);
        return true;
      }
    }
    return false;
  }

  // Fills in the rest of a move that brings the thing at `from` beside that at `target`.
  [[nodiscard]] bool fit(Move& move, std::int64_t from, std::int64_t target, std::uint64_t dice) const {
    const bool ahead = target > from;
    switch (move.kind) {
      case Kind::swap: {
        const std::int64_t beside = target + ((dice & 2U) != 0 ? 1 : -1);
        if (beside < 0 || beside >= count_ || beside == from) {
          return false;
        }
        move.first = std::min(from, beside);
        move.last = std::max(from, beside);
        return true;
      }
      case Kind::shift: {
        const auto length = static_cast<std::int64_t>((dice >> 16U) % static_cast<std::uint64_t>(kLongestShift)) + 1;
        move.first = ahead ? from - length + 1 : from;
        move.last = move.first + length - 1;
        move.to = (dice & 2U) != 0 ? target : target - 1;
        move.turned = (dice & 4U) != 0;
        return move.first >= 0 && move.last < count_ && (move.to < move.first - 1 || move.to > move.last);
      }
      case Kind::reversal:
        break;
    }
    // Of a path, unlike a loop, the stretch up to an end may be turned round too.
    if (ahead) {
      move.first = (dice & 2U) != 0 ? from + 1 : from;
      move.last = (dice & 2U) != 0 ? target : target - 1;
    } else {
      move.first = (dice & 2U) != 0 ? target : target + 1;
      move.last = (dice & 2U) != 0 ? from - 1 : from;
    }
    return move.first < move.last;
  }

  void note(std::int64_t first, std::int64_t last) {
    for (std::int64_t k = first; k <= last; ++k) {
      place_[at(order_[at(k)])] = static_cast<std::int32_t>(k);
    }
  }

  // From the thing at a place to that at another; beyond either end nothing costs.
  [[nodiscard]] std::int64_t step(std::int64_t from, std::int64_t to) const {
    if (std::min(from, to) < 0 || std::max(from, to) >= count_) {
      return 0;
    }
    return weights_->at(order_[at(from)], order_[at(to)]);
  }

  [[nodiscard]] std::int64_t swapped(std::int64_t i, std::int64_t j) const {
    if (j == i + 1) {
      return step(i - 1, j) + step(i, j + 1) - step(i - 1, i) - step(j, j + 1);
    }
    return step(i - 1, j) + step(j, i + 1) + step(j - 1, i) + step(i, j + 1) - step(i - 1, i) - step(i, i + 1) -
           step(j - 1, j) - step(j, j + 1);
  }

  [[nodiscard]] std::int64_t shifted(const Move& move) const {
    const std::int64_t head = move.turned ? move.last : move.first;
    const std::int64_t tail = move.turned ? move.first : move.last;
    return step(move.first - 1, move.last + 1) - step(move.first - 1, move.first) - step(move.last, move.last + 1) +
           step(move.to, head) + step(tail, move.to + 1) - step(move.to, move.to + 1);
  }

  const PathWeights* weights_;
  const Nearest* nearest_;
  std::vector<std::int32_t> order_;
  std::vector<std::int32_t> place_;
  std::vector<std::int64_t> steps_;  // to each place from the one before; followed in descend() alone
  std::int64_t count_;
};

}  // namespace cemvis::paths
