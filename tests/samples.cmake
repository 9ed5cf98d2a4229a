# What a newcomer tries first: the samples build and answer right, and the pages say what is so.
if(TARGET onnxcc)
  add_test(NAME samples/digits COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/samples/digits.sh $<TARGET_FILE:onnxcc> ${CMAKE_COMMAND})
  set_tests_properties(samples/digits PROPERTIES LABELS "samples" TIMEOUT 300)
  add_test(NAME docs/excerpts COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/docs/excerpts.sh $<TARGET_FILE:onnxcc>)
  set_tests_properties(docs/excerpts PROPERTIES LABELS "docs;quick")
endif()
add_test(NAME docs/paths COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/docs/paths.sh)
set_tests_properties(docs/paths PROPERTIES LABELS "docs;quick")
