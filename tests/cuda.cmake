# CUDA without a GPU: tests/cuda/*.cu against the emulation of runtime/cuda/, in several orders of threads. Skipped by name where there is no compiler.
set(CUDA_TESTS ${CMAKE_CURRENT_SOURCE_DIR}/cuda)
set(CUDA_PROGRAMS launch shuffle numbers matrix kernels races host)
function(add_cuda_test name library) # the rest: the command
  add_test(NAME cuda/${name} COMMAND ${ARGN})
  set_tests_properties(cuda/${name} PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 FIXTURES_REQUIRED cuda-${library} TIMEOUT 300)
endfunction()

foreach(library plain-g++ asan-g++ plain-clang++ ucontext-g++ plain-aarch64-linux-gnu-g++)
  string(REGEX MATCH "^[a-z]+" kind ${library})
  string(REGEX REPLACE "^[a-z]+-" "" cxx ${library})
  add_test(NAME cuda/library-${library} COMMAND sh ${CUDA_TESTS}/library.sh ${cxx} ${kind} ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  set_tests_properties(cuda/library-${library} PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 FIXTURES_SETUP cuda-${library})
endforeach()
foreach(program ${CUDA_PROGRAMS})
  set(runs plain-g++ asan-g++ race-g++ plain-clang++)
  if(program MATCHES "launch|kernels") # what depends on the switch between threads
    list(APPEND runs ucontext-g++ plain-aarch64-linux-gnu-g++)
  endif()
  foreach(run ${runs})
    string(REGEX MATCH "^[a-z]+" kind ${run})
    string(REGEX REPLACE "^[a-z]+-" "" cxx ${run})
    string(REPLACE race plain library ${run})
    add_cuda_test(${program}-${run} ${library} sh ${CUDA_TESTS}/run.sh ${cxx} ${kind} ${program} ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  endforeach()
endforeach()
foreach(cxx g++ clang++)
  add_cuda_test(mistakes-${cxx} plain-${cxx} sh ${CUDA_TESTS}/mistakes.sh ${cxx} ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
endforeach()

# What nvcc's assembler says about the test kernels, where there is nvcc: no spills, no stack, registers within a budget.
find_program(NVCC nvcc HINTS /usr/local/cuda/bin)
foreach(arch 75 80 90 100 120)
  add_test(NAME cuda/gate-sm_${arch} COMMAND sh ${CUDA_TESTS}/gate.sh ${arch} ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  set_tests_properties(cuda/gate-sm_${arch} PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 ENVIRONMENT "NVCC=${NVCC}")
endforeach()
add_test(NAME cuda/gate-refuses COMMAND sh ${CUDA_TESTS}/gate_refuses.sh ${CMAKE_SOURCE_DIR})
set_tests_properties(cuda/gate-refuses PROPERTIES LABELS cuda ENVIRONMENT "NVCC=${NVCC}")

# Generated code in the program of samples/cuda/, under the race detector and AddressSanitizer.
if(TARGET onnxcc)
  add_cuda_test(generated-g++ plain-g++ sh ${CUDA_TESTS}/generated.sh g++ $<TARGET_FILE:onnxcc> ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  set_tests_properties(cuda/generated-g++ PROPERTIES FIXTURES_REQUIRED "cuda-plain-g++;cuda-asan-g++")
endif()
