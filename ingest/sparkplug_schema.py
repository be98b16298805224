"""The Sparkplug B payload as protobuf messages, built from field numbers at import; nothing to generate or to copy.

Numbers and types are those of the Sparkplug 3.0 specification, chapter 6. Of templates, data sets and property sets
only their place is known: what they hold is kept as unknown fields and read by nobody.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "liandong.sparkplug"
_Type = FieldDescriptorProto

_METRIC_FIELDS = (
    ("name", 1, _Type.TYPE_STRING),
    ("alias", 2, _Type.TYPE_UINT64),
    ("timestamp", 3, _Type.TYPE_UINT64),
    ("datatype", 4, _Type.TYPE_UINT32),
    ("is_historical", 5, _Type.TYPE_BOOL),
    ("is_transient", 6, _Type.TYPE_BOOL),
    ("is_null", 7, _Type.TYPE_BOOL),
)
_VALUE_FIELDS = (
    ("int_value", 10, _Type.TYPE_UINT32),
    ("long_value", 11, _Type.TYPE_UINT64),
    ("float_value", 12, _Type.TYPE_FLOAT),
    ("double_value", 13, _Type.TYPE_DOUBLE),
    ("boolean_value", 14, _Type.TYPE_BOOL),
    ("string_value", 15, _Type.TYPE_STRING),
    ("bytes_value", 16, _Type.TYPE_BYTES),
    ("dataset_value", 17, _Type.TYPE_BYTES),
    ("template_value", 18, _Type.TYPE_BYTES),
    ("extension_value", 19, _Type.TYPE_BYTES),
)
_PAYLOAD_FIELDS = (
    ("timestamp", 1, _Type.TYPE_UINT64),
    ("seq", 3, _Type.TYPE_UINT64),
    ("uuid", 4, _Type.TYPE_STRING),
    ("body", 5, _Type.TYPE_BYTES),
)


def _build() -> type[Any]:
    file = FileDescriptorProto(name="liandong/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    metric = file.message_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for name, number, type_ in _METRIC_FIELDS:
        metric.field.add(name=name, number=number, type=type_, label=_Type.LABEL_OPTIONAL)
    for name, number, type_ in _VALUE_FIELDS:
        metric.field.add(name=name, number=number, type=type_, label=_Type.LABEL_OPTIONAL, oneof_index=0)
    payload = file.message_type.add(name="Payload")
    for name, number, type_ in _PAYLOAD_FIELDS:
        payload.field.add(name=name, number=number, type=type_, label=_Type.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics",
        number=2,
        type=_Type.TYPE_MESSAGE,
        label=_Type.LABEL_REPEATED,
        type_name=f".{_PACKAGE}.Metric",
    )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload: type[Any] = _build()
