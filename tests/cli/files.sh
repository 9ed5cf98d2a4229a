# The files that the tests of the command line work on, as bytes: models of one node, and tensors. Made in the current folder.
# relu.onnx: y = Relu(x), x float[n,3]
printf '\010\010\022\000:\075\012\014\012\001x\022\001y\042\004Relu\022\001gZ\024\012\001x\022\017\012\015\010\001\022\011\012\003\022\001n\012\002\010\003b\024\012\001y\022\017\012\015\010\001\022\011\012\003\022\001n\012\002\010\003B\004\012\000\020\015' > relu.onnx
# two.onnx: the same with two inputs: invalid
printf '\010\010\022\000:\100\012\017\012\001x\012\001x\022\001y\042\004Relu\022\001gZ\024\012\001x\022\017\012\015\010\001\022\011\012\003\022\001n\012\002\010\003b\024\012\001y\022\017\012\015\010\001\022\011\012\003\022\001n\012\002\010\003B\004\012\000\020\015' > two.onnx
# custom.onnx: an operator of an unknown domain: valid, not supported
printf '\010\010\022\000:J\012\031\012\001x\022\001y\042\004Relu:\013com.example\022\001gZ\024\012\001x\022\017\012\015\010\001\022\011\012\003\022\001n\012\002\010\003b\024\012\001y\022\017\012\015\010\001\022\011\012\003\022\001n\012\002\010\003B\004\012\000\020\015B\017\012\013com.example\020\001' > custom.onnx
# x.pb: a TensorProto, float[2,3]
printf '\010\002\010\003\020\001B\001xJ\030\000\000\200\077\000\000\000\300\000\000\100\100\000\000\200\300\000\000\240\100\000\000\300\300' > x.pb
# y.pb: Relu of it
printf '\010\002\010\003\020\001B\001yJ\030\000\000\200\077\000\000\000\000\000\000\100\100\000\000\000\000\000\000\240\100\000\000\000\000' > y.pb
# wrong.pb: the same with one element changed
printf '\010\002\010\003\020\001B\001yJ\030\000\000\200\077\000\000\000\000\000\000\100\100\000\000\000\000\000\000\240\100\000\000\200\077' > wrong.pb
# band.onnxtxt: three convolutions that run as one band of rows with --optimize=size
cat > band.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
band (float[1,64,28,28] x) => (float[1,64,28,28] y)
<int64[4] point = {64, 64, 1, 1}, int64[4] deep = {64, 1, 3, 3}>
{
    w = ConstantOfShape <value = float[1] {0.01}> (point)
    v = ConstantOfShape <value = float[1] {0.1}> (deep)
    a = Conv <kernel_shape = [1, 1]> (x, w)
    b = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 64> (a, v)
    y = Conv <kernel_shape = [1, 1]> (b, w)
}
END
