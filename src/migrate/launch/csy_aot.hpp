/// \file csy_aot.hpp
/// Launches and global variables where `icpx -fsycl` compiles kernels ahead of time. Takes the place of the run-time
/// compiler's side of csy_host.hpp; included there. Written against the headers of the SYCL runtime, and never
/// compiled: no such compiler was at hand.
#pragma once

namespace csy {
namespace detail {
template <auto F, typename List>
void start(const config& c, const List& packed) {
  if (c.grid.x == 0 || c.grid.y == 0 || c.grid.z == 0) return;
  const block_shape block{c.block.x, c.block.y, c.block.z};
  sycl::queue& queue = queue_of(c.queue);
#if defined(CSY_FLAT)
#define CSY_KERNEL_ATTRIBUTES [[sycl::reqd_sub_group_size(32)]]
  const sycl::range<3> local(1, 1, std::size_t(block.x) * block.y * block.z);
#else
#define CSY_KERNEL_ATTRIBUTES
  const sycl::range<3> local(block.z, block.y, block.x);
#endif
  queue.submit([&](sycl::handler& handler) {
    const sycl::local_accessor<char, 1> dynamic(c.dynamic.count + 16, handler);
    handler.parallel_for(sycl::nd_range<3>(sycl::range<3>(c.grid.z, c.grid.y, c.grid.x) * local, local),
                         [=](sycl::nd_item<3>) CSY_KERNEL_ATTRIBUTES {
                           enter(block, dynamic);
                           packed.template apply<F>();
                         });
  });
  settle(queue);
}
}  // namespace detail

/// A kernel chosen at run time: one type per signature.
template <typename... P>
struct kernel {
  void (*start)(const config&, const detail::arguments<P...>&) = nullptr;
};
template <auto F, typename Unit = this_unit, typename Overload = void>
auto kernel_ref() {
  return []<typename... P>(detail::signature<P...>) {
    return kernel<P...>{&detail::start<F, detail::arguments<P...>>};
  }(decltype(detail::signature_of(F))());
}
template <typename... P, typename... A>
void launch(kernel<P...> which, const config& c, A&&... a) {
  which.start(c, detail::pack(detail::signature<P...>(), std::forward<A>(a)...));
}

/// (void*)k<T>, and cudaLaunchKernel with it.
namespace detail {
using launcher = void (*)(const config&, void**);
template <auto F, typename... P>
launcher launcher_of(signature<P...>) {
  return [](const config& c, void** addresses) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      start<F>(c, pack(signature<P...>(), *static_cast<P*>(addresses[I])...));
    }(std::index_sequence_for<P...>());
  };
}
template <auto F>
inline const launcher launcher_for = launcher_of<F>(decltype(signature_of(F))());
}  // namespace detail
template <auto F, typename Unit = this_unit, typename Overload = void>
void* kernel_pointer() {
  return const_cast<detail::launcher*>(&detail::launcher_for<F>);
}
inline error launch_pointer(const void* kernel, dim3 grid, dim3 block, void** arguments, config::bytes dynamic = 0,
                            stream queue = nullptr) {
  if (kernel == nullptr) detail::fail("this pointer is no kernel");
  return (*static_cast<const detail::launcher*>(kernel))({grid, block, dynamic, queue}, arguments), success;
}
template <typename... P>
error launch_pointer(kernel<P...> which, dim3 grid, dim3 block, void** arguments, config::bytes dynamic = 0,
                     stream queue = nullptr) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    launch(which, config{grid, block, dynamic, queue}, *static_cast<P*>(arguments[I])...);
  }(std::index_sequence_for<P...>());
  return success;
}

// ---- Global variables of the device: SYCL's own. Kernels use name.get(). ----
#define CSY_GLOBAL(name, type, ...) \
  csy::syclexp::device_global<std::type_identity_t<type>> name __VA_OPT__({__VA_ARGS__})

template <typename T, typename Properties>
error memcpy_to_symbol(syclexp::device_global<T, Properties>& to, const void* from, std::size_t n,
                       std::size_t offset = 0) {
  return current_stream()->memcpy(to, from, n, offset).wait_and_throw(), success;
}
template <typename T, typename Properties>
error memcpy_from_symbol(void* to, const syclexp::device_global<T, Properties>& from, std::size_t n,
                         std::size_t offset = 0) {
  return current_stream()->memcpy(to, from, n, offset).wait_and_throw(), success;
}
template <typename T, typename Properties, typename P>
error symbol_address(P** p, syclexp::device_global<T, Properties>& of) {
  void** slot = sycl::malloc_host<void*>(1, *current_stream());
  current_stream()->single_task([=, &of] { *slot = &of.get(); }).wait_and_throw();
  *p = static_cast<P*>(*slot);
  sycl::free(slot, *current_stream());
  return success;
}
}  // namespace csy
