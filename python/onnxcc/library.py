"""A built model: loads a shared library and runs it through its description, NAME_model() of runtime/onnxcc_rt.h."""
import ctypes
import os
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p

import numpy as np

from . import images, types

ABI = 5
ALIGN = 64
E_CAPACITY = -4
OF_RUN = -1  # onnxcc_dim_info.input of a size that the run decides
BEFORE_RUN = 2**63 - 1  # its value until then
OF_STATE = -2  # onnxcc_dim_info.input of a size that only the state has
_ERRORS = {
    -1: "a required pointer is NULL",
    -2: "a dimension is outside the range that the model was compiled for, or differs from one that it has to equal",
    -3: "an index in the data is outside its tensor",
    E_CAPACITY: "a size that the data decides is larger than planned",
    -5: "the work memory is missing, misaligned or too small",
    -6: "the weights are not those that were generated with the code",
    -7: "the state is missing or misaligned",
    -11: "an input does not have the value that the model was compiled for",
    -12: "the environment lacks a function that the model needs",
    images.E_IMAGE: "an image has a format that can't be decoded here: is Pillow installed?",
}


class RunError(Exception):
    """A run failed; `code` is the ONNXCC_E_ code of onnxcc_rt.h, 0 where the inputs don't fit the model."""

    def __init__(self, code, text=None):
        super().__init__(text or _ERRORS.get(code, f"error {code}"))
        self.code = code


class _Tensor(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("type", c_int), ("rank", c_int), ("shape", POINTER(c_int64)), ("max_bytes", c_int64)]


class _Dim(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("lo", c_int64), ("hi", c_int64), ("input", c_int), ("axis", c_int)]


class _Env(ctypes.Structure):
    _fields_ = [("parallel_for", c_void_p), ("parallel_ctx", c_void_p), ("timer", c_void_p), ("timer_ctx", c_void_p), ("user", c_void_p),
                ("weights", c_void_p), ("stream", c_void_p), ("message", c_void_p), ("message_bytes", c_size_t), ("host_arena", c_void_p),
                ("decode_image", images.Decoder), ("decode_image_ctx", c_void_p)]


class _Model(ctypes.Structure):
    _fields_ = [("abi", c_int), ("name", c_char_p), ("sha256", c_char_p), ("target", c_char_p), ("n_inputs", c_int), ("n_outputs", c_int),
                ("n_dims", c_int), ("n_steps", c_int), ("inputs", POINTER(_Tensor)), ("outputs", POINTER(_Tensor)), ("dims", POINTER(_Dim)),
                ("arena_bytes", c_size_t), ("arena_align", c_size_t), ("state_bytes", c_size_t), ("weights_bytes", c_size_t),
                ("prepare", ctypes.CFUNCTYPE(c_int64, POINTER(c_int64))),
                ("shape", ctypes.CFUNCTYPE(c_int, c_int, POINTER(c_int64), POINTER(c_int64))),
                ("run", ctypes.CFUNCTYPE(c_int, POINTER(c_void_p), POINTER(c_void_p), POINTER(c_int64), c_void_p, c_size_t, c_void_p, POINTER(_Env))),
                ("weights_file_bytes", c_size_t), ("check_weights", ctypes.CFUNCTYPE(c_int, c_void_p, c_size_t)),
                ("device_alloc", c_void_p), ("device_free", c_void_p), ("device_upload", c_void_p), ("prepare_host", c_void_p)]


def _aligned(size):
    """Zeroed memory for `size` bytes at a multiple of ALIGN, as an array."""
    block = np.zeros(size + ALIGN, np.uint8)
    start = -block.ctypes.data % ALIGN
    return block[start:start + size]


class Library:
    """`inputs` and `outputs` are the names of the tensors that a run takes and gives, in order. Calls may come from several threads at a time, but
    for a model with state."""

    def __init__(self, path, name):
        self._dll = ctypes.CDLL(os.path.abspath(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
        describe = getattr(self._dll, f"{name}_model")
        describe.restype = POINTER(_Model)
        self._m = describe().contents
        if self._m.abi != ABI:
            raise RunError(0, f"the library's ABI is {self._m.abi}, not {ABI}")
        if self._m.device_alloc:
            raise RunError(0, "libraries for a device can't be run from Python")
        self._weights = self._read_weights(path, name)
        self._state = _aligned(self._m.state_bytes)
        self._grown = {}  # sizes of what the state holds, by name, where they are known; else 0
        self.inputs = [self._m.inputs[i].name.decode() for i in range(self._m.n_inputs)]
        self.outputs = [self._m.outputs[i].name.decode() for i in range(self._m.n_outputs)]

    def _read_weights(self, path, name):
        if not self._m.weights_file_bytes:
            return None
        content = np.fromfile(os.path.join(os.path.dirname(os.path.abspath(path)), f"{name}_weights.bin"), np.uint8)
        weights = _aligned(len(content))
        weights[:] = content
        if len(weights) != self._m.weights_file_bytes or (self._m.check_weights and self._m.check_weights(weights.ctypes.data, len(weights))):
            raise RunError(-6)
        return weights

    def reset(self):
        """Forgets the state that runs have left."""
        self._state[:] = 0
        self._grown = {}

    def _state_dims(self):
        """(number, name) of the dimensions that the state alone has."""
        return [(k, self._m.dims[k].name.decode()) for k in range(self._m.n_dims) if self._m.dims[k].input == OF_STATE]

    def _size_after(self, k, dims):
        """What size k of the state is after a run with these dimensions; None where the library doesn't tell."""
        out = (c_int64 * 1)()
        return None if self._m.shape(-1 - k, dims, out) < 0 else out[0]

    def _read_dims(self, arrays, sizes):
        """Values of the run-time dimensions; of one that the run decides, what says that it has not yet."""
        dims = (c_int64 * max(self._m.n_dims, 1))()
        of_state = self._state_dims()
        unknown = sizes.keys() - {name for _, name in of_state}
        if unknown:
            raise RunError(0, f"the state has no size '{min(unknown)}'; it has {', '.join(n for _, n in of_state) or 'none of its own'}")
        for k in range(self._m.n_dims):
            d = self._m.dims[k]
            name = d.name.decode()
            if d.input == OF_STATE:
                dims[k] = sizes.get(name, self._grown.get(name, 0))
            else:
                dims[k] = BEFORE_RUN if d.input < 0 else arrays[d.input].shape[d.axis]
            if d.input == OF_STATE and name not in sizes and self._size_after(k, dims) is None:
                raise RunError(0, f"size '{name}' of the state is not known here: give it, as in run(inputs, sizes={{'{name}': 3}})")
            if d.input != OF_RUN and not d.lo <= dims[k] <= d.hi:
                more = f"; dim={{'{name}': '0..{d.hi}'}} lets the state be empty" if d.input == OF_STATE and not dims[k] else ""
                raise RunError(-2, f"dimension '{name}' is {dims[k]}; the model was compiled for {d.lo} to {d.hi}{more}")
        for i, array in enumerate(arrays):
            for axis in range(array.ndim):
                s = self._m.inputs[i].shape[axis]
                k = -1 - s if s < 0 else -1
                want = s if s >= 0 else dims[k] if k < self._m.n_dims and self._m.dims[k].input >= 0 else array.shape[axis]
                if want != array.shape[axis]:
                    raise RunError(-2, f"dimension {axis} of input '{self.inputs[i]}' is {array.shape[axis]}, not {want}")
        return dims

    def _beyond(self, dims):
        """Of a run that found a size larger, or smaller, than the model was compiled for: which, the only one that it wrote back."""
        found = [(self._m.dims[k], dims[k]) for k in range(self._m.n_dims) if self._m.dims[k].input == OF_RUN and dims[k] != BEFORE_RUN]
        bound = "".join(f": '{d.name.decode()}' is {n}" + (f", which may be {d.lo} to {d.hi}" if d.hi < BEFORE_RUN else "") for d, n in found[:1])
        return _ERRORS[E_CAPACITY] + bound

    def _shape(self, i, dims):
        out = (c_int64 * max(self._m.outputs[i].rank, 1))()
        code = self._m.shape(i, dims, out)
        if code < 0:
            raise RunError(code)
        return tuple(out[:self._m.outputs[i].rank])

    def _arena(self, dims):
        size = self._m.arena_bytes
        if self._m.n_dims > 0 or not size:
            needed = self._m.prepare(dims)
            if needed < 0:
                raise RunError(int(needed))
            size = max(size, needed)
        return _aligned(size)

    def run(self, values, sizes=None):
        """Outputs, in order, of a run on these inputs, in order. `sizes`: of what the state holds, by name, in place of those that runs have left."""
        if len(values) != self._m.n_inputs:
            raise RunError(0, f"{len(values)} inputs are given, the model has {self._m.n_inputs}")
        arrays = []
        for i, v in enumerate(values):
            info = self._m.inputs[i]
            try:
                arrays.append(types.as_array(v, info.type))
            except (TypeError, ValueError, OverflowError) as e:
                raise RunError(0, f"input '{self.inputs[i]}': {e}") from e
            if arrays[i].ndim != info.rank:
                raise RunError(0, f"input '{self.inputs[i]}' has {arrays[i].ndim} dimensions, not {info.rank}")
        dims = self._read_dims(arrays, sizes or {})
        given = [types.to_memory(a, self._m.inputs[i].type) for i, a in enumerate(arrays)]
        shapes = [self._shape(i, dims) for i in range(self._m.n_outputs)]
        made = [types.memory_for(int(np.prod(s, dtype=np.int64)), self._m.outputs[i].type) for i, s in enumerate(shapes)]
        arena = self._arena(dims)
        env = _Env(weights=None if self._weights is None else self._weights.ctypes.data, decode_image=images.decode_image)
        code = self._m.run((c_void_p * max(len(given), 1))(*[g[0] for g in given]), (c_void_p * max(len(made), 1))(*[m[0] for m in made]), dims,
                           arena.ctypes.data if len(arena) else None, len(arena), self._state.ctypes.data if len(self._state) else None, ctypes.byref(env))
        if code < 0:
            raise RunError(code, self._beyond(dims) if code == E_CAPACITY else None)
        self._grown = {name: self._size_after(k, dims) or 0 for k, name in self._state_dims()}
        return [types.from_memory(made[i][1], self._m.outputs[i].type, self._shape(i, dims)) for i in range(self._m.n_outputs)]
