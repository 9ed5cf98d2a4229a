#!/bin/sh
# mistakes.sh COMPILER SOURCE_DIR BINARY_DIR - every mistake of mistakes.cu and of kernels.h is found, with a message that says what and where.
set -eu
cxx=$1 source=$2 build=$3
. "$source/tests/cuda/compile.sh"
failed=0

# wants STATUS TEXT COMMAND...: the command fails with that status and says TEXT, a basic regular expression.
wants() {
    status=$1 text=$2
    shift 2
    got=0
    said=$("$@" 2>&1) || got=$?
    if [ $got -ne "$status" ] || ! printf '%s\n' "$said" | grep -q "$text"; then
        printf '%s: exit %s, wanted %s; said\n%s\nwanted: %s\n' "$*" "$got" "$status" "$(printf '%s\n' "$said" | tail -n 3)" "$text"
        failed=1
    fi
}

kind=plain
compile mistakes "$build/cuda/mistakes-$cxx"
# mistake KERNEL TEXT: found in the line of the kernel that says so, if one does.
mistake() {
    line=$(awk -v "kernel=OCC_KERNEL($1," 'index($0, "OCC_KERNEL(") { inside = index($0, kernel) } inside && /found here/ { print "mistakes.cu:" NR ": "; exit }' \
        "$source/tests/cuda/mistakes.cu")
    wants 65 "error: kernel '$1', block (0,0,0), thread ([0-9]*,0,0), $line$2" "$out" "$1"
}
mistake lanes_part "divergent warp collective: lane 1 calls the shuffle here, lane 0 the shuffle of mistakes.cu:1[0-9] \[divergent-collective\]"
mistake masks_differ "divergent warp collective: .* with mask .* \[divergent-collective\]"
mistake mask_without_me "the mask 0000ffff of the shuffle has no bit for the calling lane, 16 \[collective-mask\]"
mistake mask_of_nobody "the mask ffffffff of the shuffle names lanes that the block does not have: its warp is 0000ffff"
mistake source_outside "lane 0 shuffles from lane 20, which is not in the mask 0000ffff \[shuffle-source\]"
mistake odd_width "the width of a shuffle is a power of two up to 32, not 12"
mistake some_barrier "barrier deadlock: 40 of 64 threads wait here; thread (40,0,0) has ended \[barrier-deadlock\]"
mistake other_barrier "divergent barrier: thread (0,0,0) waits at another one, mistakes.cu:[0-9]* \[divergent-barrier\]"
mistake ragged_load "vector load: address 0x[0-9a-f]* is not a multiple of 16 \[misaligned\]"
mistake store_beyond "access of 16 bytes at byte 256 of an allocation of 256 bytes \[device-range\]"
mistake shared_beyond "access of 16 bytes outside the block's shared memory, 1024 bytes from the start of its dynamic part \[shared-range\]"
mistake ldmatrix_ragged "ldmatrix: address 0x[0-9a-f]* is not a multiple of 16 \[misaligned\]"
mistake ldmatrix_beyond "ldmatrix: address 0x[0-9a-f]*: its 16 bytes are not in the block's shared memory \[shared-range\]"
mistake ldmatrix_device "ldmatrix: address 0x[0-9a-f]*: its 16 bytes are not in the block's shared memory \[shared-range\]"
mistake copy_ragged "cp.async, source: address 0x[0-9a-f]* is not a multiple of 16 \[misaligned\]"
mistake copy_beyond "cp.async: destination 0x[0-9a-f]*: its 16 bytes are not in the block's shared memory \[shared-range\]"
mistake copy_from_beyond "access of 16 bytes at byte 256 of an allocation of 256 bytes \[device-range\]"
mistake copy_from_shared "cp.async reads from shared memory \[copy-source\]"
mistake copy_too_long "cp.async of 20 bytes: it is 0 to 16 \[copy-size\]"
mistake copy_left "the thread ends while this cp.async is under way \[copy-in-flight\]"
wants 65 "error: kernel 'far_beyond', block (0,0,0), thread (0,0,0), access at byte 8192 of an allocation of 256 bytes \[device-range\]" "$out" far_beyond
wants 65 "error: kernel 'good', block (0,0,0), thread (0,0,0), access to (nil), which is no memory" "$out" no_memory
mistake too_much_shared "static shared memory: .* beyond the 48 KiB that a block can have \[shared-size\]"
mistake too_much_of_both "48640 bytes of static and 1024 of dynamic shared memory are beyond the 49152 that this launch can have \[shared-size\]"
mistake trapped "the kernel calls __trap \[trap\]"
wants 65 "error: kernel 'good', block (0,0,0), thread (0,0,0), access to device memory that is not allocated" "$out" freed
wants 65 "error: cudaMemcpyAsync of 256 bytes: its device memory has been freed since \[freed\]" "$out" freed_copy
wants 65 "OCC_ORDER is forward, reverse, random or random:SEED, not 'backward'" env OCC_ORDER=backward "$out" copy_left

kind=race
compile mistakes "$build/cuda/mistakes-race-$cxx"
wants 65 "error: mistakes.cu:[0-9]*: host code: access of 4 bytes at byte 12 of an allocation of 256 bytes \[device-range\]" "$out" host_load
wants 65 "kernel 'add_to', .* mistakes.cu:[0-9]*: access of 4 bytes to memory that is neither shared nor the device's.* \[host-memory\]" "$out" host_pointer
wants 65 "kernel 'add_to', .* mistakes.cu:[0-9]*: access of 4 bytes to memory that is neither shared nor the device's.* \[host-memory\]" "$out" heap_pointer
mistake far_beyond "access of 4 bytes at byte 8192 of an allocation of 256 bytes \[device-range\]"

# Accesses that nothing orders: races.cu WHICH, in every order of threads.
compile races "$build/cuda/races-race-$cxx"
race() {
    for order in forward reverse random:1; do wants 66 "race: kernel '$1', $2" env OCC_ORDER=$order "$out" "$1"; done
}
where='by block ([0-2],0,0) thread ([0-9]*,0,0) at races.cu:[0-9]*'
race other_warp_reads "static shared memory, at .*: \(read\|write\) $where; \(write\|read\) $where; nothing orders them \[race-shared\]"
race same_warp_reads ".*\[race-shared\]"
race shuffle_is_no_order ".*\[race-shared\]"
race write_after_read ".*\[race-shared\]"
race blocks_write "byte [0-9]* of an allocation of 2048 bytes: write $where; write $where; nothing orders them \[race-device\]"
race blocks_overlap "byte [0-9]* of an allocation of 2048 bytes: write $where; write $where; nothing orders them \[race-device\]"
race block_reads_neighbour "byte [0-9]* of .*: \(read $where; write\|write $where; read\) $where; nothing orders them \[race-device\]"
race vectors_overlap ".*: write $where; write $where; nothing orders them \[race-device\]"
race atomic_and_plain "byte 0 of .*: \(write $where; atomic\|atomic .*; write $where\).*\[race-device\]"
race last_block_no_fence "byte [0-9]* of .*: read $where; write $where; nothing orders them \[race-device\]"
race copy_read_early "byte [0-9]* of dynamic shared memory: read $where; cp.async under way $where; nothing orders them \[copy-not-waited-for\]"
race copy_over_copy "byte [0-9]* of dynamic shared memory: cp.async under way $where; cp.async under way $where; .*\[copy-not-waited-for\]"
race copy_without_barrier "byte [0-9]* of dynamic shared memory: .*\[race-shared\]"

# Planted in kernels that are right: found in every order of threads, by the message where there is one, by wrong numbers, by the race detector.
# plant WHAT KERNEL KIND STATUS TEXT
plant() {
    kind=$3
    compile kernels "$build/cuda/kernels-$1-$3-$cxx" -DPLANT="$1"
    for order in forward reverse random:1; do wants "$4" "$5" env OCC_ORDER=$order "$out" "$2"; done
}
plant SHORT_WAIT gemm plain 1 "checks failed"
plant SHORT_WAIT gemm race 66 "race: kernel 'gemm', byte [0-9]* of dynamic shared memory: read by .* at kernels.h:5[0-9]; cp.async under way by .* \[copy-not-waited-for\]"
plant NO_LOOP_BARRIER gemm plain 1 "checks failed"
plant NO_LOOP_BARRIER gemm race 66 "race: kernel 'gemm', byte [0-9]* of dynamic shared memory: .* by block .* at kernels.h:.* \[race-shared\]"
plant NO_REUSE_BARRIER softmax race 66 "race: kernel 'softmax', static shared memory, .*: \(read\|write\) by .* at kernels.h:.* \[race-shared\]"
plant NO_COLUMN_GUARD gemm plain 1 "checks failed"
plant NO_COLUMN_GUARD gemm race 65 "kernel 'gemm', .*, kernels.h:[0-9]*: access of 4 bytes at byte [0-9]* of an allocation of [0-9]* bytes \[device-range\]"
plant DIVERGENT_SHUFFLE softmax plain 65 "kernel 'softmax', .* kernels.h:[0-9]*: divergent warp collective: the shuffle waits for lane 17, thread (17,0,0), which waits at the barrier"
plant MISALIGNED_ROWS gemm plain 65 "kernel 'gemm', .* kernels.h:[0-9]*: cp.async, destination: address 0x[0-9a-f]* is not a multiple of 16 \[misaligned\]"
plant EARLY_RETURN softmax plain 65 "kernel 'softmax', .* kernels.h:[0-9]*: barrier deadlock: 32 of 128 threads wait here; thread (32,0,0) has ended \[barrier-deadlock\]"
exit $failed
