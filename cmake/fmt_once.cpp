// All of {fmt} that is not a template of its callers, for every translation unit that uses it: compiled once, instead
// of in each (7 seconds and more). With -fkeep-inline-functions the header-only form gives what the library's own
// source would.
#define FMT_HEADER_ONLY 1
#include <fmt/format.h>
