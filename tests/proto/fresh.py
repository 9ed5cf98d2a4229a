"""Compares proto/onnx.proto with the messages of the installed onnx package: names, numbers, types and labels of fields, and enum values.

Usage: fresh.py PROTOC proto/onnx.proto. Exit code 77 (skipped) where the onnx package or its IR version is not the one transcribed.
"""
import os
import subprocess
import sys
import tempfile

IR_VERSION = 14


def fields(messages, prefix=""):
    """{"Message.field": (number, type, label, type name, packed, oneof)} and {"Message.Enum.VALUE": number}."""
    found = {}
    for message in messages:
        name = prefix + message.name
        for f in message.field:
            oneof = message.oneof_decl[f.oneof_index].name if f.HasField("oneof_index") else None
            found[f"{name}.{f.name}"] = (f.number, f.type, f.label, f.type_name, f.options.packed, oneof)
        for enum in message.enum_type:
            for value in enum.value:
                found[f"{name}.{enum.name}.{value.name}"] = value.number
        found.update(fields(message.nested_type, name + "."))
    return found


def main():
    try:
        import onnx
        from google.protobuf import descriptor_pb2
        from onnx import onnx_data_pb2, onnx_ml_pb2
    except ImportError:
        return 77
    if onnx.IR_VERSION != IR_VERSION:
        return 77
    protoc, path = sys.argv[1:]
    theirs = {}
    for module in (onnx_ml_pb2, onnx_data_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        theirs.update(fields(file.message_type))
    with tempfile.NamedTemporaryFile() as out:
        folder = os.path.dirname(os.path.abspath(path))
        subprocess.check_call([protoc, f"--proto_path={folder}", "-o", out.name, os.path.basename(path)])
        ours = fields(descriptor_pb2.FileDescriptorSet.FromString(out.read()).file[0].message_type)
    # Kinds of values in files of test data are plain numbers in ours.
    theirs = {k: v for k, v in theirs.items() if not k.startswith(("SequenceProto.DataType.", "OptionalProto.DataType."))}
    wrong = [k for k in sorted(set(ours) | set(theirs)) if ours.get(k) != theirs.get(k)]
    for k in wrong:
        print(f"{k}: ours {ours.get(k)}, the onnx package's {theirs.get(k)}")
    return 1 if wrong else 0


sys.exit(main())
