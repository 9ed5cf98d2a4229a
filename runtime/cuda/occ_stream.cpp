/* occ_stream.cpp - streams and events, capture into graphs and their launch. */
#include "occ_stream.h"

#include <set>

static std::set<CUstream_st *> &streams(void)
{
    static std::set<CUstream_st *> *all = new std::set<CUstream_st *>;
    return *all;
}
static occ_capture *capturing; /* at most one at a time */

static CUstream_st *default_stream(void)
{
    static CUstream_st *s = new CUstream_st{true, {}, 0, 0, nullptr, false};
    return s;
}

CUstream_st *occ_stream_of(cudaStream_t stream)
{
    if (!stream) return default_stream();
    return streams().count(stream) ? stream : nullptr;
}

static bool lazy(void)
{
    static const char *s = getenv("OCC_STREAMS");
    return s && !strcmp(s, "lazy");
}

/* Does the work of s up to that number. */
void occ_finish(CUstream_st *s, uint64_t number)
{
    while (s->done < number) {
        const occ_work work = std::move(s->waiting.front());
        s->waiting.pop_front();
        s->done++;
        work();
    }
}

void occ_finish_all(void)
{
    occ_finish(default_stream(), default_stream()->submitted);
    for (CUstream_st *s : streams()) occ_finish(s, s->submitted);
}

static cudaError_t invalidate(cudaError_t e)
{
    if (capturing) capturing->invalid = true;
    return e;
}

cudaError_t occ_outside_capture(bool only_unsafe)
{
    if (!capturing || (only_unsafe && capturing->mode == cudaStreamCaptureModeRelaxed)) return cudaSuccess;
    return invalidate(cudaErrorStreamCaptureUnsupported);
}

cudaError_t occ_submit(cudaStream_t stream, occ_work work)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    if (s->capture) {
        if (s->capture->invalid) return cudaErrorStreamCaptureInvalidated;
        if (s != s->capture->origin) s->unjoined = true;
        s->capture->graph->work.push_back(std::move(work));
        return cudaSuccess;
    }
    if (s == default_stream()) { /* it waits for all that wait for it */
        if (capturing && capturing->origin->blocking) return invalidate(cudaErrorStreamCaptureImplicit);
        for (CUstream_st *other : streams())
            if (other->blocking) occ_finish(other, other->submitted);
    } else if (s->blocking)
        occ_finish(default_stream(), default_stream()->submitted);
    s->waiting.push_back(std::move(work));
    s->submitted++;
    if (!lazy()) occ_finish(s, s->submitted);
    return cudaSuccess;
}

/* -- streams -------------------------------------------------------------------------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    if (!stream || flags > cudaStreamNonBlocking) return occ_error(cudaErrorInvalidValue);
    *stream = new CUstream_st{flags == cudaStreamDefault, {}, 0, 0, nullptr, false};
    streams().insert(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    CUstream_st *s = stream ? occ_stream_of(stream) : nullptr;
    if (!s) return occ_error(cudaErrorInvalidResourceHandle);
    if (s->capture) return occ_error(invalidate(cudaErrorStreamCaptureUnsupported));
    occ_finish(s, s->submitted);
    streams().erase(s);
    delete s;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!s) return occ_error(cudaErrorInvalidResourceHandle);
    if (s->capture) return occ_error(invalidate(cudaErrorStreamCaptureUnsupported));
    if (s == default_stream() && capturing && capturing->origin->blocking) return occ_error(invalidate(cudaErrorStreamCaptureImplicit));
    occ_finish(s, s->submitted);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!s) return occ_error(cudaErrorInvalidResourceHandle);
    if (s->capture) return occ_error(invalidate(cudaErrorStreamCaptureUnsupported));
    if (s->waiting.empty()) return cudaSuccess;
    occ_finish(s, s->done + 1); /* so that asking again and again comes to an end */
    return cudaErrorNotReady;
}

/* -- events --------------------------------------------------------------------------------------------------------------------------------------- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    if (!event) return occ_error(cudaErrorInvalidValue);
    *event = new CUevent_st{!(flags & cudaEventDisableTiming), false, nullptr, 0, {}, nullptr};
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    if (!event) return occ_error(cudaErrorInvalidResourceHandle);
    if (event->recorded && !event->capture && streams().count(event->stream)) occ_finish(event->stream, event->number);
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!event || !s) return occ_error(cudaErrorInvalidResourceHandle);
    event->recorded = true;
    event->stream = s;
    event->capture = s->capture;
    if (s->capture) return s->capture->invalid ? occ_error(cudaErrorStreamCaptureInvalidated) : cudaSuccess;
    const cudaError_t e = occ_submit(stream, [event] { event->time = std::chrono::steady_clock::now(); });
    event->number = s->submitted;
    return e ? occ_error(e) : cudaSuccess;
}

/* In a capture, waiting for an event takes the waiting stream into it, or joins the event's stream to the waiting one. */
static cudaError_t wait_captured(CUstream_st *s, cudaEvent_t event)
{
    if (event->capture != capturing || !capturing) return cudaErrorCapturedEvent;
    if (s->capture && s->capture != event->capture) return invalidate(cudaErrorStreamCaptureMerge);
    s->capture = event->capture;
    if (event->stream->unjoined && event->stream != s) {
        event->stream->unjoined = false;
        s->unjoined = s != capturing->origin;
    }
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!event || !s) return occ_error(cudaErrorInvalidResourceHandle);
    if (!event->recorded) return cudaSuccess;
    if (event->capture) return occ_error(wait_captured(s, event));
    if (s->capture) return occ_error(invalidate(cudaErrorStreamCaptureIsolation));
    CUstream_st *from = event->stream;
    const uint64_t number = event->number;
    if (from != default_stream() && !streams().count(from)) return cudaSuccess; /* a stream ends its work before it is destroyed */
    return occ_error(occ_submit(stream, [from, number] {
        if (from == default_stream() || streams().count(from)) occ_finish(from, number);
    }));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (!event) return occ_error(cudaErrorInvalidResourceHandle);
    if (event->capture) return occ_error(invalidate(cudaErrorCapturedEvent));
    if (event->recorded && (event->stream == default_stream() || streams().count(event->stream))) occ_finish(event->stream, event->number);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (!event) return occ_error(cudaErrorInvalidResourceHandle);
    if (event->capture) return occ_error(invalidate(cudaErrorCapturedEvent));
    CUstream_st *s = event->stream;
    if (!event->recorded || (s != default_stream() && !streams().count(s)) || s->done >= event->number) return cudaSuccess;
    occ_finish(s, s->done + 1);
    return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    if (!milliseconds) return occ_error(cudaErrorInvalidValue);
    if (!begin || !end || !begin->recorded || !end->recorded || !begin->timed || !end->timed) return occ_error(cudaErrorInvalidResourceHandle);
    for (const CUevent_st *e : {begin, end})
        if (e->capture || ((e->stream == default_stream() || streams().count(e->stream)) && e->stream->done < e->number))
            return e->capture ? occ_error(cudaErrorCapturedEvent) : cudaErrorNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
    return cudaSuccess;
}

/* -- graphs ---------------------------------------------------------------------------------------------------------------------------------------- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!s) return occ_error(cudaErrorInvalidResourceHandle);
    if (s == default_stream()) return occ_error(cudaErrorStreamCaptureUnsupported);
    if (capturing) {
        occ_note("cudaStreamBeginCapture", "the emulation captures one graph at a time");
        return occ_error(cudaErrorStreamCaptureUnsupported);
    }
    capturing = s->capture = new occ_capture{mode, s, new CUgraph_st, false, 0};
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!s || !graph) return occ_error(s ? cudaErrorInvalidValue : cudaErrorInvalidResourceHandle);
    *graph = nullptr;
    if (!s->capture) return occ_error(cudaErrorInvalidValue);
    occ_capture *c = s->capture;
    if (c->origin != s) return occ_error(invalidate(cudaErrorStreamCaptureUnmatched));
    cudaError_t e = c->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    for (CUstream_st *other : streams()) {
        if (other->capture != c) continue;
        if (other->unjoined && !e) e = cudaErrorStreamCaptureUnjoined;
        other->capture = nullptr;
        other->unjoined = false;
    }
    if (e)
        delete c->graph;
    else
        *graph = c->graph;
    delete c;
    capturing = nullptr;
    return e ? occ_error(e) : cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status)
{
    CUstream_st *s = occ_stream_of(stream);
    if (!s || !status) return occ_error(cudaErrorInvalidValue);
    *status = !s->capture ? cudaStreamCaptureStatusNone : s->capture->invalid ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *n)
{
    if (!graph || !n || nodes) return occ_error(cudaErrorInvalidValue);
    *n = graph->work.size();
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    if (!exec || !graph) return occ_error(cudaErrorInvalidValue);
    *exec = new CUgraphExec_st{graph->work};
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t)
{
    return exec ? cudaSuccess : occ_error(cudaErrorInvalidValue);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    if (!exec) return occ_error(cudaErrorInvalidValue);
    return occ_error(occ_submit(stream, [work = exec->work] {
        for (const occ_work &w : work) w();
    }));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return graph ? cudaSuccess : occ_error(cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return exec ? cudaSuccess : occ_error(cudaErrorInvalidValue);
}
