# Generated CUDA code without a GPU: --target=cuda under the emulation. Skipped by name where a compiler, the onnx package or ../shared is missing.
if(TARGET onnxcc AND PYTHON3)
  set(EMULATED "--target=cuda --emulate --time-limit 60")
  set(BACKEND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/backend/run.py $<TARGET_FILE:onnxcc> --known ${CMAKE_CURRENT_SOURCE_DIR}/backend/known_failures.txt)
  add_test(NAME cuda/backend-package COMMAND ${BACKEND} --package --work ${CMAKE_BINARY_DIR}/backend-cuda-package --arguments=${EMULATED})
  add_test(NAME cuda/backend-node COMMAND ${BACKEND} --conformance ${SHARED_DIR}/conformance --only node/ --least 500
                                          --work ${CMAKE_BINARY_DIR}/backend-cuda --arguments=${EMULATED})
  # Small models of all kinds, at two sizes each: in all precisions, and in other orders of threads.
  set(MODELS ${PYTHON3} ${CUDA_TESTS}/models.py $<TARGET_FILE:onnxcc>)
  add_test(NAME cuda/models COMMAND ${MODELS} --work ${CMAKE_BINARY_DIR}/cuda-models)
  add_test(NAME cuda/models-orders COMMAND ${MODELS} --work ${CMAKE_BINARY_DIR}/cuda-models-orders --precision tf32x3 --order reverse --order random:1)
  # With the race detector.
  add_test(NAME cuda/models-races COMMAND ${MODELS} --work ${CMAKE_BINARY_DIR}/cuda-models-races --races --precision tf32x3)
  add_test(NAME cuda/softmax-races COMMAND ${BACKEND} --conformance ${SHARED_DIR}/conformance --only softmax --least 30
                                           --work ${CMAKE_BINARY_DIR}/backend-cuda --arguments=${EMULATED}\ --races)
  add_test(NAME cuda/strings COMMAND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/models/strings.py $<TARGET_FILE:onnxcc> --arguments=${EMULATED})
  add_test(NAME cuda/watched COMMAND sh ${CUDA_TESTS}/watched.sh $<TARGET_FILE:onnxcc> ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/cuda-watched)
  set_tests_properties(cuda/watched PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 TIMEOUT 300)
  set_tests_properties(cuda/backend-package cuda/strings cuda/backend-node cuda/models cuda/models-orders cuda/models-races cuda/softmax-races PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 TIMEOUT 900 RUN_SERIAL ON)
  # tests/nightly.sh: what takes longer.
  if(ONNXCC_TEST_SANITIZED)
    add_test(NAME cuda/backend-whole COMMAND ${BACKEND} --conformance ${SHARED_DIR}/conformance --work ${CMAKE_BINARY_DIR}/backend-cuda
                                             --arguments=--target=cuda\ --emulate\ --time-limit\ 300)
    add_test(NAME cuda/backend-races COMMAND ${BACKEND} --conformance ${SHARED_DIR}/conformance --only node/ --work ${CMAKE_BINARY_DIR}/backend-cuda
                                             --arguments=${EMULATED}\ --races)
    add_test(NAME cuda/backend-sanitized COMMAND ${BACKEND} --conformance ${SHARED_DIR}/conformance --only node/ --sanitize
                                                 --work ${CMAKE_BINARY_DIR}/backend-cuda --arguments=--target=cuda\ --emulate)
    add_test(NAME cuda/models-whole COMMAND ${MODELS} --work ${CMAKE_BINARY_DIR}/cuda-models-whole --order reverse --order random:1 --order random:2)
    set_tests_properties(cuda/backend-whole cuda/backend-races cuda/backend-sanitized cuda/models-whole PROPERTIES LABELS "cuda;sanitize"
                         SKIP_RETURN_CODE 77 TIMEOUT 7200 RUN_SERIAL ON)
  endif()
endif()

# What nvcc says of generated code, where there is one: no warnings, spills or stacks, few registers; and what the sample needs.
if(TARGET onnxcc)
  set(gate_archs 75 80 90 120)
  if(ONNXCC_TEST_SANITIZED)
    list(APPEND gate_archs 86 89 100)
  endif()
  foreach(arch ${gate_archs})
    add_test(NAME cuda/gates-sm_${arch} COMMAND sh ${CUDA_TESTS}/gates.sh $<TARGET_FILE:onnxcc> ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/cuda-gates-${arch} ${arch})
    set_tests_properties(cuda/gates-sm_${arch} PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 TIMEOUT 300 ENVIRONMENT "PYTHON=${PYTHON3};CUDACXX=${NVCC}")
  endforeach()
  add_test(NAME samples/cuda COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/samples/cuda.sh $<TARGET_FILE:onnxcc> ${CMAKE_COMMAND} ${CMAKE_BINARY_DIR}/sample-cuda)
  set_tests_properties(samples/cuda PROPERTIES LABELS "samples;cuda" SKIP_RETURN_CODE 77 TIMEOUT 300)
endif()
