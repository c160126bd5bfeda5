//! The help texts of commands.

use crate::support::process::run;

#[test]
fn help_lists_every_option() {
    let cases: [(&str, &[&str]); 6] = [
        ("run", &["run", "--help"]),
        ("models", &["models", "--help"]),
        ("models inspect", &["models", "inspect", "--help"]),
        ("models verify", &["models", "verify", "--help"]),
        ("topics", &["topics", "--help"]),
        ("topics create", &["topics", "create", "--help"]),
    ];
    for (name, arguments) in cases {
        let (code, help, _) = run(arguments, &[]);
        assert_eq!(code, Some(0));
        insta::assert_snapshot!(name.replace(' ', "-"), help);
    }
}
