//! `riskstream verify` of what the service has decided.

use crate::replay::eventful;
use crate::shop::Shop;
use rdkafka::message::Message;
use serde_json::Value;

fn verify(shop: &Shop, further: &[&str]) -> (Option<i32>, String, Value) {
    shop.report("verify", "recording", further)
}

fn check<'r>(report: &'r Value, feature: &str) -> &'r Value {
    let mut checks = report["features"].as_array().unwrap().iter();
    checks.find(|check| check["feature"] == feature).unwrap()
}

/// The value of a metric with these labels.
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
}

#[test]
fn an_eventful_run_is_verified_by_feature() {
    let mut shop = Shop::new("verified", "exactly_once");
    eventful(&mut shop);
    shop.record("recording", &["--personal-data"]);
    let metrics = shop.path("verify.prom");
    let (code, text, report) = verify(&shop, &["--metrics", metrics.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    let decided = 600 + 600_u64.div_ceil(29);
    for feature in ["payments", "spent", "at_shop", "frauds"] {
        let check = check(&report, feature);
        assert_eq!(
            (&check["compared"], &check["different"]),
            (&decided.into(), &0.into()),
            "{feature}: {text}"
        );
        assert_eq!(check["share_equal"], 1.0);
    }
    let metrics = std::fs::read_to_string(metrics).unwrap();
    let pipeline = &shop.name;
    let equal = format!("riskstream_verify_decisions{{pipeline=\"{pipeline}\",result=\"equal\"}}");
    assert_eq!(metric(&metrics, &equal), decided as f64);
    let different =
        format!("riskstream_verify_feature_values{{pipeline=\"{pipeline}\",feature=\"spent\",result=\"different\"}}");
    assert_eq!(metric(&metrics, &different), 0.0);
    // From the topics: what was written within the last day is all of it, and nothing is yet to come.
    let out = shop.succeed(&["verify"], &["--since", "1d"]);
    assert!(
        out.contains(&format!(": {decided} compared, {decided} equal, 0 different")),
        "{out}"
    );
    let (code, text, _) = verify(&shop, &["--since", "2100-01-01"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("no decision of the period could be compared"), "{text}");
    let (code, _, errors) = shop.run(&["verify"], &["--since", "2026-01-02", "--until", "2026-01-01"]);
    assert!(
        code == Some(2) && errors.contains("--until is not after --since"),
        "{errors}"
    );
}

/// A service whose windows are a second wider than its pipeline file says. Another program puts the version of the file into its
/// decisions, as a service with this bug would.
#[test]
fn a_window_that_is_off_by_a_second_is_found_and_the_feature_named() {
    let mut shop = Shop::new("buggy", "exactly_once");
    let text = std::fs::read_to_string(shop.path("pipeline.yaml")).unwrap();
    // Payments of a card are 11 seconds apart, those of a shop 4.
    let right = text.replace(
        "payments: {entity: card, count: transactions, window: 1m}",
        "payments: {entity: card, count: transactions, window: 66s}",
    );
    let buggy = right
        .replace("window: 66s", "window: 67s")
        .replace(
            "at_shop: {entity: shop, count: transactions, window: 1m}",
            "at_shop: {entity: shop, count: transactions, window: 61s}",
        )
        .replace("-decisions", "-served");
    assert!(buggy.contains("67s") && buggy.contains("61s") && buggy.contains("-served"));
    std::fs::write(shop.path("pipeline.yaml"), &buggy).unwrap();
    shop.create_topics();
    shop.read_decisions_from("served");
    let mut service = shop.start("state");
    shop.pay(0..300);
    shop.wait_for(300, &mut service);
    service.end();
    std::fs::write(shop.path("pipeline.yaml"), &right).unwrap();
    let explained = shop.succeed(&["check"], &["--explain"]);
    let (_, version) = explained.split_once("(version ").unwrap();
    let (version, _) = version.split_once(')').unwrap();
    let mut served = Vec::new();
    shop.read("served", |message| {
        let mut decision: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        decision["pipeline_version"] = version.into();
        served.push((message.key().unwrap().to_vec(), decision.to_string()));
    });
    for (key, decision) in &served {
        shop.writer
            .send(&shop.topic("decisions"), Some(key), Some(decision.as_bytes()));
    }
    shop.writer.flush();
    shop.record("recording", &["--personal-data"]);
    let metrics = shop.path("verify.prom");
    let (code, text, report) = verify(&shop, &["--metrics", metrics.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("features that differ: payments, at_shop\n"), "{text}");
    for feature in ["payments", "at_shop"] {
        let check = check(&report, feature);
        assert_eq!(check["compared"], served.len(), "{text}");
        assert!(check["different"].as_u64().unwrap() > 200, "{text}");
        assert_eq!(check["largest"], 1.0, "{text}");
        let worst = &check["worst"][0];
        let id = worst["decision_id"].as_str().unwrap();
        let number = |side: &str| worst[side].as_str().unwrap().parse::<i64>().unwrap();
        assert_eq!(number("recorded"), number("again") + 1, "{text}");
        // The decision that is named, taken apart.
        let (code, audited, _) = shop.report("replay", "recording", &["--decision", id]);
        assert_eq!(code, Some(1), "{audited}");
        assert!(
            audited.contains("error: not confirmed: ") && audited.contains(feature),
            "{audited}"
        );
    }
    for feature in ["spent", "frauds"] {
        assert_eq!(check(&report, feature)["different"], 0, "{text}");
    }
    let metrics = std::fs::read_to_string(metrics).unwrap();
    let largest = format!(
        "riskstream_verify_feature_largest_difference{{pipeline=\"{}\",feature=\"at_shop\"}}",
        shop.name
    );
    assert_eq!(metric(&metrics, &largest), 1.0);
}
