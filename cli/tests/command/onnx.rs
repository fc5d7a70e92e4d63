//! A model of another framework through the command.

use super::{done, refused};
use std::fs;
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/onnx/");

#[test]
fn a_graph_becomes_a_bundle_and_what_cannot_is_named() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let (out, names) = (path("click.safetensors"), path("pair.txt"));
    fs::write(&names, "item.acts\nitem.weight\n\nprior.score\nrecent.likeness\n").unwrap();
    let graph = |name: &str| format!("{FIXTURES}{name}.onnx");
    let columns = format!("p=@{names}");
    let both = graph("two-tasks");
    let said = done(&[
        "import",
        "onnx",
        &both,
        "--space",
        "shop",
        "--label",
        "click",
        "--label",
        "buy",
        "--columns",
        "u=user.events,user.streak,time.night",
        "--columns",
        &columns,
        "--out",
        &out,
    ]);
    assert!(said.contains("user (dense)") && said.contains("pair (dense)") && said.contains("(mlp)"), "{said}");
    let bundle = zhiji::bundle::load(&fs::read(&out).unwrap(), "shop").unwrap();
    assert_eq!(bundle.stack().labels(0).collect::<Vec<_>>(), ["click", "buy"]);
    assert_eq!(bundle.probes(), 6);
    let tanh = graph("tanh");
    let columns = format!("@{names}");
    let said = refused(&[
        "import",
        "onnx",
        &tanh,
        "--space",
        "shop",
        "--label",
        "click",
        "--columns",
        &columns,
        "--out",
        &out,
    ]);
    assert!(said.contains("Tanh") && said.contains("tools/torch"), "{said}");
}
