# Models of integers: their generated C is clean and needs nothing of libm.
. "$(dirname "$0")/lib.sh"
for model in products tables sums movement clamps unsigned; do
    expect 0 compile "$here/../passes/integer/$model.onnxtxt" --name=m --target=generic-c99 --verify-passes -o $model
    for cc in gcc clang; do
        command -v $cc > /dev/null || continue
        for level in -O0 -O2; do
            $cc $level -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -c $model/m.c -o m.o 2> err || fail "$model is not clean with $cc $level"
            nm -u m.o | awk '{print $NF}' | grep -Ev '^(m_.*|mem(set|cpy|move)|_GLOBAL_OFFSET_TABLE_)$' > out && fail "$model needs a library with $cc $level"
        done
    done
done
# Operators of our own are made by passes only.
cat > own.onnxtxt <<'END'
<ir_version: 8, opset_import: ["": 17, "onnxcc": 1]>
g (uint8[n] x) => (uint8[n] y) <uint8[2] t = {1, 2}> { y = onnxcc.Lookup (x, t) }
END
expect 4 compile own.onnxtxt -o own
says err "operator onnxcc.Lookup is not supported"
