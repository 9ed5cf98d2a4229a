# Hostile input: attack files, mutants, fuzz targets (docs/testing.md).
set(HOSTILE ${CMAKE_CURRENT_SOURCE_DIR}/hostile)
set(FUZZ ${CMAKE_CURRENT_SOURCE_DIR}/fuzz)
if(TARGET onnxcc AND PYTHON3)
  add_test(NAME hostile/attacks COMMAND ${PYTHON3} ${HOSTILE}/run.py $<TARGET_FILE:onnxcc> --work ${CMAKE_BINARY_DIR}/hostile)
  set_tests_properties(hostile/attacks PROPERTIES LABELS "check" TIMEOUT 900 RUN_SERIAL ON)
endif()

# Calls of the system that fail.
if(TARGET onnxcc AND PYTHON3 AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT ONNXCC_SANITIZE)
  add_library(faults SHARED ${HOSTILE}/faults.c)
  target_compile_options(faults PRIVATE -Wno-missing-prototypes)
  add_test(NAME hostile/faults COMMAND ${PYTHON3} ${HOSTILE}/faults.py $<TARGET_FILE:onnxcc> $<TARGET_FILE:faults> --work ${CMAKE_BINARY_DIR}/faults)
  set_tests_properties(hostile/faults PROPERTIES LABELS "check" SKIP_RETURN_CODE 77 TIMEOUT 900)
endif()

# Every allocation fails once, in a process that goes on and counts what is left.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  add_executable(memory ${HOSTILE}/memory.c)
  target_link_libraries(memory PRIVATE onnxcc_lib)
  target_link_options(memory PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=mmap,--wrap=munmap)
  set_target_properties(memory PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  file(GLOB memory_models CONFIGURE_DEPENDS ${HOSTILE}/memory/*.onnxtxt)
  add_test(NAME hostile/memory COMMAND memory ${CMAKE_BINARY_DIR}/memory ${memory_models})
  set_tests_properties(hostile/memory PROPERTIES LABELS "check" TIMEOUT 1800)
endif()

# The mutator and what is done with a mutant, shared by the program below and by the fuzz targets.
add_library(fuzz_parts STATIC ${FUZZ}/mutate.c ${FUZZ}/judge.c)
target_link_libraries(fuzz_parts PUBLIC onnxcc_lib)
add_executable(mutants ${FUZZ}/mutants.c)
target_link_libraries(mutants PRIVATE fuzz_parts)
set_target_properties(mutants PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
set(ONNXCC_MUTANTS 20000 CACHE STRING "Mutants that the test fuzz/mutants makes")
if(PYTHON3)
  add_test(NAME fuzz/mutants COMMAND ${PYTHON3} ${FUZZ}/mutants.py $<TARGET_FILE:mutants> --count ${ONNXCC_MUTANTS} --every 20 --work ${CMAKE_BINARY_DIR}/mutants)
  set_tests_properties(fuzz/mutants PROPERTIES LABELS "fuzz" SKIP_RETURN_CODE 77 TIMEOUT 7200 RUN_SERIAL ON)
endif()
# Found cases, by the same functions as the fuzz targets, without libFuzzer.
add_executable(replay ${FUZZ}/replay.c)
target_link_libraries(replay PRIVATE fuzz_parts)
set_target_properties(replay PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
add_test(NAME fuzz/replay COMMAND replay ${FUZZ}/cases)
set_tests_properties(fuzz/replay PROPERTIES LABELS "fuzz;quick")

# Every operator with hostile shapes, types and attributes.
add_executable(sweep ${FUZZ}/sweep.c)
target_link_libraries(sweep PRIVATE fuzz_parts)
set_target_properties(sweep PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)

# libFuzzer: cmake -DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS=-fsanitize=fuzzer-no-link -DONNXCC_SANITIZE=ON -DONNXCC_FUZZ=ON; tests/fuzz/run.sh does it.
option(ONNXCC_FUZZ "Build the fuzz targets (clang only)" OFF)
if(ONNXCC_FUZZ)
  file(GLOB fuzz_targets CONFIGURE_DEPENDS ${FUZZ}/fuzz_*.c)
  foreach(source ${fuzz_targets})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    if(NOT name STREQUAL "fuzz_parse") # text, which libFuzzer's own mutations are for
      target_sources(${name} PRIVATE ${FUZZ}/custom_mutator.c)
    endif()
    target_link_libraries(${name} PRIVATE fuzz_parts)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endforeach()
endif()

# Two minutes of each target, two at a time, where there is clang with libFuzzer; the build with sanitizers, of its own, takes minutes once. The random numbers are the same in each run.
set(ONNXCC_FUZZ_SECONDS 120 CACHE STRING "Seconds of each fuzz target in the tests fuzz/fuzz_*, built in a folder of their own; 0: none")
if(ONNXCC_FUZZ_SECONDS)
  add_test(NAME fuzz/build COMMAND sh ${FUZZ}/run.sh --build)
  set_tests_properties(fuzz/build PROPERTIES FIXTURES_SETUP fuzz_targets PROCESSORS 2)
  set(fuzz_tests fuzz/build)
  foreach(name fuzz_load fuzz_parse fuzz_check fuzz_compile)
    add_test(NAME fuzz/${name} COMMAND sh ${FUZZ}/run.sh --built ${ONNXCC_FUZZ_SECONDS} ${name})
    set_tests_properties(fuzz/${name} PROPERTIES FIXTURES_REQUIRED fuzz_targets)
    list(APPEND fuzz_tests fuzz/${name})
  endforeach()
  set_tests_properties(${fuzz_tests} PROPERTIES LABELS "fuzz" SKIP_RETURN_CODE 77 TIMEOUT 3600
                       ENVIRONMENT "ONNXCC_FUZZ_BUILD=${CMAKE_BINARY_DIR}/build-fuzz;ONNXCC_TEST_PYTHON=${PYTHON3};ONNXCC_FUZZ_SEED=1")
endif()
