#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "cemvis/parallel.hpp"
#include "cemvis/tiling.hpp"
#include "tiling_rows.hpp"
#include "tiling_runs.hpp"

namespace cemvis {
namespace {

// Half-open.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  [[nodiscard]] std::int64_t count() const { return end - begin; }
};

// Part `index` of `parts` nearly equal ones of [0, count).
Range part(std::int64_t count, std::int64_t parts, std::int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

// Where the sums go: window (i, j) to [i * row_stride + j * col_stride]. `squares` may be null.
struct Output {
  std::uint64_t* total = nullptr;
  std::uint64_t* squares = nullptr;
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t col_stride = 1;
};

// From the first to the last pixel of `count` windows.
std::int64_t reach(std::int64_t count, std::int64_t step, std::int64_t window) { return (count - 1) * step + window; }

// The pixels of that reach which some window covers.
std::int64_t covered(std::int64_t count, std::int64_t step, std::int64_t window) {
  return reach(count, std::min(step, window), window);
}

Extent swapped(Extent extent) { return {extent.cols, extent.rows}; }

// Whether pixels of a column lie side by side and those of a row do not. The loops want it the other way round.
template <class T>
bool is_transposed(const ImageView<T>& image) {
  return image.row_stride == 1 && image.col_stride != 1;
}

template <class T>
ImageView<T> transposed(const ImageView<T>& image) {
  return {image.data, image.cols, image.rows, image.col_stride, image.row_stride};
}

template <class T>
const SumLoops<T>& sum_loops(Simd level) {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return row_loops(level).sum8;
  } else {
    return row_loops(level).sum16;
  }
}

// The sum of each column of a strip and, if wanted, of the squares.
template <class T>
struct ColumnSums {
  std::vector<std::uint32_t> total;
  std::vector<typename SquareOf<T>::Type> squares;
};

// Adds up the columns of a strip of an image from row to row downwards.
template <class T>
class StripReader {
 public:
  StripReader(const ImageView<T>& image, std::int64_t cols, bool with_squares, Simd level)
      : image_(image), loops_(sum_loops<T>(level)), cols_(cols) {
    sums_.total.resize(static_cast<std::size_t>(cols));
    sums_.squares.resize(static_cast<std::size_t>(with_squares ? cols : 0));
    if (!image.contiguous_rows()) {
      copied_.resize(static_cast<std::size_t>(cols * kRowsCopied));
    }
  }

  void go_to(std::int64_t row, std::int64_t first_col) {
    row_ = row;
    first_col_ = first_col;
  }

  void clear() {
    std::ranges::fill(sums_.total, 0U);
    std::ranges::fill(sums_.squares, 0U);
  }

  void add_rows_up_to(std::int64_t end) {
    if (image_.contiguous_rows()) {
      add(image_.row(row_) + first_col_, image_.row_stride, end - row_);
    } else {
      for (std::int64_t row = row_; row < end; row += kRowsCopied) {
        const std::int64_t rows = std::min(kRowsCopied, end - row);
        copy(row, rows);
        add(copied_.data(), cols_, rows);
      }
    }
    row_ = end;
  }

  [[nodiscard]] const ColumnSums<T>& sums() const { return sums_; }

 private:
  static constexpr std::int64_t kRowsCopied = 16;

  void add(const T* first, std::ptrdiff_t row_stride, std::int64_t rows) {
    loops_.add_rows(first, row_stride, rows, cols_, sums_.total.data(),
                    sums_.squares.empty() ? nullptr : sums_.squares.data());
  }

  void copy(std::int64_t row, std::int64_t rows) {
    T* to = copied_.data();
    for (std::int64_t r = row; r < row + rows; ++r) {
      for (std::int64_t c = first_col_; c < first_col_ + cols_; ++c) {
        *to++ = image_.at(r, c);
      }
    }
  }

  ImageView<T> image_;
  SumLoops<T> loops_;
  std::int64_t cols_;
  std::int64_t row_ = 0;
  std::int64_t first_col_ = 0;
  ColumnSums<T> sums_;
  std::vector<T> copied_;
};

// A block of a grid's windows, whose sums are differences of two running sums of the columns: of the rows above a
// window's bottom and of those above its top. The running sums may wrap around, their differences do not.
template <class T>
class Block {
 public:
  Block(const ImageView<T>& image, const WindowGrid& grid, Range rows, Range cols, const Output& out, Simd level)
      : grid_(grid),
        rows_(rows),
        cols_(cols),
        out_(out),
        below_(image, reach(cols.count(), grid.step.cols, grid.window.cols), out.squares != nullptr, level),
        prefix_(below_.sums().total.size() + 1) {
    below_.go_to(top(rows.begin), cols.begin * grid.step.cols);
  }

  void sum() {
    const std::int64_t open_at_once = (grid_.window.rows - 1) / grid_.step.rows + 1;
    if (open_at_once <= kMostKept) {
      sum_reading_once(open_at_once);
    } else {
      sum_reading_twice();
    }
  }

 private:
  static constexpr std::int64_t kMostKept = 16;

  [[nodiscard]] std::int64_t top(std::int64_t i) const { return i * grid_.step.rows; }
  [[nodiscard]] std::int64_t bottom(std::int64_t i) const { return top(i) + grid_.window.rows; }

  // Keeps the running sums at the top of each window until its bottom is reached.
  void sum_reading_once(std::int64_t open_at_once) {
    std::vector<ColumnSums<T>> at_top(static_cast<std::size_t>(open_at_once));
    const auto kept = [&](std::int64_t i) -> ColumnSums<T>& {
      return at_top[static_cast<std::size_t>(i % open_at_once)];
    };
    std::int64_t next = rows_.begin;
    for (std::int64_t i = rows_.begin; i < rows_.end; ++i) {
      if (next == i) {
        below_.go_to(top(i), cols_.begin * grid_.step.cols);  // past the rows that no window covers
      }
      for (; next < rows_.end && top(next) < bottom(i); ++next) {
        below_.add_rows_up_to(top(next));
        kept(next) = below_.sums();
      }
      below_.add_rows_up_to(bottom(i));
      write(i, kept(i));
    }
  }

  // With many windows open at once, keeping all those sums would cost more than a second running sum that follows.
  void sum_reading_twice() {
    StripReader<T> above = below_;
    for (std::int64_t i = rows_.begin; i < rows_.end; ++i) {
      below_.add_rows_up_to(bottom(i));
      above.add_rows_up_to(top(i));
      write(i, above.sums());
    }
  }

  void write(std::int64_t i, const ColumnSums<T>& above) {
    const std::ptrdiff_t first = i * out_.row_stride + cols_.begin * out_.col_stride;
    write_sums(below_.sums().total, above.total, out_.total + first);
    if (out_.squares != nullptr) {
      write_sums(below_.sums().squares, above.squares, out_.squares + first);
    }
  }

  template <class Sum>
  void write_sums(const std::vector<Sum>& below, const std::vector<Sum>& above, std::uint64_t* out) {
    std::uint64_t sum = 0;
    for (std::size_t c = 0; c < below.size(); ++c) {
      sum += static_cast<Sum>(below[c] - above[c]);
      prefix_[c + 1] = sum;
    }
    for (std::int64_t j = 0; j < cols_.count(); ++j) {
      const auto left = static_cast<std::size_t>(j * grid_.step.cols);
      const auto right = left + static_cast<std::size_t>(grid_.window.cols);
      out[j * out_.col_stride] = prefix_[right] - prefix_[left];
    }
  }

  WindowGrid grid_;
  Range rows_;
  Range cols_;
  Output out_;
  StripReader<T> below_;
  std::vector<std::uint64_t> prefix_;  // of the columns' sums
};

// Sums of one window after the other, wherever they lie.
template <class T>
class SingleWindows {
 public:
  SingleWindows(const ImageView<T>& image, Extent window, bool with_squares, Simd level)
      : window_(window), reader_(image, window.cols, with_squares, level) {}

  void sum(std::int64_t top, std::int64_t left, std::uint64_t* total, std::uint64_t* squares) {
    reader_.clear();
    reader_.go_to(top, left);
    reader_.add_rows_up_to(top + window_.rows);
    *total = sum_of(reader_.sums().total);
    if (squares != nullptr) {
      *squares = sum_of(reader_.sums().squares);
    }
  }

 private:
  template <class Sum>
  static std::uint64_t sum_of(const std::vector<Sum>& sums) {
    std::uint64_t sum = 0;
    for (const Sum value : sums) {
      sum += value;
    }
    return sum;
  }

  Extent window_;
  StripReader<T> reader_;
};

// A grid cut into bands of rows and strips of columns.
struct Cut {
  std::int64_t bands = 1;
  std::int64_t strips = 1;
};

// The cut that leaves the busiest thread the least to read, for neighbours read their overlap twice. No strip is so
// wide that its sums would not fit the cache of one core.
Cut best_cut(Extent shape, const WindowGrid& grid, int threads) {
  constexpr std::int64_t widest_strip = 16384;
  const std::int64_t fewest_strips =
      std::min(shape.cols, (reach(shape.cols, grid.step.cols, grid.window.cols) - 1) / widest_strip + 1);
  const std::int64_t most = std::min(threads, 64);
  Cut best{1, fewest_strips};
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t strips = fewest_strips; strips < std::min(shape.cols + 1, fewest_strips + most); ++strips) {
    for (std::int64_t bands = 1; bands <= std::min(shape.rows, most); ++bands) {
      const std::int64_t rounds = (bands * strips - 1) / threads + 1;
      const std::int64_t rows = covered((shape.rows - 1) / bands + 1, grid.step.rows, grid.window.rows);
      const std::int64_t cols = reach((shape.cols - 1) / strips + 1, grid.step.cols, grid.window.cols);
      if (rounds * rows * cols < least) {
        least = rounds * rows * cols;
        best = {bands, strips};
      }
    }
  }
  return best;
}

// Whether the windows lie so far apart that each alone is read sooner than whole rows, gaps and all. The break-even
// was measured, for windows of 4 to 512 pixels.
bool is_sparse(Extent shape, const WindowGrid& grid) {
  return reach(shape.cols, grid.step.cols, grid.window.cols) > 3 * shape.cols * grid.window.cols;
}

template <class T>
void sum_grid(const ImageView<T>& image, Extent shape, const WindowGrid& grid, const Output& out, int threads,
              Simd level) {
  if (is_sparse(shape, grid)) {
    for_runs_of_windows(shape.rows * shape.cols, grid.window, threads, [&](std::int64_t begin, std::int64_t end) {
      SingleWindows<T> windows(image, grid.window, out.squares != nullptr, level);
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t i = k / shape.cols;
        const std::int64_t j = k % shape.cols;
        const std::ptrdiff_t to = i * out.row_stride + j * out.col_stride;
        windows.sum(i * grid.step.rows, j * grid.step.cols, out.total + to,
                    out.squares == nullptr ? nullptr : out.squares + to);
      }
    });
    return;
  }
  const int useful = useful_threads(threads, image.rows * image.cols);
  const Cut cut = best_cut(shape, grid, useful);
  parallel_for(cut.bands * cut.strips, useful, [&](std::int64_t k) {
    const Range rows = part(shape.rows, cut.bands, k / cut.strips);
    const Range cols = part(shape.cols, cut.strips, k % cut.strips);
    Block<T>(image, grid, rows, cols, out, level).sum();
  });
}

void check_outputs(std::size_t windows, std::span<std::uint64_t> total, std::span<std::uint64_t> total_squares) {
  if (total.size() != windows || (!total_squares.empty() && total_squares.size() != windows)) {
    throw std::invalid_argument("the outputs must hold one sum a window");
  }
}

void check_window(Extent image, Extent window) {
  check_window_size(window);
  if (window.rows > image.rows || window.cols > image.cols) {
    throw std::invalid_argument("the window is larger than the image");
  }
}

}  // namespace

Extent grid_shape(Extent image, const WindowGrid& grid) {
  check_window(image, grid.window);
  if (grid.step.rows < 1 || grid.step.cols < 1) {
    throw std::invalid_argument("the step must be at least 1 pixel");
  }
  return {(image.rows - grid.window.rows) / grid.step.rows + 1, (image.cols - grid.window.cols) / grid.step.cols + 1};
}

template <class T>
void window_sums_grid(const ImageView<T>& image, const WindowGrid& grid, std::span<std::uint64_t> total,
                      std::span<std::uint64_t> total_squares, int threads, Simd level) {
  check_threads(threads);
  const Extent shape = grid_shape({image.rows, image.cols}, grid);
  check_outputs(static_cast<std::size_t>(shape.rows * shape.cols), total, total_squares);
  const Output out{total.data(), total_squares.empty() ? nullptr : total_squares.data(), shape.cols, 1};
  if (is_transposed(image)) {
    const Output out_transposed{out.total, out.squares, out.col_stride, out.row_stride};
    sum_grid(transposed(image), swapped(shape), {swapped(grid.window), swapped(grid.step)}, out_transposed, threads,
             level);
  } else {
    sum_grid(image, shape, grid, out, threads, level);
  }
}

template <class T>
void window_sums_at(const ImageView<T>& image, std::span<const std::int64_t> top_left, Extent window,
                    std::span<std::uint64_t> total, std::span<std::uint64_t> total_squares, int threads, Simd level) {
  check_threads(threads);
  check_window({image.rows, image.cols}, window);
  if (top_left.size() % 2 != 0) {
    throw std::invalid_argument("top_left must hold (row, col) pairs");
  }
  check_outputs(top_left.size() / 2, total, total_squares);
  for (std::size_t k = 0; k < top_left.size(); k += 2) {
    if (top_left[k] < 0 || top_left[k] > image.rows - window.rows || top_left[k + 1] < 0 ||
        top_left[k + 1] > image.cols - window.cols) {
      throw std::invalid_argument("window " + std::to_string(k / 2) + " does not lie in the image");
    }
  }
  const bool turned = is_transposed(image);
  const ImageView<T> view = turned ? transposed(image) : image;
  const Extent size = turned ? swapped(window) : window;
  const auto count = static_cast<std::int64_t>(total.size());
  for_runs_of_windows(count, size, threads, [&](std::int64_t begin, std::int64_t end) {
    SingleWindows<T> windows(view, size, !total_squares.empty(), level);
    const auto last = static_cast<std::size_t>(end);
    for (auto k = static_cast<std::size_t>(begin); k < last; ++k) {
      const std::int64_t row = top_left[2 * k];
      const std::int64_t col = top_left[2 * k + 1];
      windows.sum(turned ? col : row, turned ? row : col, &total[k],
                  total_squares.empty() ? nullptr : &total_squares[k]);
    }
  });
}

template void window_sums_grid(const ImageView<std::uint8_t>&, const WindowGrid&, std::span<std::uint64_t>,
                               std::span<std::uint64_t>, int, Simd);
template void window_sums_grid(const ImageView<std::uint16_t>&, const WindowGrid&, std::span<std::uint64_t>,
                               std::span<std::uint64_t>, int, Simd);
template void window_sums_at(const ImageView<std::uint8_t>&, std::span<const std::int64_t>, Extent,
                             std::span<std::uint64_t>, std::span<std::uint64_t>, int, Simd);
template void window_sums_at(const ImageView<std::uint16_t>&, std::span<const std::int64_t>, Extent,
                             std::span<std::uint64_t>, std::span<std::uint64_t>, int, Simd);

}  // namespace cemvis
