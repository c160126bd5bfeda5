//! The report of a replay as text.

use indicatif::HumanCount;
use riskstream_offline::replay::{Counts, Difference, Outcome, ReplayReport};
use std::fmt::Write as _;

/// Differences that are shown.
const SHOWN: usize = 20;

/// The report as lines for a terminal.
pub(super) fn text(report: &ReplayReport) -> String {
    let mut out = String::new();
    let outcome = &report.outcome;
    let mut lines = vec![(
        String::new(),
        ["recorded", "again", "equal", "different"].map(str::to_owned),
    )];
    lines.push(("decisions".to_owned(), row(&outcome.decisions)));
    for (entity, counts) in &outcome.rows {
        lines.push((format!("rows to {entity}"), row(counts)));
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, [recorded, again, equal, different]) in lines {
        let _ = writeln!(
            out,
            "{name:width$} {recorded:>12} {again:>12} {equal:>12} {different:>12}"
        );
    }
    write_not_compared(&mut out, outcome);
    write_notes(&mut out, &report.notes);
    let differences = &outcome.differences;
    if differences.count > 0 {
        write_by_field(&mut out, differences.by_field.iter());
        out.push('\n');
        differences.first.iter().take(SHOWN).for_each(|difference| {
            let _ = writeln!(out, "{}", line(difference));
        });
        if differences.count > SHOWN as u64 {
            let _ = writeln!(out, "… of {}; --json FILE has more", number(differences.count));
        }
    }
    out
}

/// What was not compared, by reason.
pub(in crate::commands) fn write_not_compared(out: &mut String, outcome: &Outcome) {
    if !outcome.not_compared.is_empty() || outcome.unreadable > 0 {
        out.push_str("\nnot compared:\n");
        for (why, count) in &outcome.not_compared {
            let _ = writeln!(out, "{:>12}  {why}", number(*count));
        }
        if outcome.unreadable > 0 {
            let _ = writeln!(
                out,
                "{:>12}  records of decisions that are none",
                number(outcome.unreadable)
            );
        }
    }
}

/// What else the reader has to know.
pub(in crate::commands) fn write_notes(out: &mut String, notes: &[String]) {
    if !notes.is_empty() {
        out.push('\n');
        for note in notes {
            let _ = writeln!(out, "note: {note}");
        }
    }
}

/// How many differences each field has.
pub(in crate::commands) fn write_by_field<'f>(out: &mut String, by_field: impl Iterator<Item = (&'f String, &'f u64)>) {
    out.push_str("\ndifferences by field:\n");
    for (field, count) in by_field {
        let _ = writeln!(out, "{:>12}  {field}", number(*count));
    }
}

fn row(counts: &Counts) -> [String; 4] {
    [counts.recorded, counts.again, counts.equal, counts.different].map(number)
}

fn line(difference: &Difference) -> String {
    let Difference {
        of,
        decision_id,
        event_id,
        field,
        recorded,
        again,
        by: _,
    } = difference;
    let id = decision_id.as_ref().map_or(String::new(), |id| format!(" {id}"));
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let field = if field.is_empty() {
        String::new()
    } else {
        format!(" {field}:")
    };
    format!(
        "{of}{id} on {event_id}:{field} recorded {}, again {}",
        side(recorded),
        side(again)
    )
}

fn number(number: u64) -> String {
    HumanCount(number).to_string()
}
