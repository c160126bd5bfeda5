//! The registry client against a real registry.

use crate::support::{registry as address, unique};
use riskstream::registry::{Credentials, Registry, RegistryError};
use riskstream_events::SchemaReference::Id;
use serde_json::{Value, json};

#[test]
fn a_schema_is_registered_once_and_found_by_its_id() {
    let registry = Registry::new(&address(), Credentials::None);
    let subject = unique("decisions");
    let id = registry
        .register(&subject, riskstream_events::DECISION_AVRO_SCHEMA)
        .unwrap();
    let again = Registry::new(&address(), Credentials::None);
    assert_eq!(
        again.register(&subject, riskstream_events::DECISION_AVRO_SCHEMA),
        Ok(id)
    );
    let found: Value = serde_json::from_str(&again.schema(Id(id)).unwrap()).unwrap();
    let registered: Value = serde_json::from_str(riskstream_events::DECISION_AVRO_SCHEMA).unwrap();
    assert_eq!(found, registered);
}

#[test]
fn an_id_that_was_not_registered_is_unknown() {
    let registry = Registry::new(&address(), Credentials::None);
    let error = registry.schema(Id(2_000_000_000)).unwrap_err();
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
}

#[test]
fn references_are_inlined() {
    let url = address();
    let registry = Registry::new(&url, Credentials::None);
    let card = json!({"type": "record", "name": "Card", "namespace": "shop", "fields": [{"name": "number", "type": "string"}]});
    let (cards, payments) = (unique("cards"), unique("payments"));
    registry.register(&cards, &card.to_string()).unwrap();
    let payment = json!({"type": "record", "name": "Payment", "fields": [{"name": "card", "type": "shop.Card"}]});
    let body = json!({
        "schema": payment.to_string(),
        "references": [{"name": "shop.Card", "subject": cards, "version": 1}],
    });
    let answer = ureq::post(format!("{url}/subjects/{payments}/versions"))
        .content_type("application/vnd.schemaregistry.v1+json")
        .send(body.to_string());
    let answer: Value = serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap();
    let id = answer["id"].as_u64().unwrap() as u32;
    let schema: Value = serde_json::from_str(&registry.schema(Id(id)).unwrap()).unwrap();
    assert_eq!(schema["fields"][0]["type"], card);
}
