//! Pipeline files with one mistake each: shared by the tests of sections of the file.

use riskstream_definition::{Compiled, Style, compile};
use std::fmt::Write;
use std::path::Path;

/// What it is, the text of the correct file, and what stands there instead.
pub type Mistake = (&'static str, &'static str, &'static str);

/// Compiles a file. The error is what a user sees.
pub fn compiled(source: &str) -> Result<Compiled, String> {
    compile("pipeline.yaml", source, Path::new("no such directory"), &|_| None)
        .map_err(|report| report.render(Style::Plain, 120))
}

/// The reports on a correct file with each of the mistakes, under their names. `complete` is told a mistake's name, and changes what
/// else of the file belongs to it.
pub fn reports(correct: &str, mistakes: &[Mistake], complete: impl Fn(&str, String) -> String) -> String {
    let mut text = String::new();
    for (what, from, to) in mistakes {
        assert!(correct.contains(from), "{what}: nothing to replace");
        let wrong = complete(what, correct.replacen(from, to, 1));
        let report = compiled(&wrong).map(|_| ()).expect_err(what);
        writeln!(text, "## {what}\n\n{report}\n").unwrap();
    }
    text
}
