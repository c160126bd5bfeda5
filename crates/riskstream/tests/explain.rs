//! The command `explain`: tables of what moved the scores of decisions.

use std::fmt::Write as _;
use std::io::Write;
use std::process::{Command, Stdio};

const DECISIONS: &str = concat!(
    r#"{"decision_id":"aa","event_id":"T1","pipeline":"shop","pipeline_version":"1","binary_version":"1","model":null,"#,
    r#""event_time":"2026-01-05T12:00:00Z","entities":{},"score":null,"outcome":"approve","reasons":[],"features":{},"#,
    r#""flags":[],"late_by_ms":null,"shadow_scores":{},"rollout":0,"latency":null}"#,
    "\n",
    r#"{"decision_id":"bb","event_id":"T2","pipeline":"shop","pipeline_version":"1","binary_version":"1","#,
    r#""model":{"name":"card-fraud","version":"1.0.0","sha256":"ab"},"event_time":"2026-01-05T12:00:00Z","entities":{},"#,
    r#""score":0.97531,"outcome":"decline","reasons":["#,
    r#"{"code":"R101","name":"burst","outcome":"decline","description":"more than six payments","contribution":null},"#,
    r#"{"code":"SCORE_FEATURE","name":"amount_to_mean_30d","outcome":"decline","description":null,"contribution":3.25},"#,
    r#"{"code":"SCORE_FEATURE","name":"online","outcome":"approve","description":null,"contribution":-0.5},"#,
    r#"{"code":"USUAL","name":"usual","outcome":"decline","description":"nothing is usual","contribution":0.25},"#,
    r#"{"code":"SCORE_FEATURE","name":"amount","outcome":"decline","description":null,"contribution":0.125}],"#,
    r#""features":{"amount_to_mean_30d":16.123456,"online":false,"usual":null},"flags":[],"late_by_ms":null,"#,
    r#""shadow_scores":{},"rollout":0,"latency":null}"#,
    "\n",
);

#[test]
fn explanations_are_tables() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(DECISIONS.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let mut text = String::new();
    for (arguments, input) in [
        (vec!["explain", path], ""),
        (vec!["explain", "--id", "bb"], DECISIONS),
        (vec!["explain", path, "--id", "T1"], ""),
        (vec!["explain", path, "--id", "T3"], ""),
        (vec!["explain"], DECISIONS.split_once('\n').unwrap().0),
        (vec!["explain"], "\n{\"decision_id\":1}"),
        (vec!["explain", "no/such/file"], ""),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_riskstream"))
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        writeln!(text, "$ riskstream {}", arguments.join(" ")).unwrap();
        text += std::str::from_utf8(&output.stdout).unwrap();
        text += std::str::from_utf8(&output.stderr).unwrap();
        writeln!(text, "exit code {}\n", output.status.code().unwrap()).unwrap();
    }
    insta::assert_snapshot!(text.replace(path, "decisions.jsonl"));
}
