/// What no rule has touched and still belongs to CUDA; barriers that not all threads reach.
#include <algorithm>
#include <set>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

bool upper_after(std::string_view word, std::size_t at) {
  return word.size() > at && word[at] >= 'A' && word[at] <= 'Z';
}

const std::set<std::string_view> kNames = {"__global__",
                                           "__device__",
                                           "__host__",
                                           "__shared__",
                                           "__constant__",
                                           "__launch_bounds__",
                                           "threadIdx",
                                           "blockIdx",
                                           "blockDim",
                                           "gridDim",
                                           "warpSize",
                                           "__forceinline__",
                                           "atomicAdd",
                                           "atomicCAS",
                                           "atomicMax",
                                           "atomicMin",
                                           "atomicExch",
                                           "__syncthreads",
                                           "__ldg",
                                           "gpuAtomicAdd",
                                           "getCurrentCUDAStream",
                                           "CUDAGuard",
                                           "CUDAStream",
                                           "CUDAEvent",
                                           "THCState",
                                           "lazyInitCUDA",
                                           "CUDAGeneratorImpl",
                                           "PhiloxCudaState",
                                           "CUDACachingAllocator",
                                           "getCurrentCUDABlasHandle",
                                           "getStreamFromExternal",
                                           "setCurrentCUDAStream",
                                           "CUDAMultiStreamGuard",
                                           "CUDA_tensor_apply1",
                                           "CUDA_tensor_apply2",
                                           "CUDA_tensor_apply3",
                                           "CUDA_tensor_apply4",
                                           "getCUDADeviceAllocator"};

/// The diagnostic for a word that only CUDA knows, or 0.
int number_for(std::string_view w) {
  if (kNames.count(w) > 0) return w.starts_with("THC") || w == "lazyInitCUDA" ? 1016 : 1001;
  if (w.starts_with("cublas") || w.starts_with("cusparse") || w.starts_with("cusolver") || w.starts_with("curand") ||
      w.starts_with("cufft") || w.starts_with("cudnn") || w.starts_with("CUBLAS_") || w.starts_with("CUSPARSE_"))
    return 1015;
  if (w.starts_with("THCuda") || w.starts_with("THCBlas") || w.starts_with("THCAssert") || w.starts_with("THCNumerics"))
    return 1016;
  if (w == "cudaTextureObject_t" || w.starts_with("tex1D") || w.starts_with("tex2D") || w.starts_with("tex3D") ||
      w.starts_with("cudaTexture") || w.starts_with("surf2D") || w == "cudaArray" || w.starts_with("cudaSurface") ||
      w == "cudaMemcpyToArray")
    return 1009;
  if (w.starts_with("cuFloatComplex") || w.starts_with("cuDoubleComplex") || w.starts_with("make_cuFloatComplex") ||
      w.starts_with("make_cuDoubleComplex") || w == "cuComplex")
    return 1001;
  if (w == "clock64" || w == "__nanosleep" || w == "globaltimer") return 1019;
  if (w == "wmma" || w == "nvcuda" || w == "cutlass" || w == "__hmma") return 1014;
  if (w.starts_with("cudaDevAttr")) return 1018;
  if (w.starts_with("cuda") && upper_after(w, 4)) return 1001;
  if (w.starts_with("__shfl") || w.starts_with("__ballot") || w.starts_with("__match_") || w.starts_with("__reduce_") ||
      w == "__activemask")
    return 1001;
  if (w == "cudaLaunchKernel") return 1017;
  return 0;
}

/// A call of a name that looks like one of CUDA's device functions: no rule knows it, so it cannot stay.
bool intrinsic(std::string_view w) {
  static const std::set<std::string_view> cuda = {"erfinv",     "erfinvf",     "erfcinv", "erfcinvf",
                                                  "normcdfinv", "normcdfinvf", "erfcx",   "erfcxf"};
  static const std::set<std::string_view> others = {"__attribute__", "__restrict__",  "__declspec", "__typeof__",
                                                    "__alignof__",   "__extension__", "__align__",  "__device__",
                                                    "__host__",      "__assume"};
  if (cuda.count(w) > 0) return true;
  return w.starts_with("__") && !w.starts_with("__builtin_") && others.count(w) == 0;
}

bool return_in(const Source& source, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i)
    if (source.is(i, "return")) return true;
  return false;
}

/// Words that differ between the threads of a block, followed through the assignments of a body.
std::set<std::string> varying_words(const Source& source, std::size_t first, std::size_t last) {
  std::set<std::string> varying = {"threadIdx"};
  for (int pass = 0; pass < 4; ++pass)
    for (std::size_t i = first; i < last; ++i) {
      if (!source.is(i, "=") || i == 0 || !source.is_word(i - 1)) continue;
      for (std::size_t k = i + 1; k < last && !source.is(k, ";"); ++k)
        if (varying.count(std::string(source.word(k))) > 0) {
          varying.insert(std::string(source.word(i - 1)));
          break;
        }
    }
  return varying;
}

/// Words that the file declares volatile.
std::set<std::string> volatile_words(const Source& source) {
  std::set<std::string> words;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is(i, "volatile")) continue;
    std::size_t last = i + 1;
    while (source.is_word(last) || source.is(last, "*") || source.is(last, "&") || source.is(last, "::")) ++last;
    if (source.is_word(last - 1)) words.insert(std::string(source.word(last - 1)));
  }
  return words;
}

/// An expression [first, last) that asks what another thread has written.
bool asks_others(const Source& source, std::size_t first, std::size_t last, const std::set<std::string>& shared) {
  for (std::size_t i = first; i < last; ++i) {
    const auto w = source.word(i);
    if (w.starts_with("atomic") || w.starts_with("ld_acquire") || w.starts_with("load_acquire") || w == "volatile" ||
        w == "__ldcg" || w == "__ldcv" || shared.count(std::string(w)) > 0)
      return true;
  }
  return false;
}

/// A statement of a waiting loop does nothing but ask again: a pause, a fence, a variable that gets what is asked for.
/// Not a loop that tries again with a new value, as atomicCAS's usual one does.
bool only_asks(const Source& source, std::size_t first, std::size_t last, const std::set<std::string>& shared) {
  if (first >= last) return true;
  const auto w = source.word(first);
  if (w == "__nanosleep" || w.starts_with("__threadfence") || w == "__syncwarp" || w == "asm") return true;
  if (w == "if" && source.is(first + 1, "(")) return source.is(source.close(first + 1).value_or(first) + 1, "break");
  if (!source.is(first + 1, "=")) return false;
  for (std::size_t i = first + 2; i < last; ++i) {
    if (!source.is(i, "atomicCAS")) continue;
    for (const auto& [from, to] : source.arguments(i + 1))
      if (from > i + 2 && source.tokens()[from].kind != TokenKind::kNumber) return false;
  }
  return asks_others(source, first + 2, last, shared);
}

/// All statements between `first` and `last` only ask.
bool body_only_asks(const Source& source, std::size_t first, std::size_t last, const std::set<std::string>& shared) {
  for (std::size_t i = first; i < last;) {
    std::size_t end = i;
    while (end < last && !source.is(end, ";")) {
      if (source.is(end, "{")) return false;
      if (source.is(end, "(")) end = source.close(end).value_or(end);
      ++end;
    }
    if (!only_asks(source, i, end, shared)) return false;
    i = end + 1;
  }
  return true;
}

/// Loops that do nothing until another thread has written something: that thread may never run.
void check_waiting(Unit& unit, std::size_t first, std::size_t last, const std::set<std::string>& shared) {
  const Source& source = unit.source;
  for (std::size_t i = first; i < last; ++i) {
    if (!source.is(i, "while") || !source.is(i + 1, "(")) continue;
    const auto paren = source.close(i + 1);
    if (!paren || *paren >= last) continue;
    std::size_t body = *paren + 1, end = body;  // of the loop, without braces
    const auto brace = i > 0 && source.is(i - 1, "}") ? source.open(i - 1) : std::nullopt;
    if (brace && *brace > 0 && source.is(*brace - 1, "do")) {
      body = *brace + 1;
      end = i - 1;
    } else if (source.is(body, "{")) {
      end = source.close(body).value_or(body);
      ++body;
    } else {
      while (end < last && !source.is(end, ";")) ++end;
    }
    if (!body_only_asks(source, body, end, shared)) continue;
    if (asks_others(source, i + 2, *paren, shared) || asks_others(source, body, end, shared)) unit.find(1011, i, "");
  }
}

}  // namespace

void rule_barrier_check(Unit& unit) {
  const Source& source = unit.source;
  const bool groups = source.text().find("cooperative_groups") != std::string::npos;
  const std::set<std::string> shared = volatile_words(source);
  for (const Span& body : unit.facts.device_code) {
    const std::size_t first = source.at(body.begin), last = source.at(body.end);
    check_waiting(unit, first, last, shared);
    std::size_t barrier = last;
    for (std::size_t i = last; i-- > first;)
      if (source.word(i).starts_with("__syncthreads") ||
          (groups && source.is(i, "sync") && unit.member(i) && source.is(i + 1, "("))) {
        barrier = i;
        break;
      }
    if (barrier == last) continue;
    std::set<std::string> varying;
    std::vector<std::size_t> returns;
    for (std::size_t i = first; i < barrier; ++i) {
      if (!source.is(i, "if") || !source.is(i + 1, "(") || source.tokens()[i].directive) continue;
      const auto paren = source.close(i + 1);
      if (!paren) continue;
      std::size_t end = *paren + 1;
      if (source.is(end, "{"))
        end = source.close(end).value_or(end);
      else
        while (end < barrier && !source.is(end, ";")) ++end;
      if (end > barrier || !return_in(source, *paren + 1, end)) continue;
      if (varying.empty()) varying = varying_words(source, first, last);
      for (std::size_t k = i + 2; k < *paren; ++k)
        if (varying.count(std::string(source.word(k))) > 0) {
          returns.push_back(i);
          break;
        }
    }
    if (returns.empty()) continue;
    // Between the braces of the body.
    const std::size_t open = source.is(first, "{") ? first + 1 : first;
    const std::size_t close = source.is(last, "}") ? last : last - 1;
    const bool kept = keep_threads_to_barriers(unit, open, close, varying);
    for (const std::size_t i : returns) unit.find(kept ? 1907 : 1007, i, "");
  }
}

void rule_leftovers(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  // One look at all edits that replace: sorted intervals.
  std::vector<Span> covered;
  for (const Edit& edit : unit.edits.all())
    if (edit.span.end > edit.span.begin) covered.push_back(edit.span);
  std::sort(covered.begin(), covered.end());
  std::size_t next = 0;
  unsigned reach = 0;
  for (std::size_t i = 0; i < source.size(); ++i) {
    while (next < covered.size() && covered[next].begin <= tokens[i].begin)
      reach = std::max(reach, covered[next++].end);
    if (tokens[i].begin < reach || !source.is_word(i)) continue;
    if (tokens[i].directive) {
      const auto& directives = source.directives();
      const auto at = std::find_if(directives.begin(), directives.end(),
                                   [&](const Directive& d) { return d.first_token <= i && i < d.last_token; });
      if (at == directives.end() || at->name != "define" || i <= at->first_token + 2) continue;
    }
    if (unit.own(i)) continue;
    const auto w = source.word(i);
    if ((w == "asm" || w == "__asm__") && (source.is(i + 1, "volatile") || source.is(i + 1, "(")) && unit.device(i)) {
      unit.find(1008, i, "");
      continue;
    }
    if (w == "cuda" && source.is(i + 1, "::") && i > 1 && source.is(i - 1, "::") &&
        (source.is(i - 2, "at") || source.is(i - 2, "c10"))) {
      // The headers that declare it are gone.
      std::size_t last = i;
      while (source.is(last + 1, "::") && source.is_word(last + 2)) last += 2;
      if (number_for(source.word(last)) == 0)
        unit.find(1001, i, std::string(source.slice(tokens[i - 2].begin, tokens[last].end)));
      continue;
    }
    if (w == "cooperative_groups") {
      unit.find(1012, i, "");
      continue;
    }
    const int number = number_for(w);
    if (number != 0) {
      unit.find(number, i, std::string(w));
    } else if (intrinsic(w) && source.is(i + 1, "(") && unit.project.own_macros.count(std::string(w)) == 0 &&
               unit.device(i)) {
      unit.find(1001, i, std::string(w));
    }
  }
}

}  // namespace dcn::migrate
