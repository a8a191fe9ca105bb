// Rows of numbers, each padded with zeros to whole 32-byte vectors and aligned to cache lines at the start.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace pyalgo::completion {

template <class T>
constexpr std::size_t padded(std::size_t n) noexcept {
  constexpr std::size_t lanes = 32 / sizeof(T);
  return (n + lanes - 1) / lanes * lanes;
}

// Zeros, on a cache line.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t n)
      : data_(static_cast<T*>(::operator new(std::max<std::size_t>(n, 1) * sizeof(T), alignment))) {
    std::fill_n(data_.get(), n, T(0));
  }
  T* data() const noexcept { return data_.get(); }
  T& operator[](std::size_t i) const noexcept { return data_.get()[i]; }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(T* data) const noexcept { ::operator delete(data, alignment); }
  };
  std::unique_ptr<T, Free> data_;
};

template <class T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t width)
      : rows_(rows), room_(rows), width_(width), stride_(padded<T>(width)), data_(rows * stride_) {}

  std::size_t rows() const noexcept { return rows_; }
  std::size_t width() const noexcept { return width_; }
  std::size_t stride() const noexcept { return stride_; }
  T* operator[](std::size_t row) noexcept { return data_.data() + row * stride_; }
  const T* operator[](std::size_t row) const noexcept { return data_.data() + row * stride_; }
  std::size_t nbytes() const noexcept { return room_ * stride_ * sizeof(T); }

  // Room for `rows` rows; grows by an eighth at least, so that rows may come one by one.
  void reserve(std::size_t rows) {
    if (rows <= room_) return;
    const std::size_t room = std::max(rows, room_ + room_ / 8 + 4);
    Buffer<T> data(room * stride_);
    if (rows_ > 0) std::memcpy(data.data(), data_.data(), rows_ * stride_ * sizeof(T));
    data_ = std::move(data);
    room_ = room;
  }
  void grow(std::size_t rows) {
    reserve(rows);
    rows_ = rows;
  }
  void clear() noexcept { std::fill_n(data_.data(), rows_ * stride_, T(0)); }

 private:
  std::size_t rows_ = 0, room_ = 0, width_ = 0, stride_ = 0;
  Buffer<T> data_;
};

// The first `width` columns.
template <class T>
Matrix<T> copy(const Matrix<T>& from, std::size_t width) {
  Matrix<T> to(from.rows(), width);
  for (std::size_t i = 0; i < from.rows(); ++i) std::copy_n(from[i], width, to[i]);
  return to;
}

}  // namespace pyalgo::completion
