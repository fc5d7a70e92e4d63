//! The command itself, run as a person or a script would run it.

mod features;
mod inspect;
mod lab;
mod onnx;
mod publish;
mod quality;
mod train;

use std::process::{Command, Output};

/// Runs the command.
fn zhiji(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zhiji")).args(args).output().unwrap()
}

/// Runs the command, which must succeed, and gives what it printed.
fn done(args: &[&str]) -> String {
    let output = zhiji(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the command, which must refuse, and gives what it said.
fn refused(args: &[&str]) -> String {
    let output = zhiji(args);
    assert!(!output.status.success(), "{args:?} should have been refused");
    String::from_utf8(output.stderr).unwrap()
}
