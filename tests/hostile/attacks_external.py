"""Attacks through external data: files that are not the model's, and places that are not in the file."""
import os
import struct

from attacks import attack
from wire import *  # noqa: F403

BYTES = b"\0\0\x80\x3f" * 2


def at(location, **more):
    return with_weight(external(location=location, length="8", **more))


def beside(folder, name="w.bin", data=BYTES):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    return path


def outside(folder):
    return beside(os.path.dirname(folder), "outside.bin")


@attack("external data one folder up")
def external_parent(folder):
    outside(folder)
    return at("../outside.bin")


@attack("external data up through a folder")
def external_down_and_up(folder):
    outside(folder)
    os.makedirs(os.path.join(folder, "a"))
    return at("a/../../outside.bin")


@attack("external data up and back into the folder")
def external_up_and_back(folder):
    beside(folder)
    return at(f"../{os.path.basename(folder)}/w.bin")


@attack("external data with an absolute path")
def external_absolute(folder):
    return at(outside(folder))


@attack("external data of /etc/passwd")
def external_passwd(folder):
    return at("/etc/passwd")


@attack("external data with a backslash")
def external_backslash(folder):
    outside(folder)
    return at("..\\outside.bin")


@attack("external data with a drive and with a share of Windows")
def external_drive(folder):
    return {"drive.onnx": at("C:\\outside.bin"), "share.onnx": at("\\\\host\\share\\outside.bin"), "url.onnx": at("file:///etc/passwd")}


@attack("external data behind a symbolic link out of the folder")
def external_symlink(folder):
    os.symlink(outside(folder), os.path.join(folder, "w.bin"))
    return at("w.bin")


@attack("external data behind a symbolic link within the folder")
def external_symlink_inside(folder):
    beside(folder, "real.bin")
    os.symlink("real.bin", os.path.join(folder, "w.bin"))
    return at("w.bin")


@attack("external data in a folder that is a symbolic link")
def external_symlink_parent(folder):
    outside(folder)
    os.symlink("..", os.path.join(folder, "sub"))
    return at("sub/outside.bin")


@attack("external data in a folder that is a link to one within", differs="no link is followed, wherever it leads")
def external_symlink_parent_inside(folder):
    beside(folder, "real/w.bin")
    os.symlink("real", os.path.join(folder, "sub"))
    return at("sub/w.bin")


@attack("external data that are a loop of links, and a link to nothing")
def external_symlink_loop(folder):
    os.symlink("b", os.path.join(folder, "a"))
    os.symlink("a", os.path.join(folder, "b"))
    os.symlink("nothing", os.path.join(folder, "c"))
    return {"loop.onnx": at("a"), "dangling.onnx": at("c")}


@attack("external data in a file that has another name elsewhere")
def external_hard_link(folder):
    os.link(outside(folder), os.path.join(folder, "w.bin"))
    return at("w.bin")


@attack("external data in a pipe that nobody writes to")
def external_fifo(folder):
    os.mkfifo(os.path.join(folder, "w.bin"))
    return at("w.bin")


@attack("external data in /dev/zero, by a link and by name")
def external_device(folder):
    os.symlink("/dev/zero", os.path.join(folder, "w.bin"))
    return {"link.onnx": at("w.bin"), "name.onnx": at("/dev/zero")}


@attack("external data that are a folder, the folder itself, and below a file")
def external_folder(folder):
    os.makedirs(os.path.join(folder, "sub"))
    beside(folder, "file.bin")
    return {"sub.onnx": at("sub"), "slash.onnx": at("sub/"), "dot.onnx": at("."), "below.onnx": at("file.bin/w"), "none.onnx": at("")}


@attack("external data in a file that is not there")
def external_missing(folder):
    return at("w.bin")


@attack("external data without a location, with two, and with an unknown key", "any")
def external_entries(folder):
    beside(folder)
    return {"none.onnx": with_weight(external(length="8")), "two.onnx": with_weight(external(location="w.bin") + blob(13, entry("location", "../outside.bin"))),
            "unknown.onnx": with_weight(external(location="w.bin", colour="red"))}


@attack("external data and data in the model", lines=2)
def external_and_raw(folder):
    beside(folder)
    return with_weight(external(location="w.bin") + blob(9, BYTES))


def ranges(name, what, entries):
    def make(folder):
        beside(folder)
        return {f"{i}.onnx": with_weight(external(location="w.bin", **e)) for i, e in enumerate(entries)}
    make.__name__ = name
    attack(what, differs="onnx.checker reads neither offset nor length")(make)


ranges("external_offset_beyond", "an offset past the end", [{"offset": "9", "length": "8"}, {"offset": "4096", "length": "8"}])
ranges("external_length_beyond", "a length past the end", [{"length": "4096"}, {"offset": "4", "length": "8"}])
ranges("external_length_differs", "a length that is not that of the shape", [{"length": "4"}, {"length": "0"}])
ranges("external_all_ones", "offset and length of 2^64 - 1", [{"offset": str(2**64 - 1), "length": "8"}, {"length": str(2**64 - 1)},
                                                              {"offset": str(2**64 - 1), "length": str(2**64 - 1)}])
ranges("external_wraps", "offset + length is 8 in 64 bits", [{"offset": str(2**64 - 8), "length": "16"}, {"offset": str(2**64), "length": "8"}])
ranges("external_no_numbers", "offsets that are no numbers", [{"offset": v, "length": "8"} for v in ("-1", "-8", "0x0", "1e3", " 4", "", "4;", "٤")])


@attack("external data that overlap: tensors of the same bytes", "fine")
def external_overlap(folder):
    beside(folder, data=BYTES * 2)
    ts = [external(n, location="w.bin", offset=str(o), length="8") for n, o in (("a", 0), ("b", 4), ("c", 8), ("d", 0))]
    return model(graph([node("Sum", ["a", "b", "c", "d"], ["y"])], [], [value("y")], ts))


@attack("external data that are the model file itself, at an odd place", "fine")
def external_self(folder):
    return at("external_self.onnx", offset="3")


@attack("external data of a terabyte in a sparse file", "any")
def external_sparse_file(folder):
    with open(os.path.join(folder, "w.bin"), "wb") as f:
        f.truncate(1 << 40)
    return with_weight(external(dims=(1 << 38,), location="w.bin", length=str(1 << 40)))


# ---- the same through everything that holds a tensor ----

OUT = "../outside.bin"


def out_tensor(**more):
    return external(location=OUT, length="8", **more)


@attack("external data outside, of the attribute of Constant")
def through_constant(folder):
    outside(folder)
    return model(graph([node("Constant", [], ["y"], attr_tensor("value", out_tensor()))], [], [out(1)]))


@attack("external data outside, of a list of tensors in an attribute of an operator that is not known", lines=2)
def through_tensor_list(folder):
    outside(folder)
    ts = attr("ts", 9, blob(10, out_tensor()) + blob(10, out_tensor()))
    return model(graph([node("Own", ["x"], ["y"], ts, domain="own")], [value("x")], [value("y")]), domains=["own"])


@attack("external data outside, of the values of a sparse initializer")
def through_sparse_values(folder):
    outside(folder)
    s = sparse(out_tensor(), tensor("", (2,), INT64, struct.pack("<2q", 0, 1)), (4,))
    return model(graph([node("Identity", ["w"], ["y"])], [], [out(1)], extra=blob(15, s)))


@attack("external data outside, of the indices of a sparse initializer")
def through_sparse_indices(folder):
    outside(folder)
    s = sparse(tensor("w", (1,)), external("", (1,), INT64, location=OUT, length="8"), (4,))
    return model(graph([node("Identity", ["w"], ["y"])], [], [out(1)], extra=blob(15, s)))


@attack("external data outside, of a sparse attribute of Constant")
def through_sparse_attribute(folder):
    outside(folder)
    s = sparse(out_tensor(), tensor("", (2,), INT64, struct.pack("<2q", 0, 1)), (4,))
    return model(graph([node("Constant", [], ["y"], attr("sparse_value", 11, blob(22, s)))], [], [out(1)]))


@attack("external data outside, of an initializer in a branch")
def through_subgraph(folder):
    outside(folder)
    b = graph([node("Identity", ["w"], ["p"])], [], [value("p")], [out_tensor()], name="b")
    e = graph([node("Identity", ["x"], ["p"])], [], [value("p")], name="e")
    g = graph([node("If", ["c"], ["y"], attr_graph("then_branch", b), attr_graph("else_branch", e))], [value("c", (), 9), value("x")], [value("y")])
    return model(g)


@attack("external data outside, of a constant in a function")
def through_function(folder):
    outside(folder)
    f = function("f", ["x"], ["y"], [node("Constant", [], ["w"], attr_tensor("value", out_tensor())), node("Add", ["x", "w"], ["y"])])
    return model(graph([node("f", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), [f], domains=["local"])


@attack("external data outside, of a function that nothing calls")
def through_idle_function(folder):
    outside(folder)
    f = function("f", ["x"], ["y"], [node("Constant", [], ["w"], attr_tensor("value", out_tensor())), node("Add", ["x", "w"], ["y"])])
    return plain(functions=[f], domains=["local"])


@attack("external data outside, of an initializer that nothing uses")
def through_idle_initializer(folder):
    outside(folder)
    return plain(initializers=[out_tensor()])
