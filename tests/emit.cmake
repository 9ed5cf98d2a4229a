# What generated C promises to those who compile and link it: tests/emit/*.sh on code made by the built compiler.
if(TARGET onnxcc)
  foreach(name warnings objects link threads sanitize strict)
    add_test(NAME emit/${name} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/emit/${name}.sh $<TARGET_FILE:onnxcc> ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(emit/${name} PROPERTIES LABELS "emit" SKIP_RETURN_CODE 77 TIMEOUT 600)
  endforeach()
endif()
