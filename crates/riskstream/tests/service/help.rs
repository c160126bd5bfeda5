//! The help texts of all commands.

use crate::support::process::run;
use clap::Subcommand;
use riskstream::commands::Command;

#[test]
fn help_lists_every_option() {
    check_subcommands(&Command::augment_subcommands(clap::Command::new("riskstream")), &[]);
}

/// Compares the help of all subcommands of `command` with their snapshots. `path` holds the words that lead to `command`.
fn check_subcommands(command: &clap::Command, path: &[&str]) {
    for subcommand in command.get_subcommands() {
        let path = [path, &[subcommand.get_name()]].concat();
        let (code, help, _) = run(&[path.as_slice(), &["--help"]].concat(), &[]);
        assert_eq!(code, Some(0), "{path:?}");
        insta::assert_snapshot!(path.join("-"), help);
        check_subcommands(subcommand, &path);
    }
}
