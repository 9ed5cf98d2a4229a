#!/usr/bin/env python3
"""Writes schema_data.inc: every version of every operator of the ONNX standard, as C tables that schema.c includes.

In:   the installed `onnx` package (its registry is the standard's own machine-readable form).
Out:  the file named on the command line, or with --check a comparison: exit 0 when the file is fresh, 1 when it is not,
      77 when this Python has no onnx package or another version than the file was made with (a test then counts as skipped).

Lists that occur several times (inputs, type constraints, attributes) are stored once and pointed at.
"""
import re
import sys

try:
    import onnx
    import onnx.defs
    import onnx.helper
except ImportError:
    if "--check" in sys.argv:
        print("skipped: this python3 has no onnx package")
        sys.exit(77)
    raise

DOMAINS = ["", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "ai.onnx.training"]
# Order fixes the bits in schema_types.maps; schema.h lists them too.
MAPS = ["map(int64,double)", "map(int64,float)", "map(int64,string)", "map(string,double)", "map(string,float)", "map(string,int64)",
        "seq(map(int64,float))", "seq(map(string,float))"]
TENSOR = {name.lower(): code for name, code in onnx.TensorProto.DataType.items()}
OPTION = {"Single": "ONE", "Optional": "OPT", "Variadic": "VAR"}


def type_set(strings):
    """'tensor(float)', 'seq(tensor(int8))', ... -> the five bit masks of schema_types"""
    mask = {"tensor": 0, "seq": 0, "optional": 0, "optseq": 0, "map": 0}
    for s in strings:
        s = re.sub(r"\s", "", s)
        m = re.fullmatch(r"(optional\(seq\(|seq\(|optional\(|)tensor\((\w+)\)+", s)
        if m and not s.startswith("map"):
            where = {"": "tensor", "seq(": "seq", "optional(": "optional", "optional(seq(": "optseq"}[m[1]]
            mask[where] |= 1 << TENSOR[m[2]]
        else:
            mask["map"] |= 1 << MAPS.index(re.sub(r"tensor\((\w+)\)", r"\1", s))
    return tuple(mask.values())


class Pool:
    """Lists of rows, each different list stored once; add() gives the C expression that points at its first row."""

    def __init__(self, name):
        self.name, self.rows, self.at = name, [], {}

    def add(self, rows):
        if not rows:
            return "NULL"
        key = tuple(rows)
        if key not in self.at:
            self.at[key] = len(self.rows)
            self.rows += rows
        return f"{self.name} + {self.at[key]}"


def c_string(data):
    """bytes -> the inside of a C string literal; three-digit octal escapes cannot swallow what follows"""
    out = []
    for b in data:
        c = chr(b)
        out.append("\\" + c if c in '"\\?' else c if 32 <= b < 127 else f"\\{b:03o}")
    return "".join(out)


def c_literal(data, width=140):
    """bytes -> C string literals, one a line"""
    out, line = [], ""
    for b in data:
        piece = c_string(bytes([b]))
        if len(line) + len(piece) > width:
            out.append(line)
            line = ""
        line += piece
    return "\n".join(f'    "{l}"' for l in out + [line])


def c_default(a):
    if not a.default_value.name:
        return "NO_DEFAULT"
    v, kind = onnx.helper.get_attribute_value(a.default_value), a.type.name
    if kind == "INT":
        return f"INT({v})"
    if kind == "FLOAT":
        return f"FLOAT({float(v).hex()}f)"
    if kind == "STRING":
        return f'STRING("{c_string(v)}")'
    if kind == "INTS":
        return f"INTS({len(v)}, {', '.join(map(str, v))})"
    if kind == "STRINGS":
        return "STRINGS({}, {})".format(len(v), ", ".join(f'"{c_string(x)}"' for x in v)) if v else "NO_STRINGS"
    raise ValueError(f"no C form for a default of kind {kind}: {a.name} = {v}")


def takes_any_attribute(s):
    """whether onnx.checker lets a node have attributes that its schema does not know"""
    node = onnx.helper.make_node(s.name, ["i"] * s.min_input, [f"o{k}" for k in range(s.min_output)], domain=s.domain)
    for name, a in s.attributes.items():
        if a.required:
            node.attribute.add(name=name, type=int(a.type.value))
    node.attribute.add(name="no_such_attribute", type=onnx.AttributeProto.INT)
    context = onnx.checker.C.CheckerContext()
    context.ir_version = onnx.IR_VERSION
    context.opset_imports = {s.domain: s.since_version}
    try:
        onnx.checker.check_node(node, context)
    except onnx.checker.ValidationError:
        return False
    return True


def body_bytes(schema, version):
    """the FunctionProto without doc strings"""
    f = onnx.FunctionProto()
    f.ParseFromString(schema.get_function_with_opset_version(version))
    f.ClearField("doc_string")
    for n in f.node:
        n.ClearField("doc_string")
        n.ClearField("name")
    return f.SerializeToString(deterministic=True)


def generate():
    sets, params, constraints, attrs, bodies = {}, Pool("PARAM"), Pool("CONSTRAINT"), Pool("ATTR"), Pool("BODY")
    texts, lines = {}, []

    def set_index(strings):
        return sets.setdefault(type_set(strings), len(sets))

    def param_rows(formal, names):
        return [f'{{"{p.name}", {OPTION[p.option.name]}, {int(p.is_homogeneous)}, '
                f'{names.index(p.type_str) if p.type_str in names else -1}, TYPE_SET + {set_index(p.types)}}}' for p in formal]

    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain in DOMAINS]
    for s in sorted(schemas, key=lambda s: (s.domain, s.name, s.since_version)):
        names = [t.type_param_str for t in s.type_constraints]
        con = constraints.add([f'{{"{t.type_param_str}", TYPE_SET + {set_index(t.allowed_type_strs)}}}' for t in s.type_constraints])
        att = attrs.add([f'{{"{n}", {int(a.type.value)}, {int(a.required)}, {c_default(a)}}}' for n, a in sorted(s.attributes.items())])
        rows = []
        for v in sorted(s.function_opset_versions) if s.has_function else []:
            data = body_bytes(s, v)
            name = texts.setdefault(data, f"body_{s.name}_{s.since_version}_{v}")
            rows.append(f"{{{v}, {len(data)}, {name}}}")
        many = lambda n: "MANY" if n > 1000 else str(n)
        lines.append(
            f'{{"{s.domain}", "{s.name}", {s.since_version}, {int(s.deprecated)}, {int(s.has_context_dependent_function)}, '
            f"{int(takes_any_attribute(s))}, {int(s.has_type_and_shape_inference_function or s.has_function)}, "
            f"{s.min_input}, {many(s.max_input)}, {s.min_output}, {many(s.max_output)}, "
            f"{len(s.inputs)}, {len(s.outputs)}, {len(names)}, {len(s.attributes)}, {len(rows)}, "
            f"{params.add(param_rows(s.inputs, names))}, {params.add(param_rows(s.outputs, names))}, {con}, {att}, {bodies.add(rows)}}},")

    newest = {d: 0 for d in DOMAINS}
    for s in schemas:
        newest[s.domain] = max(newest[s.domain], s.since_version)
    last = onnx.helper.VERSION_TABLE[-1]
    newest[""], newest["ai.onnx.ml"], newest["ai.onnx.training"] = last[2], last[3], last[4]
    releases = {}
    for row in onnx.helper.VERSION_TABLE:  # of releases with equal numbers the first is enough
        releases.setdefault(tuple(row[1:]), row[0])

    out = [f"/* Made by gen_schema.py from onnx {onnx.__version__}. Do not edit; run it again:",
           " *     python3 compiler/schema/gen_schema.py compiler/schema/schema_data.inc */"]

    def table(head, rows):
        out.append(f"\n{head} = {{")
        out.extend(rows)
        out.append("};")

    table("static const schema_domain DOMAIN[]", [f'    {{"{d}", {newest[d]}}},' for d in DOMAINS])
    table("static const schema_release RELEASE[]",
          [f'    {{"{name}", {k[0]}, {k[1]}, {k[2]}, {k[3] if len(k) > 3 else 0}}},' for k, name in releases.items()])
    table("static const schema_types TYPE_SET[]", ["    {" + ", ".join(f"{m:#x}" for m in k) + "}," for k in sets])
    table("static const schema_constraint CONSTRAINT[]", [f"    {r}," for r in constraints.rows])
    table("static const schema_param PARAM[]", [f"    {r}," for r in params.rows])
    table("static const schema_attr ATTR[]", [f"    {r}," for r in attrs.rows])
    out.append("\n/* FunctionProto messages */")
    out += [f"static const char {name}[] =\n{c_literal(data)};" for data, name in texts.items()]
    table("static const schema_body BODY[]", [f"    {r}," for r in bodies.rows])
    table("static const op_schema SCHEMA[]", [f"    {l}" for l in lines])
    return "\n".join(out) + "\n"


def main():
    args = [a for a in sys.argv[1:] if a != "--check"]
    if len(args) != 1:
        sys.exit("usage: gen_schema.py [--check] FILE")
    new = generate()
    if "--check" not in sys.argv:
        with open(args[0], "w", newline="\n") as f:
            f.write(new)
        return
    with open(args[0]) as f:
        old = f.read()
    made_with = re.match(r".*from onnx (\S+)\. ", old)
    if made_with and made_with[1] != onnx.__version__:
        print(f"skipped: the file was made with onnx {made_with[1]}, this is {onnx.__version__}")
        sys.exit(77)
    if old != new:
        sys.exit(f"{args[0]} is not what gen_schema.py writes: run it again")


if __name__ == "__main__":
    main()
