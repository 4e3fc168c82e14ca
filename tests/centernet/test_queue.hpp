/// \file test_queue.hpp
/// One queue for all tests of this folder.
#pragma once

#include "dcn/device.hpp"

namespace dcn::test {

/// On the best device there is. Never destroyed: it must not outlive the runtime's own statics.
inline const Queue& test_queue() {
  static const auto* const queue = new Queue(Queue::create());
  return *queue;
}

}  // namespace dcn::test
