//! The report of a verification as text.

use crate::commands::replay::text::{write_by_field, write_not_compared, write_notes};
use indicatif::HumanCount;
use riskstream_offline::recording::Period;
use riskstream_offline::replay::{FeatureCheck, ReplayReport};
use std::fmt::Write as _;

/// The report as lines for a terminal.
pub(super) fn text(report: &ReplayReport, period: Period) -> String {
    let mut out = String::new();
    let decisions = &report.outcome.decisions;
    let _ = writeln!(
        out,
        "decisions{}: {} compared, {} equal, {} different",
        within(period),
        number(report.compared()),
        number(decisions.equal),
        number(decisions.different)
    );
    out.push('\n');
    write_features(&mut out, &report.features);
    let others = report.outcome.differences.by_field.iter();
    let mut others = others
        .filter(|(field, _)| !is_of_feature(field, &report.features))
        .peekable();
    if others.peek().is_some() {
        write_by_field(&mut out, others);
    }
    write_not_compared(&mut out, &report.outcome);
    write_notes(&mut out, &report.notes);
    write_worst(&mut out, &report.features);
    out
}

fn within(period: Period) -> String {
    let time = |milliseconds: i64| {
        let mut text = Vec::new();
        riskstream_events::time::write(milliseconds.saturating_mul(1000), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let since = period.since.map(|since| format!(" written since {}", time(since)));
    let until = period.until.map(|until| format!(" before {}", time(until)));
    since.unwrap_or_default() + &until.unwrap_or_default()
}

/// Whether the line is in the table of features.
fn is_of_feature(field: &str, features: &[FeatureCheck]) -> bool {
    let Some((of, name)) = field.split_once(": ") else {
        return false;
    };
    let name = name.strip_prefix("features.").unwrap_or(name);
    features
        .iter()
        .any(|check| check.feature == name && check.compared_in.as_deref() == Some(of))
}

fn write_features(out: &mut String, features: &[FeatureCheck]) {
    let head = [
        "feature",
        "of",
        "compared",
        "different",
        "share equal",
        "largest difference",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(features.iter().map(|check| {
        [
            check.feature.clone(),
            check.entity.clone().unwrap_or_else(|| "expression".to_owned()),
            number(check.compared),
            number(check.different),
            check.share_equal.map_or("–".to_owned(), share),
            check.largest.map_or(String::new(), |largest| largest.to_string()),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for [name, of, compared, different, equal, largest] in &rows {
        let line = format!(
            "{name:w0$}  {of:w1$}  {compared:>w2$}  {different:>w3$}  {equal:>w4$}  {largest:>w5$}",
            w0 = widths[0],
            w1 = widths[1],
            w2 = widths[2],
            w3 = widths[3],
            w4 = widths[4],
            w5 = widths[5],
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// In per cent. A share below 1 is never shown as 100 %.
fn share(share: f64) -> String {
    let percent = share * 100.0;
    match share < 1.0 && percent > 99.9999 {
        true => "> 99.9999 %".to_owned(),
        false => {
            let text = format!("{percent:.4}");
            format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

fn write_worst(out: &mut String, features: &[FeatureCheck]) {
    for check in features.iter().filter(|check| check.different > 0) {
        let _ = writeln!(out, "\n{}: the largest differences", check.feature);
        for worst in &check.worst {
            let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let id = worst.decision_id.as_deref().unwrap_or("no decision");
            let _ = writeln!(
                out,
                "  {id} on {}: recorded {}, again {}",
                worst.event_id,
                side(&worst.recorded),
                side(&worst.again)
            );
        }
    }
}

fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_below_one_is_never_shown_as_all() {
        assert_eq!(share(1.0), "100 %");
        assert_eq!(share(0.999_999_999), "> 99.9999 %");
        assert_eq!(share(0.25), "25 %");
        assert_eq!(share(0.0), "0 %");
    }
}
