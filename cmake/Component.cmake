# Tools and their components.
#
#   fl_tool(fl-sink)                            the folder's tool; main.cpp beside it
#   fl_component(sink null)                     null.cpp (or null/null.cpp), built into the tool
#   fl_component(sink hdfs PROGRAM              a program of its own, fl-sink-hdfs
#                SOURCES hdfs/bucket.cpp REQUIRES fl_hadoop)
#
# <name>.cpp defines `ComponentType <name>_<kind>()` in namespace fl. registry.cpp, the man page
# and the completion of each program are generated; nothing else lists components.
# Libraries for unit tests: <tool>_components (what is built in) and <tool>-<name>_components.

function(fl_tool name)
  set_property(DIRECTORY PROPERTY FL_TOOL ${name})
  set_property(DIRECTORY PROPERTY FL_BUILT_IN "")
  set_property(GLOBAL APPEND PROPERTY FL_TOOLS ${name})
  cmake_language(EVAL CODE "cmake_language(DEFER CALL fl_finish_tool ${name})")
endfunction()

function(fl_component kind name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "PROGRAM" "" "SOURCES;REQUIRES")
  get_property(tool DIRECTORY PROPERTY FL_TOOL)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/${name}.cpp)
    set(sources ${name}/${name}.cpp ${arg_SOURCES})
  else()
    set(sources ${name}.cpp ${arg_SOURCES})
  endif()
  if(arg_PROGRAM)
    fl_add_program(${tool}-${name} KIND ${kind} NAMES ${name}
                   SOURCES ${sources} REQUIRES ${arg_REQUIRES})
    install(TARGETS ${tool}-${name} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/fl)
    target_compile_definitions(${tool}-${name} PRIVATE FL_COMPONENT="${name}")
    fl_component_page(${tool} ${name} ${tool}-${name})
    set_property(GLOBAL APPEND PROPERTY FL_PROGRAMS ${tool}-${name})
  else()
    set_property(DIRECTORY APPEND PROPERTY FL_BUILT_IN ${name})
    set_property(DIRECTORY PROPERTY FL_KIND ${kind})
    set_property(DIRECTORY APPEND PROPERTY FL_SOURCES ${sources})
    set_property(DIRECTORY APPEND PROPERTY FL_REQUIRES ${arg_REQUIRES})
    fl_component_page(${tool} ${name} ${tool} ${name})
  endif()
endfunction()

# Called at the end of the folder that called fl_tool().
function(fl_finish_tool name)
  foreach(part BUILT_IN KIND SOURCES REQUIRES)
    get_property(${part} DIRECTORY PROPERTY FL_${part})
  endforeach()
  fl_add_program(${name} KIND "${KIND}" NAMES ${BUILT_IN} SOURCES ${SOURCES} REQUIRES ${REQUIRES})
  target_compile_definitions(${name} PRIVATE FL_COMPONENT="")
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  fl_tool_page(${name})
  fl_completion(${name})
endfunction()

# fl_add_program(<program> KIND <kind> NAMES <component...> SOURCES ... REQUIRES ...)
function(fl_add_program program)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "KIND" "NAMES;SOURCES;REQUIRES")
  fl_library(${program}_components SOURCES ${arg_SOURCES} LINK ${arg_REQUIRES} fl_stage)

  set(declarations "")
  set(calls "")
  foreach(component IN LISTS arg_NAMES)
    string(APPEND declarations "ComponentType ${component}_${arg_KIND}();\n")
    string(APPEND calls "      ${component}_${arg_KIND}(),\n")
  endforeach()
  set(registry ${CMAKE_CURRENT_BINARY_DIR}/${program}_registry.cpp)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/registry.cpp.in ${registry} @ONLY)
  set_property(GLOBAL PROPERTY FL_REGISTRY_${program} ${registry})

  add_executable(${program} main.cpp ${registry})
  target_link_libraries(${program} PRIVATE ${program}_components fl_stage fl_settings fl_warnings)
  # All programs stand in one folder, as they do when installed: they find each other there.
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()
