//! Types that Kafka Connect and Debezium name in a property of a schema. Avro knows some of them by other names.

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;
use serde_json::Value as Json;

/// The property that names a type.
const NAME: &str = "connect.name";

/// Debezium's times, and the logical types that mean the same. Those without a zone are local times.
const TIMES: [(&str, &str); 4] = [
    ("io.debezium.time.Date", "date"),
    ("io.debezium.time.Timestamp", "local-timestamp-millis"),
    ("io.debezium.time.MicroTimestamp", "local-timestamp-micros"),
    ("io.debezium.time.NanoTimestamp", "local-timestamp-nanos"),
];

/// Debezium's decimals of columns without a scale: each value has its own.
const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

/// Gives Debezium's times in a schema their logical types, so that their units need not be declared.
pub fn add_logical_types(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            let name = members.get(NAME).and_then(Json::as_str);
            let time = name.and_then(|name| TIMES.iter().find(|(time, _)| *time == name));
            if let Some((_, logical)) = time {
                members.entry("logicalType").or_insert_with(|| (*logical).into());
            }
            members.values_mut().for_each(add_logical_types);
        }
        Json::Array(items) => items.iter_mut().for_each(add_logical_types),
        _ => {}
    }
}

/// Whether a schema's JSON is the record that Debezium writes for a decimal with a scale of its own.
pub fn is_variable_scale_decimal(schema: &Json) -> bool {
    schema[NAME] == VARIABLE_SCALE_DECIMAL
}

/// Whether a record is such a decimal: its scale, and then the bytes of an integer.
pub(super) fn is_decimal_record(record: &RecordSchema) -> bool {
    let is_named = record
        .attributes
        .get(NAME)
        .is_some_and(|name| name == VARIABLE_SCALE_DECIMAL);
    let [scale, value] = record.fields.as_slice() else {
        return false;
    };
    let has_fields = scale.name == "scale" && value.name == "value";
    is_named && has_fields && matches!((&scale.schema, &value.schema), (Schema::Int, Schema::Bytes))
}
