# Two interface targets that only our own code links: fl_settings (language, sanitizers,
# hardening) and fl_warnings. Foreign headers are SYSTEM and see neither.

option(FL_WARNINGS_AS_ERRORS "Treat warnings as errors" OFF)
option(FL_HARDEN "Stack protector, fortified libc calls, full RELRO" OFF)
option(FL_LTO "Link-time optimisation" OFF)
set(FL_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(fl_settings INTERFACE)
target_compile_features(fl_settings INTERFACE cxx_std_20)
target_include_directories(fl_settings INTERFACE ${CMAKE_SOURCE_DIR})
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(FL_SANITIZE)
  target_compile_options(fl_settings INTERFACE
    -fsanitize=${FL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(fl_settings INTERFACE -fsanitize=${FL_SANITIZE})
endif()

if(FL_HARDEN)
  target_compile_options(fl_settings INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
  target_link_options(fl_settings INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES CXX)
endif()

if(FL_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT fl_lto_works OUTPUT fl_lto_output LANGUAGES CXX)
  if(fl_lto_works)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_link_options(fl_settings INTERFACE -flto=auto)
    endif()
  else()
    message(STATUS "no link-time optimisation: ${fl_lto_output}")
  endif()
endif()

# A hundred tests and programs: mold links them in a tenth of the time.
find_program(FL_MOLD mold)
if(FL_MOLD AND CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_link_options(fl_settings INTERFACE -fuse-ld=mold)
endif()

# --as-needed: a tool starts in 2 ms only if it loads no library that it does not call.
target_link_options(fl_settings INTERFACE -Wl,--as-needed)

add_library(fl_warnings INTERFACE)
target_compile_options(fl_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wformat=2
  -Wimplicit-fallthrough -Wunused)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(fl_warnings INTERFACE -Wduplicated-cond -Wlogical-op)
  if(FL_SANITIZE)
    # Instrumented code gives GCC false paths to uninitialised memory.
    target_compile_options(fl_warnings INTERFACE -Wno-maybe-uninitialized)
  endif()
  if(NOT CMAKE_DISABLE_PRECOMPILE_HEADERS)
    # GCC 12 takes moved strings for overflows (its bugs 105329 and 105651). It keeps quiet about
    # that where std::string's header is not precompiled, as in the preset release.
    target_compile_options(fl_warnings INTERFACE
      -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # A library that is loaded when it is needed has C names for its functions, whose types are ours.
  target_compile_options(fl_warnings INTERFACE -Wno-return-type-c-linkage)
endif()
if(FL_WARNINGS_AS_ERRORS)
  target_compile_options(fl_warnings INTERFACE -Werror)
endif()

# Half of a small file's time in the compiler goes into the standard library's headers: they are
# compiled once for all libraries. (scripts/check tidy and the preset release do without, so a file
# that includes too little fails there.)
add_library(fl_standard_headers OBJECT ${CMAKE_SOURCE_DIR}/common/base/headers.cpp)
target_link_libraries(fl_standard_headers PRIVATE fl_settings fl_warnings fmt::fmt)
target_precompile_headers(fl_standard_headers PRIVATE
  <algorithm> <array> <charconv> <chrono> <cstdint> <deque> <functional> <map> <memory> <mutex>
  <optional> <string> <string_view> <unordered_map> <utility> <vector> <fmt/format.h>)

# fl_library(<name> [SOURCES x.cpp...] [LINK libraries...])
# A layer of common/. LINK names only layers below it and foreign libraries.
function(fl_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC ${arg_LINK} PRIVATE fl_settings fl_warnings)
    target_precompile_headers(${name} REUSE_FROM fl_standard_headers)
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_LINK})
  endif()
endfunction()
