// An adapter of the SYCL runtime for NVIDIA GPUs that loads and then fails when it is asked for its platforms, as one
// does whose driver is broken. The runtime finds it through UR_ADAPTERS_SEARCH_PATH.
#include <unified-runtime/ur_api.h>
#include <unified-runtime/ur_ddi.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

ur_dditable_t table;
ur_dditable_t* adapter = &table;  // a handle points at a pointer to the functions

ur_result_t get(std::uint32_t, ur_adapter_handle_t* adapters, std::uint32_t* count) {
  if (adapters != nullptr) *adapters = reinterpret_cast<ur_adapter_handle_t>(&adapter);
  if (count != nullptr) *count = 1;
  return UR_RESULT_SUCCESS;
}

ur_result_t done(ur_adapter_handle_t) { return UR_RESULT_SUCCESS; }

ur_result_t last_error(ur_adapter_handle_t, const char** message, std::int32_t* code) {
  *message = "the driver is broken";
  *code = 7;
  return UR_RESULT_SUCCESS;
}

ur_result_t info(ur_adapter_handle_t, ur_adapter_info_t what, std::size_t room, void* value, std::size_t* size) {
  const std::uint32_t number = what == UR_ADAPTER_INFO_BACKEND ? UR_BACKEND_CUDA : 1;
  if (value != nullptr && room >= sizeof(number)) std::memcpy(value, &number, sizeof(number));
  if (size != nullptr) *size = sizeof(number);
  return UR_RESULT_SUCCESS;
}

ur_result_t set_logger(ur_adapter_handle_t, ur_logger_callback_t, void*, ur_logger_level_t) {
  return UR_RESULT_SUCCESS;
}

ur_result_t platforms(ur_adapter_handle_t, std::uint32_t, ur_platform_handle_t*, std::uint32_t*) {
  return UR_RESULT_ERROR_ADAPTER_SPECIFIC;
}

}  // namespace

ur_result_t urGetAdapterProcAddrTable(ur_api_version_t, ur_adapter_dditable_t* functions) {
  functions->pfnGet = get;
  functions->pfnRelease = done;
  functions->pfnRetain = done;
  functions->pfnGetLastError = last_error;
  functions->pfnGetInfo = info;
  functions->pfnSetLoggerCallback = set_logger;
  table.Adapter = *functions;
  table.Platform.pfnGet = platforms;
  return UR_RESULT_SUCCESS;
}

ur_result_t urGetPlatformProcAddrTable(ur_api_version_t, ur_platform_dditable_t* functions) {
  *functions = {};
  functions->pfnGet = platforms;
  return UR_RESULT_SUCCESS;
}
