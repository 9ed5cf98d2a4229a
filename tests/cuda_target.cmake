# Generated CUDA code without a GPU: --target=cuda under the emulation. Skipped by name where a compiler, the onnx package or ../shared is missing.
if(TARGET onnxcc AND PYTHON3)
  set(EMULATED "--target=cuda --emulate --time-limit 60")
  set(BACKEND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/backend/run.py $<TARGET_FILE:onnxcc> --known ${CMAKE_CURRENT_SOURCE_DIR}/backend/known_failures.txt)
  add_test(NAME cuda/backend-package COMMAND ${BACKEND} --package --work ${CMAKE_BINARY_DIR}/backend-cuda-package --arguments=${EMULATED})
  add_test(NAME cuda/backend-node COMMAND ${BACKEND} --conformance ${SHARED_DIR}/conformance --only node/ --least 500
                                          --work ${CMAKE_BINARY_DIR}/backend-cuda --arguments=${EMULATED})
  # Small models of all kinds, at two sizes each; in every order of threads.
  add_test(NAME cuda/models COMMAND ${PYTHON3} ${CUDA_TESTS}/models.py $<TARGET_FILE:onnxcc> --work ${CMAKE_BINARY_DIR}/cuda-models
                                    --order forward --order reverse --order random:1)
  # With the race detector.
  add_test(NAME cuda/models-races COMMAND ${PYTHON3} ${CUDA_TESTS}/models.py $<TARGET_FILE:onnxcc> --work ${CMAKE_BINARY_DIR}/cuda-models-races
                                          --races --precision tf32x3)
  add_test(NAME cuda/softmax-races COMMAND ${BACKEND} --conformance ${SHARED_DIR}/conformance --only softmax --least 30
                                           --work ${CMAKE_BINARY_DIR}/backend-cuda --arguments=${EMULATED}\ --races)
  add_test(NAME cuda/watched COMMAND sh ${CUDA_TESTS}/watched.sh $<TARGET_FILE:onnxcc> ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/cuda-watched)
  set_tests_properties(cuda/watched PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 TIMEOUT 300)
  set_tests_properties(cuda/backend-package cuda/backend-node cuda/models cuda/models-races cuda/softmax-races PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 TIMEOUT 900 RUN_SERIAL ON)
endif()
