"""Makes grpc_service.proto and model_config.proto: Triton's messages, as its Python client has them compiled in.

    pip install 'tritonclient[grpc]==2.40.0'
    python make.py
"""

from pathlib import Path

from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2

Field = descriptor_pb2.FieldDescriptorProto
HEAD = """// The messages of Triton Inference Server, (c) NVIDIA Corporation, BSD-3-Clause: see LICENSE beside this file.
// Written by make.py from what tritonclient 2.40.0 (PyPI) has compiled in, so without its comments.
"""


def kind(field):
    """The name of a field's type; those of the package without the package."""
    if field.type_name:
        return field.type_name.removeprefix(".inference.")
    return Field.Type.Name(field.type).removeprefix("TYPE_").lower()


def line(field, entries):
    if field.type_name in entries:
        key, value = entries[field.type_name].field
        return f"map<{kind(key)}, {kind(value)}> {field.name} = {field.number};"
    label = "repeated " if field.label == Field.LABEL_REPEATED else ""
    return f"{label}{kind(field)} {field.name} = {field.number};"


def message(own, path, pad):
    path = f"{path}.{own.name}"
    entries = {f"{path}.{n.name}": n for n in own.nested_type if n.options.map_entry}
    yield f"{pad}message {own.name} {{"
    inner = pad + "  "
    for enum in own.enum_type:
        yield from enumeration(enum, inner)
    for nested in own.nested_type:
        if not nested.options.map_entry:
            yield from message(nested, path, inner)
    for field in own.field:
        if not field.HasField("oneof_index"):
            yield inner + line(field, entries)
    for i, oneof in enumerate(own.oneof_decl):
        yield f"{inner}oneof {oneof.name} {{"
        for field in own.field:
            if field.HasField("oneof_index") and field.oneof_index == i:
                yield f"{inner}  {line(field, entries)}"
        yield inner + "}"
    yield pad + "}"


def enumeration(own, pad):
    yield f"{pad}enum {own.name} {{"
    for value in own.value:
        yield f"{pad}  {value.name} = {value.number};"
    yield pad + "}"


def service(own):
    yield f"service {own.name} {{"
    for method in own.method:
        ins = ("stream " if method.client_streaming else "") + method.input_type.split(".")[-1]
        outs = ("stream " if method.server_streaming else "") + method.output_type.split(".")[-1]
        yield f"  rpc {method.name}({ins}) returns ({outs}) {{}}"
    yield "}"


for module in (service_pb2, model_config_pb2):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    lines = [HEAD + 'syntax = "proto3";', f"package {file.package};"]
    lines += [f'import "{name}";' for name in file.dependency]
    for own in file.service:
        lines += ["", *service(own)]
    for own in file.enum_type:
        lines += ["", *enumeration(own, "")]
    for own in file.message_type:
        lines += ["", *message(own, f".{file.package}", "")]
    (Path(__file__).parent / file.name).write_text("\n".join(lines) + "\n")
