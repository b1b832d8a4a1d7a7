# Man pages and completions. Pages are scdoc; those of tools and components are generated from
# their declarations by the programs themselves.

set(FL_MAN_DIR ${CMAKE_BINARY_DIR}/man)
set(FL_COMPLETION_DIR ${CMAKE_BINARY_DIR}/completions)
add_custom_target(man ALL)
add_custom_target(completions ALL)

# Renders <scd> (a file in the build or source tree) to the page <page>, e.g. fl-stream.5.
function(fl_render_page page scd)
  string(REGEX MATCH "[0-9]$" section ${page})
  add_custom_command(
    OUTPUT ${FL_MAN_DIR}/man${section}/${page}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${FL_MAN_DIR}/man${section}
    COMMAND env SOURCE_DATE_EPOCH=0 ${SCDOC} < ${scd} > ${FL_MAN_DIR}/man${section}/${page}
    # No date: the same sources give the same page.
    COMMAND sed -i -e "s/\"1970-01-01\"/\"\"/" ${FL_MAN_DIR}/man${section}/${page}
    DEPENDS ${scd} ${ARGN}
    COMMENT "Rendering ${page}"
    VERBATIM)
  add_custom_target(man-${page} DEPENDS ${FL_MAN_DIR}/man${section}/${page})
  add_dependencies(man man-${page})
  if(NOT FL_IS_TEST_TOOL)
    install(FILES ${FL_MAN_DIR}/man${section}/${page}
            DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endif()
endfunction()

# The page <tool>-<component>(1), written by `program`, called with the further arguments.
function(fl_component_page tool component program)
  set(scd ${CMAKE_CURRENT_BINARY_DIR}/${tool}-${component}.1.scd)
  add_custom_command(OUTPUT ${scd}
    COMMAND ${program} ${ARGN} --generate man > ${scd} DEPENDS ${program} VERBATIM)
  fl_render_page(${tool}-${component}.1 ${scd})
endfunction()

# The page <tool>(1), from man/<tool>.1.scd.in and the tool's own tables.
function(fl_tool_page tool)
  set(scd ${CMAKE_CURRENT_BINARY_DIR}/${tool}.1.scd)
  set(template ${CMAKE_SOURCE_DIR}/man/${tool}.1.scd.in)
  if(FL_IS_TEST_TOOL)
    set(template ${CMAKE_CURRENT_SOURCE_DIR}/${tool}.1.scd.in)
  endif()
  get_property(programs GLOBAL PROPERTY FL_PROGRAMS)
  list(FILTER programs INCLUDE REGEX "^${tool}-")
  add_custom_command(OUTPUT ${scd}
    COMMAND ${tool} --generate man < ${template} > ${scd}
    DEPENDS ${tool} ${programs} ${template} VERBATIM)
  fl_render_page(${tool}.1 ${scd})
endfunction()

function(fl_completion tool)
  set(script ${FL_COMPLETION_DIR}/${tool})
  get_property(programs GLOBAL PROPERTY FL_PROGRAMS)
  list(FILTER programs INCLUDE REGEX "^${tool}-")
  add_custom_command(OUTPUT ${script}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${FL_COMPLETION_DIR}
    COMMAND ${tool} --generate completion > ${script}
    DEPENDS ${tool} ${programs} VERBATIM)
  add_custom_target(${tool}-completion DEPENDS ${script})
  add_dependencies(completions ${tool}-completion)
  if(NOT FL_IS_TEST_TOOL)
    install(FILES ${script} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  endif()
endfunction()
