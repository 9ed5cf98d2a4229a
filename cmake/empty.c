/* The executable is the library with its main. */
typedef int onnxcc_empty;
