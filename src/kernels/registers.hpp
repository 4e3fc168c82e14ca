/// \file registers.hpp
/// How many registers a work-item may use, so that several work-groups share a unit.
///
/// Macro: DCN_PTX  the device takes PTX, where the runtime reads the mark (runtime/cuda_code.hpp). Elsewhere it says
///                 nothing: other devices have fixed register files.
#pragma once

#if defined(DCN_PTX)
#define DCN_TEXT_OF(number) #number
#define DCN_REGISTER_MARK(number) "// dcn-registers " DCN_TEXT_OF(number)
#define DCN_LIMIT_REGISTERS(number) asm volatile(DCN_REGISTER_MARK(number))
#else
#define DCN_LIMIT_REGISTERS(number)
#endif
