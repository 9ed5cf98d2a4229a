/* occ_stream.h - streams, events and graphs inside the emulation: lists of work (occ_stream.cpp), and the errors of the calls that use them. */
#ifndef OCC_STREAM_H
#define OCC_STREAM_H
#include "occ_internal.h"

#include <chrono>
#include <deque>

typedef std::function<void()> occ_work;

struct CUgraph_st {
    std::vector<occ_work> work; /* in the order of capture */
};
struct CUgraphExec_st {
    std::vector<occ_work> work;
};
struct occ_capture {
    cudaStreamCaptureMode mode;
    cudaStream_t origin;
    CUgraph_st *graph;
    bool invalid;
    int unjoined; /* streams of the capture whose last work the origin does not wait for */
};
struct CUstream_st {
    bool blocking; /* ordered with the default stream */
    std::deque<occ_work> waiting;
    uint64_t submitted, done;
    occ_capture *capture;
    bool unjoined; /* it has work in the capture that no event of the origin stands for */
};
struct CUevent_st {
    bool timed, recorded;
    CUstream_st *stream; /* that it was recorded in, and the number of work there that it is */
    uint64_t number;
    std::chrono::steady_clock::time_point time;
    occ_capture *capture; /* it was recorded in, or NULL */
};

cudaError_t occ_error(cudaError_t e); /* also cudaGetLastError()'s */
/* Puts work into a stream, or into the graph that it is captured for. The stream must exist (NULL: the default one). */
cudaError_t occ_submit(cudaStream_t stream, occ_work work);
/* For calls that a capture forbids: cudaSuccess, or the error after which the capture is invalid. */
cudaError_t occ_outside_capture(bool only_unsafe);
void occ_finish_all(void);
CUstream_st *occ_stream_of(cudaStream_t stream); /* NULL: no such stream */
void occ_finish(CUstream_st *s, uint64_t number);
#endif
