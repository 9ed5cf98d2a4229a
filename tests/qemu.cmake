# Portable generated code on other machines, emulated: microcontrollers without an operating
# system, with and without floating-point hardware, 64-bit ARM, and a big-endian machine. Skipped
# where the cross compilers or QEMU are missing; tests/run.sh installs them.
if(TARGET onnxcc)
  foreach(machine cortex-m3 cortex-m4 aarch64 s390x)
    add_test(NAME qemu/${machine} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/qemu/run.sh ${machine} $<TARGET_FILE:onnxcc> ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}
                                          ${PYTHON3})
    set_tests_properties(qemu/${machine} PROPERTIES LABELS "qemu" SKIP_RETURN_CODE 77 TIMEOUT 600)
  endforeach()
endif()
