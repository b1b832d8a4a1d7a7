# Tools and their components.
#
#   fl_tool(fl-sink)                            the folder's tool; main.cpp beside it
#   fl_component(sink null)                     null.cpp (or null/null.cpp), built into the tool
#   fl_component(sink hdfs PROGRAM              a program of its own, fl-sink-hdfs
#                SOURCES hdfs/bucket.cpp REQUIRES fl_hadoop)
#   fl_component(sink kafka PROGRAM NEEDS KAFKA ...)
#                                               only with this optional library (Dependencies.cmake);
#                                               without it the tool says what it was built without
#   fl_command(channel ls)                      a subcommand, fl-channel ls: ls.cpp (or ls/ls.cpp);
#                                               a - in its name is a _ in files and functions
#
# <name>.cpp defines `ComponentType <name>_<kind>()` or `CommandType <name>_command()` in namespace
# fl. registry.cpp, the man page and the completion of each program are generated; nothing else lists
# components and commands. A tool of a test sets FL_IS_TEST_TOOL in its folder: it is not installed,
# and programs, pages and completions go below that folder of the build.
# Libraries for unit tests: <tool>_components (what is built in) and <tool>-<name>_components.

function(fl_tool name)
  set_property(DIRECTORY PROPERTY FL_TOOL ${name})
  set_property(DIRECTORY PROPERTY FL_BUILT_IN "")
  set_property(DIRECTORY PROPERTY FL_COMMANDS "")
  set_property(DIRECTORY PROPERTY FL_ABSENT "")
  if(NOT FL_IS_TEST_TOOL)
    set_property(GLOBAL APPEND PROPERTY FL_TOOLS ${name})
  endif()
  cmake_language(EVAL CODE "cmake_language(DEFER CALL fl_finish_tool ${name})")
endfunction()

function(fl_component kind name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "PROGRAM" "NEEDS" "SOURCES;REQUIRES")
  if(arg_NEEDS AND NOT FL_HAS_${arg_NEEDS})
    set_property(DIRECTORY APPEND PROPERTY FL_ABSENT ${name}=${FL_NAME_${arg_NEEDS}})
    return()
  endif()
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

# fl_command(<kind of the tool> <name> [SOURCES extra.cpp...] [REQUIRES libraries...])
function(fl_command kind name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;REQUIRES")
  get_property(tool DIRECTORY PROPERTY FL_TOOL)
  string(REPLACE - _ file ${name})
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file}/${file}.cpp)
    set(sources ${file}/${file}.cpp ${arg_SOURCES})
  else()
    set(sources ${file}.cpp ${arg_SOURCES})
  endif()
  set_property(DIRECTORY APPEND PROPERTY FL_COMMANDS ${name})
  set_property(DIRECTORY PROPERTY FL_KIND ${kind})
  set_property(DIRECTORY APPEND PROPERTY FL_SOURCES ${sources})
  set_property(DIRECTORY APPEND PROPERTY FL_REQUIRES ${arg_REQUIRES})
  fl_component_page(${tool} ${name} ${tool} ${name})
endfunction()

# Called at the end of the folder that called fl_tool().
function(fl_finish_tool name)
  foreach(part BUILT_IN COMMANDS ABSENT KIND SOURCES REQUIRES)
    get_property(${part} DIRECTORY PROPERTY FL_${part})
  endforeach()
  fl_add_program(${name} KIND "${KIND}" NAMES ${BUILT_IN} COMMANDS ${COMMANDS}
                 ABSENT ${ABSENT} SOURCES ${SOURCES} REQUIRES ${REQUIRES})
  target_compile_definitions(${name} PRIVATE FL_COMPONENT="")
  if(NOT FL_IS_TEST_TOOL)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
  fl_tool_page(${name})
  fl_completion(${name})
endfunction()

# fl_add_program(<program> KIND <kind> NAMES <component...> COMMANDS <command...>
#                ABSENT <component=library...> SOURCES ... REQUIRES ...)
function(fl_add_program program)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "KIND" "NAMES;COMMANDS;ABSENT;SOURCES;REQUIRES")
  fl_library(${program}_components SOURCES ${arg_SOURCES} LINK ${arg_REQUIRES} fl_tool)

  set(declarations "")
  set(calls "")
  foreach(component IN LISTS arg_NAMES)
    string(APPEND declarations "ComponentType ${component}_${arg_KIND}();\n")
    string(APPEND calls "      ${component}_${arg_KIND}(),\n")
  endforeach()
  set(command_calls "")
  foreach(command IN LISTS arg_COMMANDS)
    string(REPLACE - _ function ${command}_command)
    string(APPEND declarations "CommandType ${function}();\n")
    string(APPEND command_calls "      ${function}(),\n")
  endforeach()
  set(absent "")
  foreach(component IN LISTS arg_ABSENT)
    string(REGEX REPLACE "(.*)=(.*)" "      {\"\\1\", \"\\2\"},\n" entry ${component})
    string(APPEND absent ${entry})
  endforeach()
  set(registry ${CMAKE_CURRENT_BINARY_DIR}/${program}_registry.cpp)
  configure_file(${CMAKE_SOURCE_DIR}/scripts/cmake/registry.cpp.in ${registry} @ONLY)
  set_property(GLOBAL PROPERTY FL_REGISTRY_${program} ${registry})

  add_executable(${program} main.cpp ${registry})
  target_link_libraries(${program} PRIVATE ${program}_components fl_tool fl_settings fl_warnings)
  # All programs are in one folder, as they are when installed: they find each other there.
  if(FL_IS_TEST_TOOL)
    set(bin ${CMAKE_CURRENT_BINARY_DIR}/bin)
  else()
    set(bin ${CMAKE_BINARY_DIR}/bin)
  endif()
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${bin})
endfunction()
