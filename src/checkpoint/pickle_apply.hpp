/// \file pickle_apply.hpp
/// What the globals of the allow-list stand for; used by the pickle interpreter only.
#pragma once

#include "checkpoint/pickle.hpp"

namespace dcn::checkpoint {

/// The object that `callee(*arguments)` would give. \throws Error kBadFile if they do not fit together.
Ref apply(Heap& heap, Ref callee, Ref arguments);

/// The storage that a persistent id ("storage", class, key, device, elements[, view]) names.
Ref storage_of_id(Heap& heap, Ref id);

}  // namespace dcn::checkpoint
