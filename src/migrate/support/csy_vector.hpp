/// \file csy_vector.hpp
/// thrust::device_vector and thrust::host_vector as migrated host code uses them. Iterators of a device_vector are
/// pointers, which csy_aten.hpp's algorithms take. Included by files that need it. Host code only.
#pragma once

#include "csy_aten.hpp"

namespace csy::thrust {

/// What device_vector::data() gives.
template <typename T>
class vector_pointer {
 public:
  explicit vector_pointer(T* p) : p_(p) {}
  T* get() const { return p_; }
  operator T*() const { return p_; }

 private:
  T* p_;
};
template <typename T>
T* raw_pointer_cast(vector_pointer<T> p) {
  return p.get();
}

/// One element in device memory: reading and writing it copy.
template <typename T>
class device_reference {
 public:
  explicit device_reference(T* p) : p_(p) {}
  device_reference(const device_reference&) = default;
  operator T() const { return csy::detail::fetch(p_, 1)[0]; }
  device_reference& operator=(const T& v) { return csy::detail::store(std::vector<T>{v}, p_), *this; }
  device_reference& operator=(const device_reference& other) { return *this = T(other); }
  T* operator&() const { return p_; }

 private:
  T* p_;
};

template <typename T>
class device_vector;

template <typename T>
class host_vector : public std::vector<T> {
 public:
  using std::vector<T>::vector;
  host_vector() = default;
  host_vector(const device_vector<T>& from) : std::vector<T>(from.values()) {}
};

template <typename T>
class device_vector {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  device_vector() = default;
  explicit device_vector(std::size_t count, const T& value = T()) { assign(std::vector<T>(count, value)); }
  device_vector(const std::vector<T>& from) { assign(from); }
  device_vector(const device_vector& other) { *this = other; }
  device_vector(device_vector&& other) noexcept { swap(other); }
  template <typename I, typename = typename std::iterator_traits<I>::value_type>
  device_vector(I first, I last) {
    if constexpr (std::is_pointer_v<I>)
      assign(csy::detail::fetch<T>(first, last - first));  // of device memory, or the host's
    else
      assign(std::vector<T>(first, last));
  }
  ~device_vector() { csy::free(data_); }
  device_vector& operator=(const std::vector<T>& from) { return assign(from), *this; }
  device_vector& operator=(const device_vector& other) {
    if (this != &other) assign(other.values());
    return *this;
  }
  device_vector& operator=(device_vector&& other) noexcept { return swap(other), *this; }

  vector_pointer<T> data() { return vector_pointer<T>(data_); }
  vector_pointer<const T> data() const { return vector_pointer<const T>(data_); }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  const T* cbegin() const { return data_; }
  const T* cend() const { return data_ + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  device_reference<T> operator[](std::size_t i) { return device_reference<T>(data_ + i); }
  T operator[](std::size_t i) const { return csy::detail::fetch<T>(data_ + i, 1)[0]; }
  device_reference<T> front() { return (*this)[0]; }
  device_reference<T> back() { return (*this)[size_ - 1]; }
  void reserve(std::size_t) {}
  void clear() { assign({}); }
  void resize(std::size_t count, const T& value = T()) {
    std::vector<T> all = values();
    all.resize(count, value);
    assign(all);
  }
  void push_back(const T& value) { resize(size_ + 1, value); }
  void swap(device_vector& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::vector<T> values() const { return size_ == 0 ? std::vector<T>() : csy::detail::fetch<T>(data_, int64_t(size_)); }

 private:
  void assign(const std::vector<T>& values) {
    if (values.size() != size_) {
      csy::free(data_);
      data_ = nullptr;
      size_ = 0;
      if (!values.empty()) csy::malloc(&data_, values.size() * sizeof(T));
      size_ = values.size();
    }
    if (size_ != 0) csy::detail::store(values, data_);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace csy::thrust
