"""Element types: TensorProto.DataType codes and numpy.

Types that numpy lacks are those of ml_dtypes, as in the onnx package, when that is installed; else arrays hold the bits, one element in an unsigned
integer. In a model's memory types of less than 8 bits are packed, the first one in the low bits; strings are pointer and length."""
import ctypes
import re

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


_NAMES = ("float uint8 int8 uint16 int16 int32 int64 string bool float16 double uint32 uint64 complex64 complex128 bfloat16 float8e4m3fn float8e4m3fnuz "
          "float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1 float8e8m0 uint2 int2 float6e2m3 float6e3m2")
_CODES = {name: code for code, name in enumerate(_NAMES.split(), 1)}  # by the name in the onnx package's text
_WHOLE = {2, 3, 4, 5, 6, 7, 12, 13, 21, 22, 25, 26}
_KINDS = {"f": "numbers with a fraction", "c": "complex numbers", "U": "texts", "S": "texts", "i": "integers",
          "u": "integers", "b": "truth values"}


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


def code_of(kind):
    """The element type in a type's text, such as "seq(float[n,3])"."""
    return _CODES[re.split(r"[(\[]", kind.rstrip(")").partition("[")[0])[-1]]


def given_as(value, kind):
    """What a caller gives for a tensor of that type, or for one in a sequence of them: an array as it is, Python numbers, texts and lists converted."""
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        return np.asarray(value)
    return as_array(value, code_of(kind))


def _converted(value, code, want):
    """Of Python numbers, texts and lists: the array, where no element becomes another one."""
    if code == STRING:
        array = np.array(value, dtype=object)
        if not all(isinstance(s, (str, bytes)) for s in array.reshape(-1)):
            raise TypeError("texts are wanted")
        return array
    if code in _EXTENDED and code not in _WHOLE and want.kind == "u":
        raise TypeError("without ml_dtypes an array of the bits is wanted")
    plain = np.asarray(value)
    if plain.size and plain.dtype.kind not in ("b" if code == 9 else "biu" if code in _WHOLE else "biufc" if want.kind == "c" else "biuf"):
        raise TypeError(f"{_KINDS.get(plain.dtype.kind, 'other things than numbers')} are given for {want}")
    array = np.ascontiguousarray(value, dtype=want).reshape(plain.shape)
    if code in _WHOLE and not np.array_equal(array.astype(object), plain.astype(object)):
        raise TypeError(f"an element is outside the range of {want}")
    return array


def as_array(value, code):
    """The value as an array of that element type, dense. Python numbers, texts and lists become it; arrays of another type are an error, but for bits (an
    unsigned integer of the same size) in place of a type that numpy lacks."""
    want = dtype_of(code)
    if not isinstance(value, (np.ndarray, np.generic)):
        return _converted(value, code, want)
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
