"""Element types: TensorProto.DataType codes and numpy.

Types that numpy lacks are those of ml_dtypes, as in the onnx package, when that is installed; else arrays hold the bits, one element in an unsigned
integer. In a model's memory types of less than 8 bits are packed, the first one in the low bits; strings are pointer and length."""
import ctypes

import numpy as np

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

STRING = 8
_PLAIN = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 12: "uint32",
          13: "uint64", 14: "complex64", 15: "complex128"}
_EXTENDED = {16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
             23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2", 27: "float6_e2m3fn", 28: "float6_e3m2fn"}
_PACKED_BITS = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2, 27: 6, 28: 6}


class String(ctypes.Structure):
    """onnxcc_string"""
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def dtype_of(code):
    """The numpy type of arrays of that element type."""
    if code == STRING:
        return np.dtype(object)
    if code in _PLAIN:
        return np.dtype(_PLAIN[code])
    if code not in _EXTENDED:
        raise TypeError(f"there is no element type {code}")
    known = getattr(ml_dtypes, _EXTENDED[code], None)
    return np.dtype(known) if known else np.dtype(np.uint16 if code == 16 else np.uint8)


def as_array(value, code):
    """The value as an array of that element type, dense. Python numbers and lists become it; arrays of another type are an error, but for bits (an
    unsigned integer of the same size) in place of a type that numpy lacks."""
    want = dtype_of(code)
    if not isinstance(value, (np.ndarray, np.generic)):
        return np.ascontiguousarray(value, dtype=want).reshape(np.shape(value))
    value = np.asarray(value)
    if code == STRING:
        if value.dtype.kind not in "OUS":
            raise TypeError(f"an array of {value.dtype} is given for strings")
        return value
    if value.dtype != want:
        bits = code in _EXTENDED and value.dtype == (np.uint16 if code == 16 else np.uint8)
        if not bits:
            raise TypeError(f"an array of {value.dtype} is given for {want}")
        value = value.view(want)
    return np.ascontiguousarray(value).reshape(value.shape)


def _pack(array, bits):
    """Bytes in which element i begins at bit i * bits."""
    each = array.reshape(-1, 1).view(np.uint8) >> np.arange(bits, dtype=np.uint8) & 1
    return np.packbits(each.reshape(-1), bitorder="little")


def _unpack(packed, bits, count):
    each = np.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    return np.bitwise_or.reduce(each << np.arange(bits, dtype=np.uint8), axis=1).astype(np.uint8)


def to_memory(array, code):
    """(address, what keeps it alive) of the array's elements as a model reads them."""
    if code == STRING:
        texts = [s if isinstance(s, bytes) else str(s).encode() for s in array.reshape(-1)]
        block = (String * max(len(texts), 1))(*[String(ctypes.cast(t, ctypes.c_void_p), len(t)) for t in texts])
        return ctypes.addressof(block), (block, texts)
    if code in _PACKED_BITS:
        array = _pack(array, _PACKED_BITS[code])
    return array.ctypes.data, array


def memory_for(count, code):
    """A block for `count` elements that a model writes, and its address."""
    if code == STRING:
        block = (String * max(count, 1))()
        return ctypes.addressof(block), block
    bits = _PACKED_BITS.get(code)
    block = np.zeros(max((count * bits + 7) // 8, 1), np.uint8) if bits else np.zeros(max(count, 1), dtype_of(code))
    return block.ctypes.data, block


def from_memory(block, code, shape):
    """The array of that shape which the block's first elements are."""
    count = int(np.prod(shape, dtype=np.int64))
    if code == STRING:
        texts = np.empty(count, object)
        for i in range(count):
            texts[i] = ctypes.string_at(block[i].data, block[i].length).decode() if block[i].length else ""
        return texts.reshape(shape)
    if code in _PACKED_BITS:
        return _unpack(block, _PACKED_BITS[code], count).view(dtype_of(code)).reshape(shape)
    return block[:count].reshape(shape)
